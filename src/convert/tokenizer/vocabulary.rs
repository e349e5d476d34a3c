//! `tokenizer.json`, as far as conversion looks into it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

#[derive(Deserialize)]
pub(super) struct TokenizerJson<'a> {
    #[serde(default)]
    pub(super) decoder: Option<Value>,
    #[serde(default)]
    pub(super) normalizer: Option<Value>,
    #[serde(default, borrow)]
    added_tokens: Vec<AddedToken<'a>>,
    #[serde(borrow)]
    model: Model<'a>,
}

#[derive(Deserialize)]
struct AddedToken<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(borrow)]
    vocab: Tokens<'a>,
}

impl TokenizerJson<'_> {
    /// A token that was added twice breaks the tokenizer in the app; upstream refuses it too.
    pub(super) fn refuse_duplicates(&self) -> Result<(), String> {
        let mut seen = HashSet::new();
        match self.added_tokens.iter().find(|token| !seen.insert(&token.content)) {
            None => Ok(()),
            Some(token) => Err(format!(
                "`added_tokens` has `{:.40}` more than once: remove one",
                token.content
            )),
        }
    }

    /// How many tokens there are, those named elsewhere included.
    pub(super) fn count(&self, elsewhere: &HashSet<String>) -> i64 {
        let vocab = &self.model.vocab.0;
        let added: HashSet<&str> = self.added_tokens.iter().map(|token| &*token.content).collect();
        let more = added
            .iter()
            .copied()
            .chain(elsewhere.iter().map(String::as_str).filter(|token| !added.contains(token)));
        let more = more.filter(|token| !vocab.contains(*token)).count();
        i64::try_from(vocab.len() + more).unwrap_or(i64::MAX)
    }
}

/// The tokens of a vocabulary: the names of an object, or of a list of pairs the first parts.
struct Tokens<'a>(HashSet<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Tokens<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TokensVisitor).map(Self)
    }
}

struct TokensVisitor;

/// A text that is borrowed where JSON has no escapes in it.
#[derive(Deserialize, PartialEq, Eq, Hash)]
#[serde(transparent)]
struct Token<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for TokensVisitor {
    type Value = HashSet<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vocabulary: an object, or a list of pairs")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut tokens = HashSet::new();
        while let Some((Token(token), IgnoredAny)) = map.next_entry()? {
            tokens.insert(token);
        }
        Ok(tokens)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut tokens = HashSet::new();
        while let Some((Token(token), IgnoredAny)) = seq.next_element()? {
            tokens.insert(token);
        }
        Ok(tokens)
    }
}
