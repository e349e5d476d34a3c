//! What a configuration file says, and where: the same for JSON and for YAML.

use super::Span;

/// A value, and where it is written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    /// In decimal digits.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) span: Span,
}

/// The language that a file is written in, and spoken of in the words of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Json,
    Yaml,
}

impl Language {
    /// What a value is called.
    pub(super) fn type_name(self, value: &Value) -> &'static str {
        match (value, self) {
            (Value::Null, Self::Json) => "null",
            (Value::Null, Self::Yaml) => "empty",
            (Value::Boolean(_), _) => "a boolean",
            (Value::Number(_), _) => "a number",
            (Value::Text(_), _) => "a string",
            (Value::List(_), Self::Json) => "an array",
            (Value::List(_), Self::Yaml) => "a list",
            (Value::Map(_), Self::Json) => "an object",
            (Value::Map(_), Self::Yaml) => "a mapping",
        }
    }
}

impl Node {
    /// Where to point at it: at its first character, if it may be long.
    pub(super) fn head(&self) -> Span {
        match self.value {
            Value::List(_) | Value::Map(_) => self.opening(),
            _ => self.span,
        }
    }

    /// Its first character: a place for what is not in it.
    pub(super) fn opening(&self) -> Span {
        Span { start: self.span.start, end: self.span.start + 1 }
    }

    /// A value of a map. Of a key that is there twice the last counts, as in Python.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().rev().find(|(key, _)| key.text == name).map(|(_, node)| node)
    }

    /// The elements of a list.
    pub(super) fn list(&self) -> Option<&[Self]> {
        if let Value::List(list) = &self.value { Some(list) } else { None }
    }
}
