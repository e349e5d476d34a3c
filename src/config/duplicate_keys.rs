use std::collections::HashMap;

use super::diagnostic::Sink;
use super::quote::quote;
use super::tree::{Language, Node, Value};
use super::{Code, Diagnostic, Span};

/// Reports keys that one map has twice, at every depth. The depth is bounded by the parser.
pub(super) fn check(sink: &mut Sink, node: &Node, language: Language) {
    below(sink, node, "", language);
}

fn below(sink: &mut Sink, node: &Node, path: &str, language: Language) {
    match &node.value {
        Value::Map(entries) => {
            let mut seen: HashMap<&str, Span> = HashMap::new();
            for (key, value) in entries {
                if sink.is_full() {
                    return;
                }
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{}", key.text);
                match seen.get(&*key.text) {
                    None => drop(seen.insert(&key.text, key.span)),
                    Some(first) => sink.push(twice(key.span, *first, &key.text, &path, language)),
                }
                below(sink, value, &path, language);
            }
        }
        Value::List(list) => {
            for (index, element) in list.iter().enumerate() {
                below(sink, element, &format!("{path}[{index}]"), language);
            }
        }
        _ => {}
    }
}

fn twice(span: Span, first: Span, name: &str, path: &str, language: Language) -> Diagnostic {
    let (which, help) = match language {
        Language::Json => (name, "remove one of them; MLC LLM would use the last"),
        Language::Yaml => (path, "remove one of them"),
    };
    let message = format!("the key {} is there twice", quote(which));
    Diagnostic::new(Code::DuplicateKey, span, message, help)
        .label("again here")
        .related(first, "first here")
}
