#!/usr/bin/env bash
# Annotates the config, and mlc-package.yml if it is there, with everything that is wrong, before anything slow begins.
set -euo pipefail

arguments=(--format github)
if [[ $STRICT == true ]]; then arguments+=(--strict); fi
files=("$CONFIG")
# Its budgets are what the report is held against.
if [[ -f mlc-package.yml ]]; then files+=(mlc-package.yml); fi
"$MLC_PACKAGE" check "${arguments[@]}" -- "${files[@]}"
