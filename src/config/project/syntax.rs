use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Budget, DuplicateKeyPolicy, Location, Options, Spanned};

use crate::config::quote::visible;
use crate::config::tree::{Key, Language, Node, Value};
use crate::config::{Code, Diagnostic, Span};

/// Nested deeper than this, it is no `mlc-package.yml`, which needs six levels.
const MAX_DEPTH: usize = 32;

/// A value as the parser gives it.
struct Parsed(Value);

/// Parses one YAML document. Anchors unfold within limits; keys that are there twice are kept.
pub(super) fn parse(text: &str) -> Result<Node, Box<Diagnostic>> {
    match serde_saphyr::from_str_with_options::<Spanned<Parsed>>(text, options()) {
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

fn node(spanned: Spanned<Parsed>) -> Node {
    Node { span: span(&spanned.referenced), value: spanned.value.0 }
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

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Parsed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Parsed, E> {
        Ok(Parsed(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Parsed, E> {
        Ok(Parsed(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Parsed, D::Error> {
        Parsed::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Parsed, E> {
        Ok(Parsed(Value::Boolean(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Parsed, E> {
        Ok(Parsed(Value::Number(value.to_string())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Parsed, E> {
        Ok(Parsed(Value::Number(value.to_string())))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Parsed, E> {
        Ok(Parsed(Value::Number(value.to_string())))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Parsed, E> {
        Ok(Parsed(Value::Number(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Parsed, E> {
        Ok(Parsed(Value::Number(value.to_string())))
    }

    fn visit_str<E>(self, value: &str) -> Result<Parsed, E> {
        Ok(Parsed(Value::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Parsed, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = seq.next_element::<Spanned<Parsed>>()? {
            list.push(node(element));
        }
        Ok(Parsed(Value::List(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<Parsed>>()? {
            let text = match key.value.0 {
                Value::Text(text) => text,
                Value::Number(number) => number,
                Value::Boolean(truth) => truth.to_string(),
                other => {
                    let what = Language::Yaml.type_name(&other);
                    return Err(A::Error::custom(format!("a key is {what}, not a word")));
                }
            };
            let key = Key { text, span: span(&key.referenced) };
            entries.push((key, node(map.next_value::<Spanned<Parsed>>()?)));
        }
        Ok(Parsed(Value::Map(entries)))
    }
}
