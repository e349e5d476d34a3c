//! `mlc-package doctor` as a user runs it: on machines that are made of scripts, with nothing else
//! on `PATH`.

#![cfg(all(test, unix))]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a scene needs and does not get fails the test"
)]

#[path = "../it/call.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "shared with tests/it")]
mod call;
mod machine;
#[path = "../it/scene.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "shared with tests/it")]
mod scene;
#[path = "../it/tree.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "shared with tests/it")]
mod tree;

mod json;
mod output;
