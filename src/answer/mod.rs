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
mod expectation;
mod link;
mod markers;
mod not_numbers;
mod run;
mod tokens;
mod verdict;

pub use error::AnswerError;
pub use expectation::{Expectation, ExpectationError};
pub use run::{Prepared, Run, prepare, run};
pub use verdict::Verdict;

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

impl Default for Question {
    fn default() -> Self {
        Self {
            prompt: PROMPT.to_owned(),
            tokens: TOKENS,
            max_perplexity: None,
            expect: Vec::new(),
            must_stop: false,
        }
    }
}
