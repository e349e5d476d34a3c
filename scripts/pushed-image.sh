#!/usr/bin/env bash
# Says in the output NAME which digest an image has that was pushed already, if it was made from a
# commit; nothing if it was made from another one, or is not there.
#   scripts/pushed-image.sh NAME IMAGE:TAG COMMIT
# It takes docker with buildx, logged in.
set -euo pipefail

if (($# != 3)); then
  echo "usage: scripts/pushed-image.sh NAME IMAGE:TAG COMMIT" >&2
  exit 2
fi
name=$1 image=$2 commit=$3

errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
if ! seen=$(docker buildx imagetools inspect "$image" --format '{{json .}}' 2>"$errors"); then
  # A registry that does not answer is no sign that there is no image.
  if grep --quiet --ignore-case 'not found' "$errors"; then
    echo "$image was not pushed yet"
    exit 0
  fi
  cat "$errors" >&2
  exit 1
fi
# One image, or an index with one of each platform.
revision=$(
  jq --raw-output '[.image | .. | objects | .["org.opencontainers.image.revision"]? // empty] | unique | join(" ")' \
    <<<"$seen"
)
if [[ $revision != "$commit" ]]; then
  echo "$image was made from ${revision:-an unknown commit}: it is built again"
  exit 0
fi
digest=$(jq --raw-output '.manifest.digest' <<<"$seen")
echo "$image is there: $digest"
if [[ -n ${GITHUB_OUTPUT:-} ]]; then echo "$name=$digest" >>"$GITHUB_OUTPUT"; fi
