use std::collections::HashMap;

use camino::Utf8PathBuf;

use super::diagnostic::Sink;
use super::fields::{At, Fields, text_at};
use super::model_source::outside;
use super::package::Checker;
use super::quote::{quote, quote_path};
use super::{Code, Diagnostic, Span};
use crate::model::{LibraryName, LibraryNameError, PreparedLibrary};

const FIELD: &str = "model_lib_path_for_prepare_libs";

/// One pair of `model_lib_path_for_prepare_libs`, as far as it is good.
pub(super) struct Prepared {
    pub(super) name: Option<LibraryName>,
    pub(super) name_span: Span,
    path: Option<Utf8PathBuf>,
}

impl Prepared {
    pub(super) fn finish(self) -> Option<PreparedLibrary> {
        Some(PreparedLibrary { name: self.name?, path: self.path? })
    }
}

/// Reads the libraries that were compiled beforehand.
pub(super) fn read(checker: &mut Checker, fields: &Fields) -> Vec<Prepared> {
    let Some(pairs) = fields.map(&mut checker.sink, FIELD) else {
        return Vec::new();
    };
    let mut seen: HashMap<LibraryName, At<&str>> = HashMap::new();
    let mut libraries = Vec::new();
    for (key, node) in pairs.entries() {
        if checker.sink.is_full() {
            break;
        }
        let key = At { value: &*key.text, span: key.span };
        let name = name(&mut checker.sink, &mut seen, key);
        let place = quote(&format!("{FIELD}.{}", key.value));
        let path =
            text_at(&mut checker.sink, &place, node).and_then(|path| find(checker, key, path));
        libraries.push(Prepared { name, name_span: key.span, path });
    }
    libraries
}

fn name<'a>(
    sink: &mut Sink,
    seen: &mut HashMap<LibraryName, At<&'a str>>,
    key: At<&'a str>,
) -> Option<LibraryName> {
    match key.value.parse::<LibraryName>() {
        Ok(name) => {
            let first = *seen.entry(name.clone()).or_insert(key);
            // The very same key twice is a duplicate key.
            if first.value != key.value {
                sink.push(same_name(first, key, &name));
            }
            Some(name)
        }
        Err(why) => {
            sink.push(invalid_name(&format!("`{FIELD}`"), key, &why));
            None
        }
    }
}

/// Reports a name that is no C identifier.
pub(super) fn invalid_name(path: &str, name: At<&str>, why: &LibraryNameError) -> Diagnostic {
    let (message, help) = match why {
        LibraryNameError::Empty => (
            format!("{path}: a library needs a name"),
            "leave it out to have one made from the model".to_owned(),
        ),
        LibraryNameError::TooLong => {
            (format!("{path} is longer than 200 characters"), "take a shorter one".to_owned())
        }
        LibraryNameError::NotAnIdentifier => {
            let fit = identifier(name.value).unwrap_or_else(|| "llama_q4f16_1".to_owned());
            (
                format!("{path}: {} is not a C identifier", quote(name.value)),
                format!("use letters, digits and `_`, no digit first: `{fit}`, for instance"),
            )
        }
    };
    Diagnostic::new(Code::InvalidModelLib, name.span, message, help)
}

/// The nearest C identifier.
fn identifier(name: &str) -> Option<String> {
    let fit: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let fit = if fit.starts_with(|c: char| c.is_ascii_digit()) { format!("_{fit}") } else { fit };
    let says_something = name.chars().filter(char::is_ascii_alphanumeric).count() * 2 > name.len();
    (says_something && fit.len() <= 64).then_some(fit)
}

fn same_name(first: At<&str>, second: At<&str>, name: &LibraryName) -> Diagnostic {
    let message = format!(
        "{} and {} are one library name, `{name}`",
        quote(first.value),
        quote(second.value)
    );
    let help = "`-` becomes `_` in a library's symbols: remove or rename one of them";
    Diagnostic::new(Code::DuplicateLibrary, second.span, message, help)
        .related(first.span, "the other")
}

fn find(checker: &mut Checker, key: At<&str>, path: At<&str>) -> Option<Utf8PathBuf> {
    let candidates = checker.place.candidates(path.value);
    for candidate in candidates.iter().filter(|_| !path.value.is_empty()) {
        if let Some(confined) = checker.surroundings.outside_of(candidate) {
            let what = format!("the library {}", quote(path.value));
            checker.sink.push(outside(&what, path, &confined));
            return None;
        }
    }
    let there = candidates.iter().find(|candidate| checker.surroundings.is_file(candidate));
    if let (Some(there), false) = (there, path.value.is_empty()) {
        return Some(there.clone());
    }
    let message = match path.value {
        "" => format!("the path of the library {} is empty", quote(key.value)),
        path => format!("there is no file {} for the library {}", quote(path), quote(key.value)),
    };
    let help = match path.value.chars().next() {
        None => "name the .tar, .a or .o that holds it".to_owned(),
        Some('~') => "`~` is not expanded here; write the path in full".to_owned(),
        Some(_) if path.value.contains('$') => {
            "variables are not expanded here; write the path in full".to_owned()
        }
        Some(_) => {
            let places: Vec<_> = candidates.iter().map(|path| quote_path(path)).collect();
            format!(
                "looked for {}; without this line the library is compiled",
                places.join(" and ")
            )
        }
    };
    checker.sink.push(Diagnostic::new(Code::MissingLibrary, path.span, message, help));
    None
}
