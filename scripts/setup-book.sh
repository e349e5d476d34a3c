#!/usr/bin/env bash
# Installs mdbook, which makes the book of docs/: target/tools/bin/mdbook. Quick when it is there.
set -euo pipefail
cd "$(dirname "$0")/.."

MDBOOK=0.5.4

if ! target/tools/bin/mdbook --version 2>/dev/null | grep -qx "mdbook v$MDBOOK"; then
  echo "setup: building mdbook $MDBOOK (once, a few minutes)"
  # Unoptimized: it has thirty pages to render, and compiles in half the time.
  CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR=target/tools/build cargo install --quiet --locked --debug \
    --no-default-features --features search --version "$MDBOOK" --root target/tools mdbook
  rm -rf target/tools/build
fi
