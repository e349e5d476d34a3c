#!/usr/bin/env bash
# The numbers of docs/performance.md: every benchmark, one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."

# A quiet machine measures best: nothing else is built while a benchmark runs.
scripts/setup-tools.sh llvm
scripts/setup-python.sh
scripts/setup-python.sh target/test-venv tests/requirements.txt
scripts/setup-cross.sh
cargo bench --locked --no-run

export MLC_PACKAGE_TEST_PYTHON="$PWD/target/venv/bin/python"
failed=0
for bench in benches/*.rs benches/*/main.rs; do
  name=${bench#benches/} name=${name%/main.rs} name=${name%.rs}
  printf '\n== %s\n' "$name"
  cargo bench --locked --quiet --bench "$name" || failed=1
done
printf '\n== action\n'
scripts/setup-linters.sh
cargo build --release --locked --quiet
MLC_PACKAGE_TEST_PROGRAM="$PWD/target/release/mlc-package" \
  target/linters/bin/python -B tests/action/measure.py || failed=1
printf '\n== try\n'
for model in examples/tiny/models/tiny-llama-q4f16_1 tests/answer/model; do
  PYTHONPATH=examples/tiny/compiler \
    target/venv/bin/python -B tests/answer/overhead.py target/release/mlc-package "$model" || failed=1
done
exit "$failed"
