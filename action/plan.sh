#!/usr/bin/env bash
# What a build would do: keys and paths of caches, the job matrix, counts.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

package_arguments
with_toolchain plan "${package_arguments[@]}" \
  --prefix-key "$PREFIX_KEY" --matrix-jobs "$MATRIX_JOBS"
