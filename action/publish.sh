#!/usr/bin/env bash
# Publishes the packages as a release: a draft until everything is up. A run that failed is
# completed by the next one.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

arguments=("--tag=$TAG_NAME" "--staging=$state/assets")
while IFS= read -r dist; do
  if [[ -n $dist ]]; then arguments+=("--output=$dist"); fi
done <<<"$DISTS"
if [[ -n $NAME ]]; then arguments+=("--name=$NAME"); fi
if [[ -n $DRAFT ]]; then arguments+=("--draft=$DRAFT"); fi
if [[ -n $PRERELEASE ]]; then arguments+=("--prerelease=$PRERELEASE"); fi
while IFS= read -r file; do
  if [[ -n $file ]]; then arguments+=("--file=$file"); fi
done <<<"$FILES"

failing='the release was not published'
url=$(run_program "$MLC_PACKAGE" publish "${arguments[@]}")
if [[ $url != http*://* || $url == *[[:space:]]* ]]; then
  fail "$failing: mlc-package did not say where the release is" 1
fi
echo "$url"
output release-url "$url"
