#!/usr/bin/env bash
# Format, clippy and unit tests: what a minute shows. `make test` is all that must hold.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --check
cargo clippy --all-targets --locked -- -D warnings
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --locked --lib --status-level fail --no-fail-fast
else
  cargo test --locked --lib --quiet
fi
cargo test --locked --test architecture --quiet
