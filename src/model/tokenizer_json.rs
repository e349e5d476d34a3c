//! Whether a `tokenizer.json` holds a tokenizer: told by its outline, without making one of it, since a
//! build looks at each model that it bundles.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Why a `tokenizer.json` is not a tokenizer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenizerFault {
    /// Nothing is in it.
    #[error("it is empty")]
    Empty,
    /// It is not text.
    #[error("it is not UTF-8")]
    Encoding,
    /// It is another text, or cut off.
    #[error("it is not JSON: {0}")]
    Syntax(String),
    /// A part of it is missing, or of another kind.
    #[error("{0}")]
    Outline(&'static str),
}

const NO_OBJECT: &str = "it is not a JSON object";
const NO_MODEL: &str = "it has no object `model`";
const NO_VOCABULARY: &str = "its `model` has no `vocab`";
const NO_KIND: &str = "the type of its `model` is not BPE, Unigram, WordLevel or WordPiece";
const NO_TOKENS: &str = "the `vocab` of its `model` lists no tokens";

/// How models of tokenizers make tokens.
const KINDS: [&str; 4] = ["BPE", "Unigram", "WordLevel", "WordPiece"];

/// Looks at the text of a `tokenizer.json`: it must have the `model` by which every kind of tokenizer
/// makes tokens, and tokens in it.
///
/// # Errors
/// What is wrong with it.
pub fn judge(text: &[u8]) -> Result<(), TokenizerFault> {
    if text.trim_ascii().is_empty() {
        return Err(TokenizerFault::Empty);
    }
    let text = str::from_utf8(text).map_err(|_| TokenizerFault::Encoding)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Outline(Section::Whole).deserialize(&mut json).and_then(|found| {
        json.end()?;
        Ok(found)
    });
    match read {
        Ok(None) => Ok(()),
        Ok(Some(why)) => Err(TokenizerFault::Outline(why)),
        Err(error) => Err(TokenizerFault::Syntax(error.to_string())),
    }
}

/// A part of the text.
#[derive(Clone, Copy)]
enum Section {
    Whole,
    Model,
    /// Which older ones leave out.
    Kind,
    Vocabulary,
}

/// Reads a part to its end, and says what is wrong with it.
struct Outline(Section);

impl Section {
    /// What is wrong with a value of another type.
    fn otherwise(self) -> &'static str {
        match self {
            Self::Whole => NO_OBJECT,
            Self::Model => NO_MODEL,
            Self::Kind => NO_KIND,
            Self::Vocabulary => NO_VOCABULARY,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Outline {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Outline {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        // The fields that are looked at, and what is wrong where they are not there.
        let mut parts = match self.0 {
            Section::Whole => vec![("model", Section::Model, Some(NO_MODEL))],
            Section::Model => {
                vec![
                    ("type", Section::Kind, None),
                    ("vocab", Section::Vocabulary, Some(NO_VOCABULARY)),
                ]
            }
            Section::Kind | Section::Vocabulary => {
                let mut is_empty = true;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    is_empty = false;
                }
                return Ok(match self.0 {
                    Section::Vocabulary => is_empty.then_some(NO_TOKENS),
                    other => Some(other.otherwise()),
                });
            }
        };
        while let Some(at) = map.next_key_seed(Place(parts.iter().map(|part| part.0).collect()))? {
            match at.and_then(|at| parts.get_mut(at)) {
                Some((_, inner, found)) => *found = map.next_value_seed(Outline(*inner))?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(parts.into_iter().find_map(|(.., found)| found))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut is_empty = true;
        while list.next_element::<IgnoredAny>()?.is_some() {
            is_empty = false;
        }
        Ok(match self.0 {
            // As unigram tokenizers have it.
            Section::Vocabulary => is_empty.then_some(NO_TOKENS),
            other => Some(other.otherwise()),
        })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Some(self.0.otherwise()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Some(self.0.otherwise()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Some(self.0.otherwise()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Some(self.0.otherwise()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        let is_kind = matches!(self.0, Section::Kind) && KINDS.contains(&text);
        Ok((!is_kind).then(|| self.0.otherwise()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Some(self.0.otherwise()))
    }
}

/// Which of these a key is.
struct Place(Vec<&'static str>);

impl<'de> DeserializeSeed<'de> for Place {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Place {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|name| *name == key))
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    fn why(text: &str) -> String {
        judge(text.as_bytes()).err().map_or_else(String::new, |why| why.to_string())
    }

    #[test]
    fn every_kind_of_tokenizer_is_one() {
        for model in [
            r#"{"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}"#,
            r#"{"type": "Unigram", "vocab": [["a", -1.5]]}"#,
            r#"{"vocab": {"a": 0}}"#,
        ] {
            assert_eq!(why(&format!(r#" {{"version": "1.0", "model": {model}, "x": [1]}}"#)), "");
        }
    }

    #[test]
    fn what_is_not_a_tokenizer_is_told_by_what_it_lacks() {
        for text in ["", " \n"] {
            assert_eq!(why(text), "it is empty");
        }
        for text in ["[]", "null", "7", "-7", "1.5", "true", r#""tokens""#, r#"[{"model": {}}]"#] {
            assert_eq!(why(text), "it is not a JSON object", "{text}");
        }
        for text in ["{}", r#"{"model": null}"#, r#"{"model": []}"#, r#"{"added_tokens": []}"#] {
            assert_eq!(why(text), "it has no object `model`", "{text}");
        }
        for model in ["{}", r#"{"vocab": 3}"#, r#"{"vocab": null}"#, r#"{"merges": []}"#] {
            let text = format!(r#"{{"model": {model}}}"#);
            assert_eq!(why(&text), "its `model` has no `vocab`", "{text}");
        }
        for kind in [r#""Nope""#, "7", "null", "{}", "[]"] {
            let text = format!(r#"{{"model": {{"type": {kind}, "vocab": {{"a": 0}}}}}}"#);
            assert!(why(&text).starts_with("the type of its `model` is not"), "{text}");
        }
        for vocab in ["{}", "[]"] {
            let text = format!(r#"{{"model": {{"vocab": {vocab}}}}}"#);
            assert_eq!(why(&text), "the `vocab` of its `model` lists no tokens", "{text}");
        }
        for text in ["{", "<html>", r#"{"model": {"vocab": {"a": 0"#, r#"{"model": 1} x"#, "\u{1}"]
        {
            assert!(why(text).starts_with("it is not JSON: "), "{text}: {}", why(text));
        }
        let said = judge(b"{\"model\": {\"vocab\": {\"\xff\": 0}}}").unwrap_err().to_string();
        assert_eq!(said, "it is not UTF-8");
        assert!(why(&"[".repeat(100_000)).starts_with("it is not JSON: "));
    }
}
