use camino::Utf8PathBuf;

use super::super::diagnostic::Sink;
use super::super::fields::At;
use super::super::quote::quote;
use super::super::suggest::nearest;
use super::super::{Code, Diagnostic, Span};
use super::tree::{Key, Node, Value};
use crate::model::{ShardPath, ShardPathError};

/// A mapping of the project and where it is in it: `packages[1].`, or nothing for the root.
pub(super) struct Fields<'a> {
    entries: &'a [(Key, Node)],
    prefix: String,
    /// Where to point for what is not there.
    place: Span,
}

impl<'a> Fields<'a> {
    /// The mapping that a value must be. An empty value is an empty mapping: everything in it may
    /// be commented out.
    pub(super) fn of(sink: &mut Sink, node: &'a Node, path: &str, place: Span) -> Option<Self> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        match &node.value {
            Value::Map(entries) => {
                let fields = Self { entries, prefix, place };
                fields.report_duplicates(sink);
                Some(fields)
            }
            Value::Null => Some(Self { entries: &[], prefix, place }),
            other => {
                let what = if path.is_empty() { "the file" } else { path };
                sink.push(wrong_type(what, other, node.span, "a mapping", "write `key: value`"));
                None
            }
        }
    }

    fn report_duplicates(&self, sink: &mut Sink) {
        for (at, (key, _)) in self.entries.iter().enumerate() {
            let before = self.entries.iter().take(at).find(|(other, _)| other.text == key.text);
            if let (Some((first, _)), false) = (before, sink.is_full()) {
                let message = format!("the key {} is there twice", quote(&self.path(&key.text)));
                let help = "remove one of them";
                sink.push(
                    Diagnostic::new(Code::DuplicateKey, key.span, message, help)
                        .label("again here")
                        .related(first.span, "first here"),
                );
            }
        }
    }

    /// A field's path from the root.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A field's key and value.
    pub(super) fn get(&self, name: &str) -> Option<(&'a Key, &'a Node)> {
        self.entries.iter().find(|(key, _)| key.text == name).map(|(key, node)| (key, node))
    }

    /// Where to point for what is not there.
    pub(super) fn place(&self) -> Span {
        self.place
    }

    pub(super) fn entries(&self) -> &'a [(Key, Node)] {
        self.entries
    }

    /// Reports every field that is none of the known ones.
    pub(super) fn only(&self, sink: &mut Sink, known: &[&'static str]) {
        for (key, _) in self.entries {
            if sink.is_full() || known.contains(&key.text.as_str()) {
                continue;
            }
            let message = format!("there is no field {}", quote(&self.path(&key.text)));
            let help = match nearest(&key.text, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            sink.push(Diagnostic::new(Code::UnknownKey, key.span, message, help));
        }
    }

    /// The mapping in a field.
    pub(super) fn map(&self, sink: &mut Sink, name: &str) -> Option<Fields<'a>> {
        let (key, node) = self.get(name)?;
        Fields::of(sink, node, &self.path(name), key.span)
    }

    /// The list in a field.
    pub(super) fn list(&self, sink: &mut Sink, name: &str) -> Option<&'a [Node]> {
        let (key, node) = self.get(name)?;
        match &node.value {
            Value::List(list) => Some(list),
            Value::Null => None,
            other => {
                let help = "begin each entry with `- `";
                sink.push(wrong_type(&self.path(name), other, key.span, "a list", help));
                None
            }
        }
    }

    pub(super) fn text(&self, sink: &mut Sink, name: &str) -> Option<At<&'a str>> {
        let (_, node) = self.get(name)?;
        if let Value::Text(value) = &node.value {
            return Some(At { value, span: node.span });
        }
        let help = match node.value {
            Value::Number(_) | Value::Boolean(_) => "put it in quotes",
            _ => "write one word after the colon",
        };
        sink.push(wrong_type(&self.path(name), &node.value, node.span, "a string", help));
        None
    }

    pub(super) fn boolean(&self, sink: &mut Sink, name: &str) -> Option<bool> {
        let (_, node) = self.get(name)?;
        if let Value::Boolean(truth) = node.value {
            return Some(truth);
        }
        let help = "write `true` or `false`";
        sink.push(wrong_type(&self.path(name), &node.value, node.span, "a boolean", help));
        None
    }

    /// A text that must be a `T`.
    pub(super) fn parsed<T: std::str::FromStr>(
        &self,
        sink: &mut Sink,
        name: &str,
        code: Code,
        help: &str,
    ) -> Option<At<T>>
    where
        T::Err: std::fmt::Display,
    {
        let text = self.text(sink, name)?;
        match text.value.parse() {
            Ok(value) => Some(At { value, span: text.span }),
            Err(why) => {
                let message = format!("`{}` cannot be {}", self.path(name), quote(text.value));
                sink.push(Diagnostic::new(code, text.span, message, help).label(why.to_string()));
                None
            }
        }
    }

    /// A path that stays inside the project, without `.` and with `/` between its parts.
    pub(super) fn inner_path(&self, sink: &mut Sink, name: &str) -> Option<At<Utf8PathBuf>> {
        let text = self.text(sink, name)?;
        let trimmed = text.value.strip_prefix("./").unwrap_or(text.value);
        let trimmed = trimmed.strip_suffix('/').unwrap_or(trimmed);
        match trimmed.parse::<ShardPath>() {
            Ok(path) => Some(At { value: path.as_path().to_owned(), span: text.span }),
            Err(why) => {
                let message = format!("`{}` cannot be {}", self.path(name), quote(text.value));
                let help = match why {
                    ShardPathError::Character => "write the path with `/`",
                    _ => "write a path below the directory of this file, without `..`",
                };
                let found = Diagnostic::new(Code::InvalidPath, text.span, message, help);
                sink.push(found.label(format!("{why}")));
                None
            }
        }
    }

    /// Reports a required field that is absent.
    pub(super) fn require(&self, sink: &mut Sink, name: &str, help: &str) {
        if self.get(name).is_none() {
            let message = format!("`{}` has no `{name}`", self.prefix.trim_end_matches('.'));
            sink.push(Diagnostic::new(Code::MissingField, self.place, message, help));
        }
    }
}

fn wrong_type(path: &str, found: &Value, span: Span, wanted: &str, help: &str) -> Diagnostic {
    let message = match path {
        "the file" => format!("the file is {}, not {wanted}", found.type_name()),
        path => format!("`{path}` is {}, not {wanted}", found.type_name()),
    };
    // A list or a mapping may be long: its first character says where it is.
    let span = match found {
        Value::List(_) | Value::Map(_) => Span { start: span.start, end: span.start + 1 },
        _ => span,
    };
    Diagnostic::new(Code::WrongType, span, message, help)
}
