#!/usr/bin/env bash
# Installs the linters of the action, its workflows, scripts and the Dockerfile: target/linters.
# Quick when they are there.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup-python.sh target/linters tests/action/requirements.txt
