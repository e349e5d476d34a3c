use std::collections::{HashMap, HashSet};

use super::diagnostic::Sink;
use super::entry::Entry;
use super::fields::At;
use super::prepared::Prepared;
use super::quote::quote;
use super::{Code, Diagnostic};
use crate::model::{ChatConfig, LibraryName, ModelId, Overrides};

/// Holds the entries against each other and against the prepared libraries.
pub(super) fn check(sink: &mut Sink, entries: &[Entry], prepared: &[Prepared]) {
    model_ids(sink, entries);
    let ready: HashSet<_> = prepared.iter().filter_map(|library| library.name.as_ref()).collect();
    same_library(sink, entries, &ready);
    short(sink, entries, &ready);
    ineffective(sink, entries, &ready);
    unused(sink, entries, prepared);
}

fn model_ids(sink: &mut Sink, entries: &[Entry]) {
    let mut seen: HashMap<String, &At<ModelId>> = HashMap::new();
    for id in entries.iter().filter_map(|entry| entry.model_id.as_ref()) {
        if sink.is_full() {
            return;
        }
        let first = *seen.entry(id.value.case_folded()).or_insert(id);
        if first.span == id.span {
            continue;
        }
        let name = quote(id.value.as_str());
        let (message, help) = if first.value == id.value {
            (format!("two models have the model_id {name}"), "rename one of them")
        } else {
            (
                format!(
                    "the model_id {name} differs from {} in {} only",
                    quote(first.value.as_str()),
                    match first.value.as_str().to_lowercase() == id.value.as_str().to_lowercase() {
                        true => "case",
                        false => "the form of an accent",
                    }
                ),
                "rename one of them: on macOS and iOS both would be one directory",
            )
        };
        let found = Diagnostic::new(Code::DuplicateModelId, id.span, message, help);
        sink.push(found.related(first.span, "the first one"));
    }
}

/// What is known so far of one library's name.
struct Library<'a> {
    first: &'a Entry,
    first_at: &'a At<LibraryName>,
    /// The first of its models whose architecture is known.
    known: Option<(&'a ChatConfig, &'a At<LibraryName>)>,
}

/// One name for libraries that must differ. What the hub's models are is not known here: `plan`
/// looks at them again.
fn same_library(sink: &mut Sink, entries: &[Entry], ready: &HashSet<&LibraryName>) {
    let mut libraries: HashMap<&LibraryName, Library> = HashMap::new();
    for entry in entries {
        let Some(name) = &entry.model_lib else { continue };
        if sink.is_full() {
            return;
        }
        let library = libraries.entry(&name.value).or_insert(Library {
            first: entry,
            first_at: name,
            known: None,
        });
        let is_compiled = !ready.contains(&name.value);
        if is_compiled && let Some(how) = overrides_differ(library.first, entry) {
            sink.push(conflict(name, library.first_at, &how));
        } else if let (Some((first, at)), Some(second)) = (library.known, &entry.chat_config)
            && let Some(how) = models_differ(first, second)
        {
            sink.push(conflict(name, at, &how));
        }
        if let (None, Some(config)) = (library.known, &entry.chat_config) {
            library.known = Some((config, name));
        }
    }
}

fn overrides_differ(first: &Entry, second: &Entry) -> Option<String> {
    let of =
        |entry: &Entry| entry.overrides.as_ref().map(|at| at.value.clone()).unwrap_or_default();
    let (first, second) = (of(first), of(second));
    let names = Overrides::NAMES.into_iter().filter(|name| {
        let value = |overrides: &Overrides| {
            overrides.effective().find(|(field, _)| field == name).map(|(_, value)| value)
        };
        value(&first) != value(&second)
    });
    let opt = (first.opt() != second.opt()).then_some("opt");
    let names: Vec<_> = names.chain(opt).map(|name| format!("`{name}`")).collect();
    let (last, others) = names.split_last()?;
    Some(match others {
        [] => format!("differ in {last}"),
        others => format!("differ in {} and {last}", others.join(", ")),
    })
}

fn models_differ(first: &ChatConfig, second: &ChatConfig) -> Option<String> {
    let differ = |first: &str, second: &str| {
        (first != second).then(|| format!("are {} and {}", quote(first), quote(second)))
    };
    differ(first.model_type(), second.model_type())
        .or_else(|| differ(first.quantization(), second.quantization()))
}

fn conflict(name: &At<LibraryName>, first: &At<LibraryName>, how: &str) -> Diagnostic {
    let message = format!("the library `{}` cannot be that of two models that {how}", name.value);
    let help = "give each its own `model_lib`, or leave it out to have one made";
    Diagnostic::new(Code::ConflictingModelLib, name.span, message, help)
        .related(first.span, "the first one")
}

/// Names that some compilers fail with. What is compiled already needs none.
fn short(sink: &mut Sink, entries: &[Entry], ready: &HashSet<&LibraryName>) {
    let mut told = HashSet::new();
    for name in entries.iter().filter_map(|entry| entry.model_lib.as_ref()) {
        let fails = name.value.is_short() && !ready.contains(&name.value);
        if !fails || !told.insert(&name.value) {
            continue;
        }
        if sink.is_full() {
            return;
        }
        let message = format!("TVM 0.25 and 0.26 fail to compile a library named `{}`", name.value);
        let help = format!(
            "take a name of {} letters or more, or leave it out to have one made",
            LibraryName::SAFE_LEN
        );
        let found = Diagnostic::new(Code::ShortModelLib, name.span, message, help);
        sink.push(found.label("too short for them"));
    }
}

/// Overrides of entries whose libraries are compiled already.
fn ineffective(sink: &mut Sink, entries: &[Entry], ready: &HashSet<&LibraryName>) {
    for entry in entries {
        let (Some(library), Some(overrides)) = (&entry.model_lib, &entry.overrides) else {
            continue;
        };
        let set = overrides.value.opt.is_some() || overrides.value.effective().next().is_some();
        if set && ready.contains(&library.value) {
            let message = format!(
                "these overrides do not reach the library `{}`, which is compiled already",
                library.value
            );
            let help = "compile it with them, or remove it from `model_lib_path_for_prepare_libs`";
            let found = Diagnostic::new(Code::IneffectiveOverrides, overrides.span, message, help);
            sink.push(found.related(library.span, "a prepared library"));
        }
    }
}

fn unused(sink: &mut Sink, entries: &[Entry], prepared: &[Prepared]) {
    let used: HashSet<_> =
        entries.iter().filter_map(|entry| Some(&entry.model_lib.as_ref()?.value)).collect();
    for library in prepared {
        let Some(name) = library.name.as_ref().filter(|name| !used.contains(name)) else {
            continue;
        };
        let message = format!("no model uses the prepared library `{name}`");
        let help = format!(
            "name it in an entry, `\"model_lib\": \"{name}\"`, or remove it: it is linked all the same"
        );
        let found = Diagnostic::new(Code::UnusedLibrary, library.name_span, message, help);
        sink.push(found);
    }
}
