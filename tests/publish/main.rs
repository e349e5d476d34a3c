//! `mlc-package publish` against a GitHub on loopback.

#![expect(clippy::unwrap_used, reason = "what a test cannot do fails it")]
#![expect(clippy::disallowed_methods, reason = "tests start programs of their own")]
#![allow(unreachable_pub, reason = "the server is a part of a benchmark too")]

mod contradictions;
mod feedback;
#[allow(dead_code, clippy::allow_attributes, reason = "a benchmark uses the rest")]
mod github;
mod http;
mod library;
mod openapi;
mod options;
#[path = "../pack/scene.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "shared with tests/pack")]
mod package;
mod packages;
mod races;
mod releases;
mod routes;
mod scene;
mod shapes;
#[path = "../report/packages.rs"]
#[allow(dead_code, clippy::allow_attributes, reason = "shared with tests/report")]
mod sized;
mod sizes;
mod tls;
