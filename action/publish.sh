#!/usr/bin/env bash
# Publishes the packages as a release: a draft until everything is up. A run that failed is
# completed by the next one.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

failing='the release was not published'
arguments=("--tag=$TAG_NAME" "--staging=$state/assets")
if [[ -n $MANIFEST ]]; then
  # Packages that other jobs made: each lies where its manifest does.
  while IFS= read -r manifest; do
    if [[ -z $manifest ]]; then continue; fi
    if [[ ! -e $manifest ]]; then manifest=${manifest#*=}; fi
    if [[ ${manifest##*/} != mlc-package-manifest.json ]]; then
      fail "a package is published from its dist/: \`$manifest\` is not an mlc-package-manifest.json in one"
    fi
    case $manifest in */*) arguments+=("--output=${manifest%/*}") ;; *) arguments+=(--output=.) ;; esac
  done <<<"$MANIFEST"
else
  while IFS= read -r dist; do
    if [[ -n $dist ]]; then arguments+=("--output=$dist"); fi
  done <<<"$DISTS"
fi
if [[ -n $NAME ]]; then arguments+=("--name=$NAME"); fi
if [[ -n $DRAFT ]]; then arguments+=("--draft=$DRAFT"); fi
if [[ -n $PRERELEASE ]]; then arguments+=("--prerelease=$PRERELEASE"); fi
while IFS= read -r file; do
  if [[ -n $file ]]; then arguments+=("--file=$file"); fi
done <<<"$FILES"

url=$(run_program "$MLC_PACKAGE" publish "${arguments[@]}")
if [[ $url != http*://* || $url == *[[:space:]]* ]]; then
  fail "$failing: mlc-package did not say where the release is" 1
fi
echo "$url"
output release-url "$url"
