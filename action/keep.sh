#!/usr/bin/env bash
# Gets the compiled libraries ready to be saved, also where others failed to compile. Leaves only
# those of the packages: what came with an older entry would be dragged along from run to run. Never
# in a cache of the user's own.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

failing='compiled libraries are not saved' severity=warning

keep=()
while IFS= read -r fingerprint; do
  if [[ -n $fingerprint ]]; then keep+=("--keep=$fingerprint"); fi
done <<<"$FINGERPRINTS"
if ((${#keep[@]} == 0)); then exit; fi
# What a compiler that was ended has left.
rm -rf "$MLC_PACKAGE_CACHE_DIR"/libs/.tmp-*
run_program "$MLC_PACKAGE" cache prune --only libraries "${keep[@]}"

cached_libraries >"$state/kept"
present=$(awk 'END { print NR }' "$state/kept")
if ((present == ${#keep[@]})); then
  output key "$LIBS_KEY"
elif [[ -n $(LC_ALL=C comm -13 "$state/restored" "$state/kept") ||
  -n $(LC_ALL=C comm -12 "$state/brought" "$state/kept") ]]; then
  # Not under the key of all: an entry is never changed, and the next run would take it for whole.
  # It is found by the beginning of its key.
  digest=$(sha256 "$state/kept")
  output key "$LIBS_KEY-partial-${digest:0:16}"
  notice "$present of ${#keep[@]} compiled libraries are kept for the next run"
fi
