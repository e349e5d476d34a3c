#!/usr/bin/env bash
# Annotates the configs, and mlc-package.yml if it is there, with everything that is wrong, before
# anything slow begins.
set -euo pipefail

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
"$MLC_PACKAGE" check "${arguments[@]}"
