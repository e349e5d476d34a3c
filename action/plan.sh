#!/usr/bin/env bash
# What a build would do: keys and paths of caches, the job matrix, counts.
#   plan.sh [keys]
# keys: before the caches are back. What is missing then says nothing yet, and is not shown.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

failing='the plan failed'
package_arguments
package_arguments+=(--prefix-key "$PREFIX_KEY" --matrix-jobs "$MATRIX_JOBS")
if [[ ${1:-} == keys ]]; then
  # What jobs of a matrix compiled, and a step before this one has brought here.
  cached_libraries >"$state/brought"
  run_package plan "${package_arguments[@]}" >/dev/null
else
  run_package plan "${package_arguments[@]}"
fi
