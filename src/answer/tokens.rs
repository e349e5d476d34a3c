//! A model's tokenizer, as MLC LLM's runtime uses it (`cpp/tokenizers/tokenizers.cc`): the same crate
//! reads the same `tokenizer.json`.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use camino::{Utf8Path, Utf8PathBuf};
use tokenizers::Tokenizer;

use super::AnswerError;
use crate::io::files;
use crate::model::loadable;

const FILE_NAME: &str = loadable::TOKENIZER_JSON;
/// What else MLC LLM's runtime reads, in its order.
const OTHERS: [&str; 3] = ["tokenizer.model", "vocab.json", "tokenizer_model"];
/// The most that a tokenizer may have in bytes; those with 260,000 tokens have 35 MB.
const LIMIT: u64 = 256 << 20;

/// A tokenizer.
pub(super) struct Tokens {
    path: Utf8PathBuf,
    tokenizer: Tokenizer,
    /// Every token that was added to those that the model of the tokenizer makes, by its text, and
    /// whether it is a special one.
    added: BTreeMap<String, bool>,
}

impl Tokens {
    pub(super) fn load(dir: &Utf8Path) -> Result<Self, AnswerError> {
        let path = dir.join(FILE_NAME);
        let wrong = |why: String| AnswerError::Tokenizer { path: path.clone(), why };
        let Some(text) = files::read_if_there(&path)? else {
            let other = OTHERS.iter().find(|name| files::is_file(&dir.join(name)));
            return Err(match other {
                Some(other) => AnswerError::Unsupported(format!(
                    "its tokenizer is `{other}`, which apps read, and `try` reads {FILE_NAME} alone; \
                     `mlc-package convert` makes one"
                )),
                None => wrong("it is not there".to_owned()),
            });
        };
        if text.len() as u64 > LIMIT {
            return Err(wrong("it is too large".to_owned()));
        }
        let read = without_panic(|| Tokenizer::from_bytes(&text));
        let mut tokenizer = read.map_err(|why| wrong(why.to_string()))?;
        // Both belong to training, and would cut or fill up a prompt.
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|why| AnswerError::Tokenizer { path: path.clone(), why: why.to_string() })?;
        let added = tokenizer.get_added_tokens_decoder().into_values();
        let added = added.map(|token| (token.content, token.special)).collect();
        Ok(Self { path, tokenizer, added })
    }

    /// That it cannot be used, and why.
    pub(super) fn unusable(&self, why: String) -> AnswerError {
        AnswerError::Tokenizer { path: self.path.clone(), why }
    }

    /// How many tokens there are.
    pub(super) fn count(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// The tokens of a text alone, without any that begin or end a sequence.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, AnswerError> {
        self.encoded(text, false)
    }

    /// The tokens that a sequence begins with, by the tokenizer's own rule.
    pub(super) fn beginning(&self) -> Result<Vec<u32>, AnswerError> {
        let (with, alone) = (self.encoded("a", true)?, self.encoded("a", false)?);
        let first = alone.first().copied();
        Ok(with.into_iter().take_while(|token| Some(*token) != first).collect())
    }

    fn encoded(&self, text: &str, special: bool) -> Result<Vec<u32>, AnswerError> {
        let encoding = without_panic(|| self.tokenizer.encode_fast(text, special));
        encoding
            .map(|encoding| encoding.get_ids().to_vec())
            .map_err(|why| self.unusable(why.to_string()))
    }

    /// The text of tokens, special ones as they are written.
    pub(super) fn decode(&self, tokens: &[u32]) -> Result<String, AnswerError> {
        without_panic(|| self.tokenizer.decode(tokens, false))
            .map_err(|why| self.unusable(why.to_string()))
    }

    /// How a token is written.
    pub(super) fn text_of(&self, token: u32) -> Option<String> {
        self.tokenizer.id_to_token(token)
    }

    /// Whether a text is a token of its own that no text is cut through.
    pub(super) fn has_added(&self, text: &str) -> bool {
        self.added.contains_key(text)
    }

    /// Whether a token is one that was added.
    pub(super) fn is_added(&self, token: u32) -> bool {
        self.text_of(token).is_some_and(|text| self.has_added(&text))
    }
}

/// Why a tokenizer gives nothing.
#[derive(Debug, thiserror::Error)]
enum TokensFault {
    /// What the crate says.
    #[error("{0}")]
    Refused(tokenizers::Error),
    /// It names what is not there.
    #[error("it contradicts itself")]
    Contradiction,
}

/// The crate panics where a tokenizer names what is not there.
fn without_panic<T>(act: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, TokensFault> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(done) => done.map_err(TokensFault::Refused),
        Err(_) => Err(TokensFault::Contradiction),
    }
}
