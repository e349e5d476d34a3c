#!/usr/bin/env bash
# Asks whether anybody can pull an image, without a login: a package on ghcr.io is private when
# it is first pushed, and every user's job would end at its `docker run`.
#   scripts/check-public-image.sh REGISTRY/NAME@sha256:DIGEST
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=action/failures.sh
source "$root/action/failures.sh"
# shellcheck disable=SC2034 # read there
title=Release annotating=${GITHUB_ACTIONS:-false} usual_code=1
# shellcheck disable=SC2034
failing="whether anybody can pull ${1:-an image} could not be found out"

if (($# != 1)) || [[ ! $1 =~ ^([^/]+)/([a-z0-9._/-]+)@(sha256:[0-9a-f]{64})$ ]]; then
  fail "usage: scripts/check-public-image.sh REGISTRY/NAME@sha256:DIGEST (not: $*)" 2
fi
registry=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]} digest=${BASH_REMATCH[3]}
# As docker does: no TLS on the loopback.
scheme=https
case $registry in 127.0.0.1:* | localhost:*) scheme=http ;; esac

work=$(mktemp -d)
# shellcheck disable=SC2329 # called at the exit
cleanup() { rm -rf "$work"; }
media=application/vnd.oci.image.index.v1+json,application/vnd.oci.image.manifest.v1+json
media+=,application/vnd.docker.distribution.manifest.v2+json,application/vnd.docker.distribution.manifest.list.v2+json

# Asks for an address; prints the status. The answer is in files.
ask() {
  local code=0
  curl --silent --show-error --retry 5 --retry-connrefused --connect-timeout 20 \
    --output "$work/body" --dump-header "$work/headers" --write-out '%{http_code}' \
    "$@" 2>"$work/errors" || code=$?
  if ((code != 0)); then
    cat "$work/errors" >&2
    fail "$registry could not be asked for $name@$digest: $(tail -n 1 "$work/errors"): run this again"
  fi
}
manifest() { ask --header "Accept: $media" "$@" "$scheme://$registry/v2/$name/manifests/$digest"; }

ill() { fail "$registry answered $1 when it was asked for $name@$digest: run this again"; }

status=$(manifest)
if [[ $status == 401 ]]; then
  # A token that everybody may have: WWW-Authenticate: Bearer realm="…",service="…",scope="…"
  challenge=$(grep --ignore-case '^www-authenticate: bearer ' "$work/headers" | tr -d '\r' || true)
  value() { sed -n "s/.*[ ,]$1=\"\([^\"]*\)\".*/\1/p" <<<"$challenge"; }
  realm=$(value realm)
  if [[ -n $realm ]]; then
    answer=$(ask --get --data-urlencode "service=$(value service)" \
      --data-urlencode "scope=repository:$name:pull" "$realm")
    case $answer in 200 | 401 | 403 | 404) ;; *) ill "$answer" ;; esac
    token=$(jq --raw-output '.token // .access_token // ""' "$work/body" 2>/dev/null || true)
    if [[ -n $token ]]; then
      status=$(manifest --config - <<<"header = \"Authorization: Bearer $token\"")
    fi
  fi
fi
case $status in
200)
  echo "$registry/$name@$digest can be pulled by anybody"
  exit 0
  ;;
401 | 403 | 404) ;;
*) ill "$status" ;;
esac
owner=${name%%/*} package=${name#*/}
message="the image $registry/$name is private, so that no user could pull it (the answer without a \
login is $status)"
if [[ $registry == ghcr.io ]]; then
  message+=": make it public at https://github.com/orgs/$owner/packages/container/${package//\//%2F}/settings \
(of a user's: https://github.com/users/$owner/packages/container/${package//\//%2F}/settings), \"Danger Zone\", \"Change \
visibility\", \"Public\", and run the failed jobs of this release again"
fi
fail "$message"
