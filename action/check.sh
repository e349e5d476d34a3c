#!/usr/bin/env bash
# Annotates the config with everything that is wrong with it, before anything slow begins.
set -euo pipefail

arguments=(--format github)
if [[ $STRICT == true ]]; then arguments+=(--strict); fi
"$MLC_PACKAGE" check "${arguments[@]}" -- "$CONFIG"
