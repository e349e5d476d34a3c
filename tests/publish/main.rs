//! `mlc-package publish` against a GitHub on loopback.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do fails it")]
#![expect(clippy::disallowed_methods, reason = "tests start programs of their own")]
#![allow(unreachable_pub, reason = "the server is a part of a benchmark too")]

mod feedback;
mod github;
mod http;
mod library;
mod openapi;
mod races;
mod releases;
mod routes;
mod scene;
mod shapes;
