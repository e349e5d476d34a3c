//! `mlc-package convert` as a user runs it. The comparison with the reference in Python is
//! `python.rs`; `make test` runs it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test needs and does not get fails it"
)]
#![allow(unreachable_pub, reason = "the server is a part of a benchmark too")]

mod fp8;
mod hub;
mod input;
mod output;
mod python;
mod scene;
#[expect(dead_code, reason = "faults are what the tests of the client need")]
#[path = "../hub/server.rs"]
mod server;
mod template;
mod torch;
mod torch_archive;
mod upstream;
mod whole;
