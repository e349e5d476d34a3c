//! `mlc-package build` with the platform binding: trees of mlc-llm's shape (tests/data/mlc-llm),
//! an NDK around the system's clang (tests/data/ndk), and models that real TVM compiled. What
//! builds is `#[ignore]`d: `make test` runs it with `MLC_PACKAGE_TEST_CROSS`, the directory of the
//! CMake and Ninja of scripts/setup-cross.sh.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a scene needs and does not get fails the test"
)]

mod android;
mod apple;
mod cache;
#[path = "../it/call.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "shared with tests/it")]
mod call;
mod checked;
mod failures;
mod kits;
mod refusals;
#[path = "../it/scene.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "shared with tests/it")]
mod scene;
mod site;
mod travel;
#[path = "../it/tree.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "shared with tests/it")]
mod tree;
