#!/usr/bin/env bash
# What actions/cache/restore does for the manifests to compare with, in a directory of a self-hosted
# runner: the entry of this key, else the newest whose key begins with one of the others.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

failing='sizes are not compared: the manifests were not found' severity=warning

entries=$CACHE_DIR/manifests
found=
if [[ -d $entries/${KEY//\//_} ]]; then
  found=${KEY//\//_}
else
  while IFS= read -r prefix; do
    if [[ -z $prefix || -n $found ]]; then continue; fi
    for entry in "$entries/${prefix//\//_}"*; do
      if [[ -d $entry && (-z $found || $entry -nt $entries/$found) ]]; then found=${entry##*/}; fi
    done
  done <<<"$RESTORE_KEYS"
fi
if [[ -z $found ]]; then exit; fi
mkdir -p "$MANIFESTS"
cp -R "$entries/$found/." "$MANIFESTS/"
output matched-key "$found"
