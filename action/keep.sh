#!/usr/bin/env bash
# Leaves only this package's libraries in the cache that is about to be saved: what came with an
# older entry would be dragged along from run to run. Never in a cache of the user's own.
set -euo pipefail

keep=()
while IFS= read -r fingerprint; do
  if [[ -n $fingerprint ]]; then keep+=("--keep=$fingerprint"); fi
done <<<"$FINGERPRINTS"
if ((${#keep[@]})); then
  "$MLC_PACKAGE" cache prune --only libraries "${keep[@]}"
fi
