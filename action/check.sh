#!/usr/bin/env bash
# Annotates the configs, and mlc-package.yml if it is there, with everything that is wrong, before
# anything slow begins.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=action/common.sh
source "$here/common.sh"

arguments=(--format=github)
if [[ $STRICT == true ]]; then arguments+=(--strict); fi
while IFS= read -r name; do
  if [[ -n $name ]]; then arguments+=("--package=$name"); fi
done <<<"$PACKAGE"
if [[ -n $CONFIG ]]; then
  arguments+=(-- "$CONFIG")
  # Its budgets are what the report is held against.
  if [[ -f mlc-package.yml ]]; then arguments+=(mlc-package.yml); fi
fi
failing='the check of the configs failed'
run_program "$MLC_PACKAGE" check "${arguments[@]}"
