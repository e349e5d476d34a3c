#!/usr/bin/env bash
# The main job on examples/tiny: two packages, real weights, real TVM compilation.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$1"; }

# Shows a command as it can be typed again, and runs it.
show() {
  printf '$ %s\n' "$*"
  "$@"
}

# A package of examples/tiny, by its device; says how long it took.
build() {
  local TIMEFORMAT='(%R s)'
  time show target/release/mlc-package build --no-binding \
    --package-config "examples/tiny/$1/mlc-package-config.json" \
    --python target/venv/bin/python --cache-dir target/demo/cache --output "target/demo/$1"
}

if ! command -v cargo >/dev/null; then
  echo "demo: cargo is not on PATH: install Rust from https://rustup.rs" >&2
  exit 1
fi
scripts/setup-python.sh
echo "demo: building mlc-package (once, a few minutes)"
cargo build --release --locked --quiet

# The stand-in for the mlc_llm module; see examples/tiny/README.md.
show export PYTHONPATH=examples/tiny/compiler
# Every demo compiles, so that there is something to see.
rm -rf target/demo

step "android: two models are compiled by TVM, linked into one library, and bundled"
build android
step "iphone: the same for Metal"
build iphone
step "android again: everything is in the cache"
build android
step "what the app gets"
show find target/demo/iphone -type f -exec ls -l {} +
show cat target/demo/iphone/bundle/mlc-app-config.json
step "what is inside the library"
show target/release/mlc-package inspect target/demo/android
step "does it answer? (its weights are random: it knows no language, and the limit is raised)"
show target/release/mlc-package try examples/tiny/models/tiny-llama-q4f16_1 --tokens 12 \
  --max-perplexity 1000 --python target/venv/bin/python --cache-dir target/demo/cache
