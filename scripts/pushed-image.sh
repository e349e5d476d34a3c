#!/usr/bin/env bash
# Says in the output NAME which digest an image has that was pushed already, if it was made from a
# commit and of these programs; nothing if it was made from others, or is not there.
#   scripts/pushed-image.sh NAME IMAGE:TAG COMMIT PROGRAMS
# PROGRAMS: what its label `io.github.mlc-package.programs` must be. It takes docker with buildx, logged in.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=action/failures.sh
source "$root/action/failures.sh"
# shellcheck disable=SC2034 # read there
title=Release annotating=${GITHUB_ACTIONS:-false} usual_code=1

if (($# != 4)); then
  fail "usage: scripts/pushed-image.sh NAME IMAGE:TAG COMMIT PROGRAMS" 2
fi
name=$1 image=$2 commit=$3 programs=$4
# shellcheck disable=SC2034
failing="whether $image was pushed already could not be found out"

errors=$(mktemp)
# shellcheck disable=SC2329 # called at the exit
cleanup() { rm -f "$errors"; }
if ! seen=$(docker buildx imagetools inspect "$image" --format '{{json .}}' 2>"$errors"); then
  # A registry that does not answer is no sign that there is no image. Of a package that was never
  # pushed some say that it is not there, others that nobody may see it: then the push tells.
  if grep --quiet --ignore-case --extended-regexp \
    'not found|(name|manifest) unknown|denied|forbidden|unauthorized|authorization failed|status( code)?:? 40[134]' "$errors"; then
    echo "$image was not pushed yet: $(tail -n 1 "$errors")"
    exit 0
  fi
  cat "$errors" >&2
  fail "$failing: $(tail -n 1 "$errors")"
fi
# One image, or an index with one of each platform.
label() {
  jq --raw-output --arg key "$1" \
    '[.image | .. | objects | .[$key]? // empty] | unique | join(" ")' <<<"$seen"
}
revision=$(label org.opencontainers.image.revision)
if [[ $revision != "$commit" ]]; then
  echo "$image was made from ${revision:-an unknown commit}: it is built again"
  exit 0
fi
if [[ $(label io.github.mlc-package.programs) != "$programs" ]]; then
  echo "$image has other programs than these: it is built again"
  exit 0
fi
digest=$(jq --raw-output '.manifest.digest' <<<"$seen")
if [[ ! $digest =~ ^sha256:[0-9a-f]{64}$ ]]; then fail "$failing: docker names no digest of it"; fi
echo "$image is there: $digest"
if [[ -n ${GITHUB_OUTPUT:-} ]]; then echo "$name=$digest" >>"$GITHUB_OUTPUT"; fi
