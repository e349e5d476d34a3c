//! Does the model answer? Its library is compiled for this machine, its weights are loaded, and a
//! prompt is run through tokenizer, template and library, as the app does it.
//!
//! ```text
//! model directory -> tokens, conversation -> library (linked) -> driver (Python: TVM's runtime)
//!                 -> consistency, perplexity, answer -> verdict
//! ```

mod conversation;
mod driver;
mod error;
mod link;
mod markers;
mod not_numbers;
mod run;
mod tokens;
mod verdict;

pub use error::{AnswerError, TrialError, without};
pub use run::{Prepared, Run, prepare, run};
pub use verdict::{Finding, Verdict};

use crate::model::{Expectation, TrySettings};

/// What is asked where nobody says anything else.
pub const PROMPT: &str = "What is the capital of France?";
/// How many tokens an answer has at most, where nobody says anything else.
pub const TOKENS: u32 = 40;
/// The limit of the perplexity, or the size of the vocabulary where that is less: a model of natural
/// language is far below both, and whoever guesses is above the second.
pub const MAX_PERPLEXITY: f64 = 1000.0;

/// What is asked, and what of the answer.
#[derive(Clone, Debug)]
pub struct Question {
    /// What the user says.
    pub prompt: String,
    /// The most tokens of the answer.
    pub tokens: u32,
    /// The limit of the perplexity of our text; [`MAX_PERPLEXITY`] if none.
    pub max_perplexity: Option<f64>,
    /// What the answer must have in it.
    pub expect: Vec<Expectation>,
    /// Whether the model must end its answer by itself.
    pub must_stop: bool,
}

impl From<TrySettings> for Question {
    fn from(settings: TrySettings) -> Self {
        Self {
            prompt: settings.prompt.unwrap_or_else(|| PROMPT.to_owned()),
            tokens: settings.tokens.unwrap_or(TOKENS),
            max_perplexity: settings.max_perplexity,
            expect: settings.expect,
            must_stop: settings.must_stop.unwrap_or(false),
        }
    }
}
