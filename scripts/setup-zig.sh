#!/bin/sh
# Sets up what `cargo check` for macOS needs on another system: zig as the C compiler of the
# dependencies that bring C, cargo-zigbuild which hands it to cargo (both from PyPI, in
# target/zig-venv), and Rust's standard library for the target. Quick when all is there.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
target=${1:-aarch64-apple-darwin}

"$root/scripts/setup-python.sh" "$root/target/zig-venv" "$root/scripts/zig-requirements.txt"

libdir=$(rustc --print target-libdir --target "$target")
[ -d "$libdir" ] && exit 0
if ! command -v rustup >/dev/null 2>&1; then
    printf 'setup-zig: the Rust of this machine has no standard library for %s: install it, or Rust by rustup\n' "$target" >&2
    exit 1
fi
rustup target add "$target"
