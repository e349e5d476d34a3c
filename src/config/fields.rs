use jsonc_parser::ast::{Array, Object, ObjectProp, Value};
use jsonc_parser::common::{Range, Ranged};

use super::diagnostic::Sink;
use super::quote::quote;
use super::suggest::nearest;
use super::{Code, Diagnostic, Span};

impl From<Range> for Span {
    fn from(range: Range) -> Self {
        Self { start: range.start, end: range.end }
    }
}

/// A value with the place it was written at.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// An object of the config and where it is in it: `model_list[1].`, or nothing for the root.
pub(super) struct Fields<'a> {
    object: &'a Object<'a>,
    prefix: String,
}

/// Fields that cannot be left out.
const REQUIRED: [&str; 3] = ["device", "model", "model_id"];

/// What a field must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    String,
    Boolean,
    Array,
    Object,
}

impl<'a> Fields<'a> {
    pub(super) fn new(object: &'a Object<'a>, prefix: String) -> Self {
        Self { object, prefix }
    }

    /// A field's path from the root, in backticks.
    pub(super) fn path(&self, name: &str) -> String {
        format!("`{}{name}`", self.prefix)
    }

    /// The bracket that opens the object: a place for what is not in it.
    pub(super) fn opening(&self) -> Span {
        let start = self.object.range.start;
        Span { start, end: start + 1 }
    }

    pub(super) fn properties(&self) -> &'a [ObjectProp<'a>] {
        &self.object.properties
    }

    /// A field's value. Of a key given twice the last counts, as in Python.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value<'a>> {
        self.properties().iter().rev().find(|field| field.name.as_str() == name).map(|f| &f.value)
    }

    pub(super) fn string(&self, sink: &mut Sink, name: &str) -> Option<At<&'a str>> {
        let value = self.get(name)?;
        match value {
            Value::StringLit(text) => {
                Some(At { value: text.value.as_ref(), span: text.range.into() })
            }
            _ => self.mistyped(sink, name, value, Kind::String),
        }
    }

    pub(super) fn boolean(&self, sink: &mut Sink, name: &str) -> Option<At<bool>> {
        let value = self.get(name)?;
        match value {
            Value::BooleanLit(truth) => Some(At { value: truth.value, span: truth.range.into() }),
            _ => self.mistyped(sink, name, value, Kind::Boolean),
        }
    }

    pub(super) fn array(&self, sink: &mut Sink, name: &str) -> Option<&'a Array<'a>> {
        let value = self.get(name)?;
        match value {
            Value::Array(array) => Some(array),
            _ => self.mistyped(sink, name, value, Kind::Array),
        }
    }

    pub(super) fn object(&self, sink: &mut Sink, name: &str) -> Option<&'a Object<'a>> {
        let value = self.get(name)?;
        match value {
            Value::Object(object) => Some(object),
            _ => self.mistyped(sink, name, value, Kind::Object),
        }
    }

    fn mistyped<T>(&self, sink: &mut Sink, name: &str, found: &Value, kind: Kind) -> Option<T> {
        let mut report = wrong_type(&self.path(name), found, kind);
        if matches!(found, Value::NullKeyword(_)) && !REQUIRED.contains(&name) {
            report.help.push_str(", or leave the field out");
        }
        sink.push(report);
        None
    }

    /// Reports a required field that is absent.
    pub(super) fn require(&self, sink: &mut Sink, name: &str, help: &str) {
        if self.get(name).is_none() {
            let owner = self.prefix.trim_end_matches('.');
            let owner = if owner.is_empty() { "the config".into() } else { format!("`{owner}`") };
            let message = format!("{owner} has no `{name}`");
            let label = format!("no `{name}` in here");
            let found = Diagnostic::new(Code::MissingField, self.opening(), message, help);
            sink.push(found.label(label));
        }
    }

    /// Reports every field that is none of the known ones. `elsewhere` may know better.
    pub(super) fn only(
        &self,
        sink: &mut Sink,
        code: Code,
        known: &[&'static str],
        elsewhere: impl Fn(&str) -> Option<String>,
    ) {
        for property in self.properties() {
            let name = property.name.as_str();
            if sink.is_full() || known.contains(&name) {
                continue;
            }
            let message = format!("unknown field {}", quote(&format!("{}{name}", self.prefix)));
            let meant = nearest(name, known.iter().copied());
            let help = match (elsewhere(name), meant) {
                (Some(help), _) => help,
                (None, Some(meant)) => format!("did you mean `{meant}`?"),
                (None, None) => listed(known),
            };
            sink.push(Diagnostic::new(code, Span::from(property.name.range()), message, help));
        }
    }
}

fn listed(known: &[&str]) -> String {
    let names: Vec<_> = known.iter().filter(|name| !name.starts_with('$')).copied().collect();
    format!("remove it; known here: {}", names.join(", "))
}

/// An element of an array that must be an object.
pub(super) fn object_at<'a>(
    sink: &mut Sink,
    path: &str,
    value: &'a Value<'a>,
) -> Option<&'a Object<'a>> {
    match value {
        Value::Object(object) => Some(object),
        _ => {
            sink.push(wrong_type(&format!("`{path}`"), value, Kind::Object));
            None
        }
    }
}

/// The string that a property holds.
pub(super) fn string_at<'a>(
    sink: &mut Sink,
    path: &str,
    value: &'a Value<'a>,
) -> Option<At<&'a str>> {
    match value {
        Value::StringLit(text) => Some(At { value: text.value.as_ref(), span: text.range.into() }),
        _ => {
            sink.push(wrong_type(path, value, Kind::String));
            None
        }
    }
}

fn wrong_type(path: &str, found: &Value, kind: Kind) -> Diagnostic {
    let (wanted, general) = match kind {
        Kind::String => ("a string", "put it in double quotes"),
        Kind::Boolean => ("a boolean", "write `true` or `false`"),
        Kind::Array => ("an array", "write `[ … ]`"),
        Kind::Object => ("an object", "write `{ … }`"),
    };
    let help = match (kind, found) {
        (_, Value::NullKeyword(_)) => format!("write {wanted}"),
        (Kind::Boolean, Value::StringLit(_)) => "write it without quotes".to_owned(),
        (Kind::String, Value::Array(_) | Value::Object(_)) => "write one string".to_owned(),
        (Kind::Array, Value::Object(_)) => "put it in brackets: `[{ … }]`".to_owned(),
        _ => general.to_owned(),
    };
    let message = format!("{path} is {}, not {wanted}", type_name(found));
    Diagnostic::new(Code::WrongType, head(found), message, help)
}

/// Where to point at a value: at its first bracket, if it may be large.
pub(super) fn head(value: &Value) -> Span {
    let span = Span::from(value.range());
    match value {
        Value::Object(_) | Value::Array(_) => Span { end: span.start + 1, ..span },
        _ => span,
    }
}

/// What JSON calls the value.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::StringLit(_) => "a string",
        Value::NumberLit(_) => "a number",
        Value::BooleanLit(_) => "a boolean",
        Value::Object(_) => "an object",
        Value::Array(_) => "an array",
        Value::NullKeyword(_) => "null",
    }
}
