#!/usr/bin/env bash
# Fails the job for a size that is over its budget, now that everything else is done.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

fail "a size is over a budget of mlc-package.yml: the size report in the job's summary says which" 20
