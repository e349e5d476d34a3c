//! A Hugging Face checkpoint -> an MLC model directory.
//!
//! ```text
//! engine -> chat (arch, templates, tokenizer) -> mlc-chat-config.json
//!        -> weights (arch, quantization)      -> params_shard_*.bin, tensor-cache.json
//! ```
//!
//! `arch` has one file an architecture: the fields of its config and the mapping of its tensors.
//! `derive` says which conversation template a checkpoint was trained with, where that is certain.
//! `record` is what the store has of what builds and Python have converted, and `source` says whether a checkpoint is
//! still the one that was. `chat` writes the config and the tokenizer's files. `engine` says whether
//! this program or `python -m mlc_llm` does the work, runs the latter, and knows what its result
//! depends on.

mod arch;
pub mod chat;
mod config_json;
pub mod derive;
pub mod engine;
mod error;
pub mod job;
mod nearest;
mod record;
pub mod source;
mod templates;
mod tokenizer;
pub mod weights;

use camino::Utf8Path;

pub use error::{ConvertError, EngineFailure, PythonFailure};
pub use record::{ConvertedRecord, ConvertedStore, Extent, StoredModel};
pub use templates::template_names;

/// What a checkpoint lacks to become a model that an app can load, as far as the names of its files
/// tell: each with what to do about it.
pub fn lacks(checkpoint: &Utf8Path) -> Vec<(String, String)> {
    let weights = weights::absent(checkpoint);
    let weights = weights.map(|instead| (format!("it {instead}"), instead.help()));
    let tokenizer = (!tokenizer::is_there(checkpoint)).then(|| {
        (
            "it has no tokenizer.json, and no other tokenizer".to_owned(),
            "copy the tokenizer of the repository that the checkpoint is from into it".to_owned(),
        )
    });
    weights.into_iter().chain(tokenizer).collect()
}
