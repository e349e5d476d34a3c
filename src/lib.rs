//! Turns a `mlc-package-config.json` into the `dist/` that an iOS or Android app needs to run
//! LLMs on the phone with MLC LLM.
//!
//! The modules, in the order in which data flows through them:
//!
//! ```text
//! config -> plan -> toolchain -> fetch -> (convert) -> compile -> library -> binding -> assemble
//!        -> manifest -> report -> publish
//! ```
//!
//! The library is for this program's own tests, and promises nobody anything: the command line, the
//! formats of its output and the exit codes are what is public.
//!
//! `doctor` looks beforehand whether the machine can do all this.
//! `pipeline` joins the stages, `cli` is how people reach it, `model` holds the types that the
//! stages exchange, `store` keeps what they make, and `io` alone touches files and programs.
//! ARCHITECTURE.md has the rules.

pub mod answer;
pub mod assemble;
pub mod binding;
pub mod cache;
pub mod cli;
pub mod compile;
pub mod config;
pub mod convert;
pub mod doctor;
pub mod error;
pub mod exit;
pub mod fetch;
pub mod github;
pub mod io;
pub mod library;
pub mod manifest;
pub mod model;
pub mod pipeline;
pub mod plan;
pub mod publish;
pub mod report;
pub mod stage_error;
pub mod store;
pub mod toolchain;
pub mod ui;
