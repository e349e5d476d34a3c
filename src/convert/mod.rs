//! A Hugging Face checkpoint -> an MLC model directory.
//!
//! ```text
//! engine -> chat (architecture, templates, tokenizer) -> mlc-chat-config.json
//! ```
//!
//! `chat` writes the config and the tokenizer's files. `engine` says whether this program or
//! `python -m mlc_llm` does the work, and runs the latter.

pub mod chat;
pub mod engine;
mod error;
mod templates;
mod tokenizer;

pub use error::{ConvertError, EngineFailure, PythonFailure};
pub use templates::template_names;
