//! `tokenizer.json`, as far as conversion looks into it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::model::ByteSize;

/// The most a decoder or a normalizer may hold in bytes: tables of characters have a few hundred
/// thousand.
const PART_LIMIT: usize = 4 << 20;
/// The most tokens of a vocabulary; the largest known has 262,144.
const TOKEN_LIMIT: usize = 2 << 20;

#[derive(Deserialize)]
pub(super) struct TokenizerJson<'a> {
    #[serde(default, borrow)]
    decoder: Option<&'a RawValue>,
    #[serde(default, borrow)]
    normalizer: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pre_tokenizer: Option<&'a RawValue>,
    #[serde(default, borrow)]
    added_tokens: Vec<AddedToken<'a>>,
    #[serde(borrow)]
    model: Model<'a>,
}

#[derive(Deserialize)]
struct AddedToken<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(default)]
    id: Id,
}

/// A token's number, if it is one.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Id {
    Number(u64),
    Other(IgnoredAny),
}

impl Default for Id {
    fn default() -> Self {
        Self::Other(IgnoredAny)
    }
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(borrow)]
    vocab: Tokens<'a>,
}

/// Why a `tokenizer.json` is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenizerFault {
    /// More than such a part has.
    #[error("its {0} is larger than {limit}", limit = ByteSize(PART_LIMIT as u64))]
    TooLarge(&'static str),
    /// A part that is not JSON.
    #[error("its {part} is damaged: {why}")]
    Damaged {
        /// The part.
        part: &'static str,
        /// What is wrong with it.
        why: serde_json::Error,
    },
    /// A sequence without its list.
    #[error("its {part} is a sequence without `{list}`")]
    NoList {
        /// The part.
        part: &'static str,
        /// The list.
        list: &'static str,
    },
    /// A step that is something else than an object.
    #[error("its {0} has a step that is not an object")]
    NotAnObject(&'static str),
    /// A step that does not say what it is.
    #[error("its {0} has a step without a `type`")]
    NoType(&'static str),
    /// A token that was added twice.
    #[error("`added_tokens` has `{0:.40}` more than once: remove one")]
    Twice(String),
}

impl TokenizerJson<'_> {
    /// How tokens become text.
    pub(super) fn decoder(&self) -> Result<Value, TokenizerFault> {
        part(self.decoder, "decoder")
    }

    /// Whether a text is split into bytes before, or joined out of them after.
    pub(super) fn is_byte_level(&self) -> bool {
        // A step's type, which no token in these small parts is mistaken for.
        let parts = [self.decoder, self.pre_tokenizer];
        parts.into_iter().flatten().any(|part| part.get().contains("\"ByteLevel\""))
    }

    /// What is done to a text first.
    pub(super) fn normalizer(&self) -> Result<Value, TokenizerFault> {
        part(self.normalizer, "normalizer")
    }

    /// A token that was added twice breaks the tokenizer in the app; upstream refuses it too.
    pub(super) fn refuse_duplicates(&self) -> Result<(), TokenizerFault> {
        let mut seen = HashSet::new();
        match self.added_tokens.iter().find(|token| !seen.insert(&token.content)) {
            None => Ok(()),
            Some(token) => Err(TokenizerFault::Twice(token.content.clone().into_owned())),
        }
    }

    /// How many tokens there are, those named elsewhere included.
    pub(super) fn count(&self, elsewhere: &HashSet<String>) -> i64 {
        let vocab = &self.model.vocab.names;
        let added: HashSet<&str> = self.added_tokens.iter().map(|token| &*token.content).collect();
        let more = added
            .iter()
            .copied()
            .chain(elsewhere.iter().map(String::as_str).filter(|token| !added.contains(token)));
        let more = more.filter(|token| !vocab.contains(*token)).count();
        i64::try_from(vocab.len() + more).unwrap_or(i64::MAX)
    }

    /// The tokens' numbers from this one on.
    pub(super) fn ids_from(&self, first: u64) -> BTreeSet<u64> {
        let added = self.added_tokens.iter().map(|token| token.id);
        let ids = self.model.vocab.ids.iter().copied().chain(added);
        let number = |id| match id {
            Id::Number(number) => Some(number),
            Id::Other(_) => None,
        };
        ids.filter_map(number).filter(|number| *number >= first).collect()
    }
}

fn part(text: Option<&RawValue>, part: &'static str) -> Result<Value, TokenizerFault> {
    let Some(text) = text else { return Ok(Value::Null) };
    if text.get().len() > PART_LIMIT {
        return Err(TokenizerFault::TooLarge(part));
    }
    serde_json::from_str(text.get()).map_err(|why| TokenizerFault::Damaged { part, why })
}

/// The tokens of a vocabulary: the names of an object and their numbers, or of a list of pairs the
/// first parts, whose numbers are their places.
#[derive(Default)]
struct Tokens<'a> {
    names: HashSet<Cow<'a, str>>,
    ids: Vec<Id>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Tokens<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TokensVisitor)
    }
}

struct TokensVisitor;

/// A text that is borrowed where JSON has no escapes in it.
#[derive(Deserialize, PartialEq, Eq, Hash)]
#[serde(transparent)]
struct Token<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for TokensVisitor {
    type Value = Tokens<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vocabulary: an object, or a list of pairs")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut tokens = Tokens::default();
        while let Some((Token(token), id)) = map.next_entry()? {
            tokens.insert(token, id)?;
        }
        Ok(tokens)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut tokens = Tokens::default();
        while let Some((Token(token), IgnoredAny)) = seq.next_element()? {
            let id = Id::Number(tokens.ids.len() as u64);
            tokens.insert(token, id)?;
        }
        Ok(tokens)
    }
}

impl<'a> Tokens<'a> {
    fn insert<E: de::Error>(&mut self, token: Cow<'a, str>, id: Id) -> Result<(), E> {
        self.names.insert(token);
        self.ids.push(id);
        if self.ids.len() > TOKEN_LIMIT {
            return Err(E::custom("its vocabulary has more than 2,097,152 tokens"));
        }
        Ok(())
    }
}
