use std::collections::HashMap;

use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged;

use super::diagnostic::Sink;
use super::quote::quote;
use super::{Code, Diagnostic, Span};

/// Reports keys that one object has twice, at every depth. The depth is bounded by the parser.
pub(super) fn check(sink: &mut Sink, value: &Value) {
    match value {
        Value::Object(object) => {
            let mut seen: HashMap<&str, Span> = HashMap::new();
            for property in &object.properties {
                if sink.is_full() {
                    return;
                }
                let span = Span::from(property.name.range());
                let name = property.name.as_str();
                match seen.get(name) {
                    None => {
                        seen.insert(name, span);
                    }
                    Some(first) => sink.push(
                        Diagnostic::new(
                            Code::DuplicateKey,
                            span,
                            format!("the key {} is there twice", quote(name)),
                            "remove one of them; upstream would use the last",
                        )
                        .label("again here")
                        .related(*first, "first here"),
                    ),
                }
                check(sink, &property.value);
            }
        }
        Value::Array(array) => array.elements.iter().for_each(|element| check(sink, element)),
        _ => {}
    }
}
