use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Budget, DuplicateKeyPolicy, Location, Options, Spanned};

use super::super::quote::visible;
use super::super::{Code, Diagnostic, Span};

/// Nested deeper than this, it is no `mlc-package.yml`, which needs six levels.
const MAX_DEPTH: usize = 32;

/// A value of a YAML file, and where it is.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Number(f64),
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

impl Value {
    /// What people call it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Boolean(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Parses one YAML document. Anchors unfold within limits; keys that are there twice are kept.
pub(super) fn parse(text: &str) -> Result<Node, Box<Diagnostic>> {
    match serde_saphyr::from_str_with_options::<Spanned<Value>>(text, options()) {
        Ok(root) => Ok(node(root)),
        Err(error) => {
            let span = error.location().map(|location| place_of_fault(text, &location));
            Err(Box::new(explain(&error.without_snippet().to_string(), span)))
        }
    }
}

fn options() -> Options {
    let mut budget = Budget::default();
    budget.max_depth = MAX_DEPTH;
    budget.flow_nesting_limit = MAX_DEPTH;
    budget.max_documents = 2;
    budget.max_nodes = 100_000;
    budget.max_events = 300_000;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
    // `no` is a word here, as in YAML 1.2.
    options.strict_booleans = true;
    options.with_snippet = false;
    options
}

fn explain(message: &str, span: Option<Span>) -> Diagnostic {
    if message.contains("multiple YAML documents") {
        let message = "the file holds a second document";
        return Diagnostic::new(Code::Syntax, span, message, "remove the `---` and what follows");
    }
    // The place is shown with the line; the parser says it once more at the end.
    let message = message.split(" at line ").next().unwrap_or(message);
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let message = format!("the file cannot be read as YAML: {}", visible(&message));
    let help = "check the indentation, the colons and the quotes around this place";
    Diagnostic::new(Code::Syntax, span, message, help)
}

fn node(spanned: Spanned<Value>) -> Node {
    Node { span: span(&spanned.referenced), value: spanned.value }
}

fn span(location: &Location) -> Span {
    let place = |number: Option<u64>| usize::try_from(number.unwrap_or_default()).unwrap_or(0);
    let start = place(location.span().byte_offset());
    Span { start, end: start.saturating_add(place(location.span().byte_len())) }
}

/// The character at the line and column of a fault, which are all that the parser says of it; at
/// the end of a file that is behind the last one.
fn place_of_fault(text: &str, location: &Location) -> Span {
    let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
    let line_start = text.split_inclusive('\n').take(index(location.line())).map(str::len).sum();
    let line = text.get(line_start..).unwrap_or_default();
    let line = line.lines().next().unwrap_or_default();
    let column = line.chars().take(index(location.column())).map(char::len_utf8).sum::<usize>();
    let start = line_start + column;
    let width = line.get(column..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    Span { start, end: start + width }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = seq.next_element::<Spanned<Value>>()? {
            list.push(node(element));
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<Value>>()? {
            let text = match key.value {
                Value::Text(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Boolean(truth) => truth.to_string(),
                other => {
                    let what = other.type_name();
                    return Err(A::Error::custom(format!("a key is {what}, not a word")));
                }
            };
            let key = Key { text, span: span(&key.referenced) };
            entries.push((key, node(map.next_value::<Spanned<Value>>()?)));
        }
        Ok(Value::Map(entries))
    }
}
