//! `mlc-package` as a user runs it: the program itself, on directories made for it, with a
//! compiler that answers at once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a scene needs and does not get fails the test"
)]

mod answer;
mod call;
mod compile_one;
mod compiler;
mod config;
mod container;
mod dist;
mod explain;
mod github;
mod hub;
mod hub_caches;
mod hub_faults;
mod hub_lock;
mod inspect;
mod interrupted;
mod kept;
// Xcode's clang may not know OpenCL.
#[cfg(target_os = "linux")]
mod kernels;
#[cfg(target_os = "linux")]
mod killed;
mod llvm;
// strace and loop devices are Linux's.
#[cfg(target_os = "linux")]
mod lost;
mod meant;
mod metal;
mod models;
mod output;
mod package;
mod places;
mod prepared;
mod project;
mod raw;
mod raw_mlc;
mod raw_template;
/// A GitHub on loopback.
#[cfg(target_os = "linux")]
#[path = "../publish"]
#[allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "shared with tests/publish")]
mod releases {
    pub(crate) mod github;
    pub(crate) mod http;
    pub(crate) mod routes;
    pub(crate) mod shapes;
}
mod scene;
#[path = "../hub/server.rs"]
#[allow(dead_code, unreachable_pub, clippy::allow_attributes, reason = "shared with tests/hub")]
mod server;
mod several;
// zsh and fish are installed there.
#[cfg(target_os = "linux")]
mod shells;
mod sizes;
mod store;
mod streams;
mod terminal;
mod tree;
mod trusted;
mod variables;
mod weights;
