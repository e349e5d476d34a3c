#!/usr/bin/env bash
# Makes the packages, or only the libraries that go into them, or says which are missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

failing='the build failed'
if [[ $MODE == plan ]]; then
  # Once more, now that the caches are back: the matrix has what is still missing.
  exec "$here/plan.sh"
fi
package_arguments
if [[ $MODE == libraries ]]; then package_arguments+=(--libs-only); fi

cached_libraries >"$state/restored"
code=0
run_package build "${package_arguments[@]}" || code=$?
if [[ $MODE == libraries ]]; then
  # What this job compiled, and nothing that the cache had: for the job that puts all together.
  compiled=$state/compiled
  rm -rf "$compiled"
  mkdir -p "$compiled"
  cached_libraries | LC_ALL=C comm -13 "$state/restored" - | while IFS= read -r library; do
    cp -R "$MLC_PACKAGE_CACHE_DIR/libs/$library" "$compiled/"
  done
  output libs-path "$compiled"
fi
exit "$code"
