#!/usr/bin/env bash
# Runs the fuzz targets for some seconds each: scripts/fuzz.sh [SECONDS] [TARGET…].
# The compiler in use is enough: the flags are those that cargo-fuzz would give a nightly one,
# without the address sanitizer, which finds nothing in a package without unsafe code. New inputs
# go to target/fuzz/corpus; a crash is written beside it and named.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds="${1:-60}"
targets=("${@:2}")
if ((${#targets[@]} == 0)); then targets=(archive blob chat checkpoint config container linked manifest model project torch); fi

host="$(rustc -vV | sed -n 's/^host: //p')"
flags=(
  --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks
  -Ccodegen-units=1
)
# With a target named, build scripts are not instrumented.
RUSTFLAGS="${flags[*]}" cargo build --quiet --release --manifest-path fuzz/Cargo.toml \
  --target "$host" --target-dir target/fuzz

for target in "${targets[@]}"; do
  echo "== $target, $seconds s"
  mkdir -p "target/fuzz/corpus/$target"
  "target/fuzz/$host/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
    -artifact_prefix="target/fuzz/" -print_final_stats=1 \
    "target/fuzz/corpus/$target" "fuzz/corpus/$target" 2>&1 | tail -n 25
done
