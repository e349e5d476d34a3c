//! A `dist/` packed for a release and unpacked again: by the library's `pack`, which `publish`
//! uses, and by `mlc-package unpack` as a user runs it.

#![expect(clippy::unwrap_used, reason = "what a scene needs and does not get fails the test")]

mod hostile;
mod killed;
mod packing;
mod properties;
mod remote;
mod scene;
#[path = "../hub/server.rs"]
#[allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "shared with tests/hub")]
mod server;
mod unpacking;
