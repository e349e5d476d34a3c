#!/usr/bin/env bash
# Everything that must hold before a change lands.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$1"; }

scripts/setup-tools.sh
scripts/setup-python.sh
scripts/setup-python.sh target/test-venv tests/requirements.txt
scripts/setup-zig.sh
scripts/setup-cross.sh
scripts/setup-jvm.sh

step "action, workflows, scripts and Dockerfile: lints"
scripts/lint-action.sh
step "the book, and every link of the documents"
scripts/book.sh
step "format"
cargo fmt --check
step "clippy"
cargo clippy --all-targets --locked -- -D warnings
step "clippy for macOS"
PATH="$PWD/target/zig-venv/bin:$PATH" \
  cargo-zigbuild clippy --all-targets --locked --target aarch64-apple-darwin -- -D warnings
step "licences, bans, sources"
target/tools/bin/cargo-deny --log-level error check bans licenses sources
step "unit, integration and documentation tests"
cargo test --locked
if unshare --mount true 2>/dev/null; then
  step "mount points"
  cargo test --locked --test it -- --ignored mount
else
  step "mount points: not tested, this user may not mount"
fi
step "real TVM"
MLC_PACKAGE_TEST_PYTHON="$PWD/target/venv/bin/python" \
  cargo test --locked --test real_tvm -- --ignored --test-threads=1
step "GitHub's own description of its API"
scripts/setup-prism.sh
MLC_PACKAGE_TEST_PRISM="$PWD/target/prism" \
  cargo test --locked --test publish -- --ignored prism --test-threads=2
step "conversions beside numpy and TVM"
MLC_PACKAGE_TEST_PYTHON="$PWD/target/venv/bin/python" \
  cargo test --locked --test convert -- --ignored
step "real huggingface_hub"
MLC_PACKAGE_TEST_HUB_PYTHON="$PWD/target/test-venv/bin/python" \
  cargo test --locked --test hub -- --ignored python
step "platform bindings, built and linked"
MLC_PACKAGE_TEST_CROSS="$PWD/target/cross/bin" \
  cargo test --locked --test binding -- --ignored
step "artifacts, by Maven, Java, Kotlin, aapt, LLVM and lld"
MLC_PACKAGE_TEST_CROSS="$PWD/target/cross/bin" MLC_PACKAGE_TEST_KOTLIN="$PWD/target/kotlin" \
  cargo test --locked --test artifact -- --ignored
step "the HTML report in a browser"
browser=$(scripts/setup-browser.sh)
# shellcheck disable=SC2086 # two assignments
env $browser cargo test --locked --test report -- --ignored
step "wheels, install.sh, the Homebrew formula"
scripts/setup-install.sh
MLC_PACKAGE_TEST_PROGRAM="$PWD/target/debug/mlc-package" \
  target/linters/bin/python -B -m unittest discover --start-directory tests/install
step "the action: GitHub's own parser, and played by a runner"
scripts/setup-workflow-parser.sh
scripts/setup-act.sh
MLC_PACKAGE_TEST_PROGRAM="$PWD/target/debug/mlc-package" MLC_PACKAGE_TEST_CROSS="$PWD/target/cross/bin" \
  target/linters/bin/python -B -m unittest discover --start-directory tests/action
