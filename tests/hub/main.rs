//! The Hub's client against a hub on loopback.

#![expect(clippy::unwrap_used, reason = "what a test cannot do fails it")]
#![expect(clippy::disallowed_methods, reason = "tests start programs of their own")]
#![allow(unreachable_pub, reason = "the server is a part of a benchmark too")]

mod faults;
mod limits;
mod place;
mod processes;
mod python;
mod server;
mod trees;
