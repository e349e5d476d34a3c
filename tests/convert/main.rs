//! `mlc-package convert` as a user runs it. The comparison with the reference in Python is
//! `python.rs`; `make test` runs it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test needs and does not get fails it"
)]

mod input;
mod output;
mod python;
mod scene;
