#!/usr/bin/env bash
# Installs what `make test` needs beside Rust and Python: LLVM's archive tools (the reference
# that our archives are held against), clang with its headers for OpenCL (it compiles kernels), rustfmt, clippy and cargo-deny; with the argument `llvm`
# only the former. Quick when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO_DENY=0.20.2

llvm_tool() {
  local tool
  for tool in "$1" "$1"-{21,20,19,18,17,16,15,14}; do
    if command -v "$tool" >/dev/null; then return 0; fi
  done
  return 1
}

missing=()
for tool in llvm-ar llvm-nm llvm-readobj clang; do
  llvm_tool "$tool" || missing+=("$tool")
done
if ((${#missing[@]})); then
  echo "setup: installing LLVM's tools (${missing[*]})"
  if command -v apt-get >/dev/null; then
    scripts/apt-install.sh llvm clang
  elif command -v brew >/dev/null; then
    brew install --quiet llvm
    echo "setup: add $(brew --prefix llvm)/bin to PATH"
  else
    echo "setup: install LLVM (llvm-ar, llvm-nm, llvm-readobj, clang) and run this again" >&2
    exit 1
  fi
fi

# Completions are tested in the shells that people have.
shells=()
for shell in zsh fish; do
  command -v "$shell" >/dev/null || shells+=("$shell")
done
if [ "$(uname)" = Linux ] && ((${#shells[@]})); then
  echo "setup: installing ${shells[*]}"
  scripts/apt-install.sh "${shells[@]}"
fi

# Tests make system calls fail with it.
if [ "$(uname)" = Linux ] && ! command -v strace >/dev/null; then
  echo "setup: installing strace"
  as_root=()
  if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends strace >/dev/null
fi

# All that the benchmarks need.
if [ "${1:-}" = llvm ]; then exit 0; fi

for component in rustfmt clippy; do
  if ! cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1; then
    rustup component add "$component"
  fi
done

if ! target/tools/bin/cargo-deny --version 2>/dev/null | grep -qx "cargo-deny $CARGO_DENY"; then
  echo "setup: building cargo-deny $CARGO_DENY (once, a few minutes)"
  CARGO_TARGET_DIR=target/tools/build cargo install --quiet --locked --no-default-features \
    --version "$CARGO_DENY" --root target/tools cargo-deny
  rm -rf target/tools/build
fi
