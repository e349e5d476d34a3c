use camino::Utf8PathBuf;

use super::diagnostic::Sink;
use super::quote::quote;
use super::suggest::nearest;
use super::tree::{Key, Language, Node, Value};
use super::{Code, Diagnostic, Span};
use crate::model::{ShardPath, ShardPathError};

/// A value with the place it was written at.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

/// A map of a configuration file and where it is in it: `model_list[1].`, or nothing for the root.
pub(super) struct Fields<'a> {
    entries: &'a [(Key, Node)],
    prefix: String,
    /// Where to point for what is not there.
    place: Span,
    language: Language,
}

/// Fields of the package config that cannot be left out.
const REQUIRED: [&str; 3] = ["device", "model", "model_id"];

/// What a field must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Boolean,
    List,
    Map,
}

impl<'a> Fields<'a> {
    /// The map that a value of JSON must be. What is not in it is shown at its first bracket.
    pub(super) fn json(sink: &mut Sink, node: &'a Node, path: &str) -> Option<Self> {
        Self::of(sink, node, path, node.opening(), Language::Json)
    }

    /// The map that a value of YAML must be. An empty value is an empty map: everything in it may be
    /// commented out.
    pub(super) fn yaml(sink: &mut Sink, node: &'a Node, path: &str, place: Span) -> Option<Self> {
        Self::of(sink, node, path, place, Language::Yaml)
    }

    fn of(
        sink: &mut Sink,
        node: &'a Node,
        path: &str,
        place: Span,
        language: Language,
    ) -> Option<Self> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        let entries: &[_] = match (&node.value, language) {
            (Value::Map(entries), _) => entries,
            (Value::Null, Language::Yaml) => &[],
            _ => {
                let path = if path.is_empty() { "the file".into() } else { format!("`{path}`") };
                sink.push(wrong_type(&path, &node.value, node.head(), Kind::Map, language));
                return None;
            }
        };
        Some(Self { entries, prefix, place, language })
    }

    /// A field's path from the root.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The same in backticks.
    pub(super) fn named(&self, name: &str) -> String {
        format!("`{}{name}`", self.prefix)
    }

    /// Where to point for what is not there.
    pub(super) fn place(&self) -> Span {
        self.place
    }

    pub(super) fn entries(&self) -> &'a [(Key, Node)] {
        self.entries
    }

    /// A field's key and value. Of a key that is there twice the last counts, as in Python.
    pub(super) fn find(&self, name: &str) -> Option<(&'a Key, &'a Node)> {
        self.entries.iter().rev().find(|(key, _)| key.text == name).map(|(key, node)| (key, node))
    }

    /// A field's value.
    pub(super) fn get(&self, name: &str) -> Option<&'a Node> {
        self.find(name).map(|(_, node)| node)
    }

    /// Whether a field is there and says that it is not.
    pub(super) fn is_null(&self, name: &str) -> bool {
        self.get(name).is_some_and(|node| matches!(node.value, Value::Null))
    }

    pub(super) fn text(&self, sink: &mut Sink, name: &str) -> Option<At<&'a str>> {
        let node = self.get(name)?;
        match &node.value {
            Value::Text(value) => Some(At { value, span: node.span }),
            _ => self.mistyped(sink, name, node, node.head(), Kind::Text),
        }
    }

    pub(super) fn boolean(&self, sink: &mut Sink, name: &str) -> Option<At<bool>> {
        let node = self.get(name)?;
        match node.value {
            Value::Boolean(value) => Some(At { value, span: node.span }),
            _ => self.mistyped(sink, name, node, node.head(), Kind::Boolean),
        }
    }

    /// The list in a field. In YAML nothing is no list.
    pub(super) fn list(&self, sink: &mut Sink, name: &str) -> Option<&'a [Node]> {
        let (key, node) = self.find(name)?;
        let at = match self.language {
            Language::Json => node.head(),
            Language::Yaml => key.span,
        };
        match (&node.value, self.language) {
            (Value::List(list), _) => Some(list),
            (Value::Null, Language::Yaml) => None,
            _ => self.mistyped(sink, name, node, at, Kind::List),
        }
    }

    /// The map in a field.
    pub(super) fn map(&self, sink: &mut Sink, name: &str) -> Option<Fields<'a>> {
        let (key, node) = self.find(name)?;
        match (&node.value, self.language) {
            (_, Language::Yaml) => Fields::yaml(sink, node, &self.path(name), key.span),
            (Value::Map(_), Language::Json) => Fields::json(sink, node, &self.path(name)),
            _ => self.mistyped(sink, name, node, node.head(), Kind::Map),
        }
    }

    fn mistyped<T>(
        &self,
        sink: &mut Sink,
        name: &str,
        found: &Node,
        at: Span,
        kind: Kind,
    ) -> Option<T> {
        let mut report = wrong_type(&self.named(name), &found.value, at, kind, self.language);
        let is_json = self.language == Language::Json;
        if is_json && matches!(found.value, Value::Null) && !REQUIRED.contains(&name) {
            report.help.push_str(", or leave the field out");
        }
        sink.push(report);
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
                let message = format!("{} cannot be {}", self.named(name), quote(text.value));
                sink.push(Diagnostic::new(code, text.span, message, help).label(why.to_string()));
                None
            }
        }
    }

    /// A path that stays below the file's directory, without `.` and with `/` between its parts.
    pub(super) fn inner_path(&self, sink: &mut Sink, name: &str) -> Option<At<Utf8PathBuf>> {
        let text = self.text(sink, name)?;
        let trimmed = text.value.strip_prefix("./").unwrap_or(text.value);
        let trimmed = trimmed.strip_suffix('/').unwrap_or(trimmed);
        match trimmed.parse::<ShardPath>() {
            Ok(path) => Some(At { value: path.as_path().to_owned(), span: text.span }),
            Err(why) => {
                let message = format!("{} cannot be {}", self.named(name), quote(text.value));
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
            let owner = self.prefix.trim_end_matches('.');
            let owner = if owner.is_empty() { "the config".into() } else { format!("`{owner}`") };
            let message = format!("{owner} has no `{name}`");
            let found = Diagnostic::new(Code::MissingField, self.place, message, help);
            sink.push(match self.language {
                Language::Json => found.label(format!("no `{name}` in here")),
                Language::Yaml => found,
            });
        }
    }

    /// Reports every field that is none of the known ones.
    pub(super) fn only(&self, sink: &mut Sink, known: &[&'static str]) {
        self.only_or(sink, Code::UnknownKey, known, |_| None);
    }

    /// The same, with a code of its own. `elsewhere` may know better.
    pub(super) fn only_or(
        &self,
        sink: &mut Sink,
        code: Code,
        known: &[&'static str],
        elsewhere: impl Fn(&str) -> Option<String>,
    ) {
        for (key, _) in self.entries {
            let name = &*key.text;
            if sink.is_full() || known.contains(&name) {
                continue;
            }
            let path = quote(&self.path(name));
            let message = match self.language {
                Language::Json => format!("unknown field {path}"),
                Language::Yaml => format!("there is no field {path}"),
            };
            // What is there already is not what was meant.
            let absent = known.iter().copied().filter(|known| self.get(known).is_none());
            let help = match (elsewhere(name), nearest(name, absent)) {
                (Some(help), _) => help,
                (None, Some(meant)) => format!("did you mean `{meant}`?"),
                (None, None) => self.listed(known),
            };
            sink.push(Diagnostic::new(code, key.span, message, help));
        }
    }

    fn listed(&self, known: &[&str]) -> String {
        let names: Vec<_> = known.iter().filter(|name| !name.starts_with('$')).copied().collect();
        let names = names.join(", ");
        match self.language {
            Language::Json => format!("remove it; known here: {names}"),
            Language::Yaml => format!("known here: {names}"),
        }
    }
}

/// The string that a value of JSON must be.
pub(super) fn text_at<'a>(sink: &mut Sink, path: &str, node: &'a Node) -> Option<At<&'a str>> {
    match &node.value {
        Value::Text(value) => Some(At { value, span: node.span }),
        value => {
            sink.push(wrong_type(path, value, node.head(), Kind::Text, Language::Json));
            None
        }
    }
}

fn wrong_type(path: &str, found: &Value, at: Span, kind: Kind, language: Language) -> Diagnostic {
    let (wanted, help) = match language {
        Language::Json => in_json(found, kind),
        Language::Yaml => in_yaml(found, kind),
    };
    let message = format!("{path} is {}, not {wanted}", language.type_name(found));
    Diagnostic::new(Code::WrongType, at, message, help)
}

fn in_json(found: &Value, kind: Kind) -> (&'static str, String) {
    let (wanted, general) = match kind {
        Kind::Text => ("a string", "put it in double quotes"),
        Kind::Boolean => ("a boolean", "write `true` or `false`"),
        Kind::List => ("an array", "write `[ … ]`"),
        Kind::Map => ("an object", "write `{ … }`"),
    };
    let help = match (kind, found) {
        (_, Value::Null) => format!("write {wanted}"),
        (Kind::Boolean, Value::Text(text)) if ["true", "false"].contains(&&**text) => {
            "write it without quotes".to_owned()
        }
        (Kind::Text, Value::Boolean(_)) => "write a string, or remove the field".to_owned(),
        (Kind::Text, Value::List(_) | Value::Map(_)) => "write one string".to_owned(),
        (Kind::List, Value::Map(_)) => "put it in brackets: `[{ … }]`".to_owned(),
        _ => general.to_owned(),
    };
    (wanted, help)
}

fn in_yaml(found: &Value, kind: Kind) -> (&'static str, String) {
    let (wanted, help) = match (kind, found) {
        (Kind::Text, Value::Number(_) | Value::Boolean(_)) => ("a string", "put it in quotes"),
        (Kind::Text, _) => ("a string", "write one word after the colon"),
        (Kind::Boolean, _) => ("a boolean", "write `true` or `false`"),
        (Kind::List, _) => ("a list", "begin each entry with `- `"),
        (Kind::Map, _) => ("a mapping", "write `key: value`"),
    };
    (wanted, help.to_owned())
}
