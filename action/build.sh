#!/usr/bin/env bash
# Makes the packages, or only the libraries that go into them, or says which are missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

if [[ $MODE == plan ]]; then
  # Once more, now that the caches are back: the matrix has what is still missing.
  exec "$here/plan.sh"
fi
package_arguments
if [[ $MODE == libraries ]]; then package_arguments+=(--libs-only); fi
with_toolchain build "${package_arguments[@]}"
