use crate::config::diagnostic::Sink;
use crate::config::fields::{At, Fields};
use crate::config::quote::quote;
use crate::config::tree::{Language, Value};
use crate::config::{Code, Diagnostic, Span};
use crate::model::{Expectation, TrySettings};

const FIELDS: [&str; 7] =
    ["prompt", "tokens", "expect", "must-stop", "max-perplexity", "device", "seconds"];

/// `try` of a package.
pub(super) fn read(sink: &mut Sink, fields: &Fields) -> TrySettings {
    fields.only(sink, &FIELDS);
    let choice = Code::InvalidChoice;
    TrySettings {
        prompt: prompt(sink, fields),
        tokens: whole(sink, fields, "tokens"),
        expect: expect(sink, fields),
        must_stop: fields.boolean(sink, "must-stop").map(|at| at.value),
        max_perplexity: number(sink, fields, "max-perplexity").map(|at| at.value),
        device: fields
            .parsed(sink, "device", choice, "write `cpu`, `metal`, `vulkan` or `cuda`")
            .map(|at| at.value),
        seconds: whole(sink, fields, "seconds"),
    }
}

fn prompt(sink: &mut Sink, fields: &Fields) -> Option<String> {
    let text = fields.text(sink, "prompt")?;
    if text.value.trim().is_empty() {
        let message = format!("`{}` cannot be empty", fields.path("prompt"));
        sink.push(Diagnostic::new(Code::InvalidTry, text.span, message, "write a question"));
        return None;
    }
    Some(text.value.to_owned())
}

/// A number, at least 1.
fn number(sink: &mut Sink, fields: &Fields, name: &str) -> Option<At<f64>> {
    let node = fields.get(name)?;
    let value = match &node.value {
        Value::Number(number) => number.parse::<f64>().ok(),
        _ => None,
    };
    let value = value.filter(|value| value.is_finite() && *value >= 1.0);
    if value.is_none() {
        refuse(sink, fields, name, node.span, "a number, at least 1");
    }
    value.map(|value| At { value, span: node.span })
}

/// A whole number, at least 1.
fn whole(sink: &mut Sink, fields: &Fields, name: &str) -> Option<u32> {
    let at = number(sink, fields, name)?;
    if at.value.fract() == 0.0 && at.value <= f64::from(u32::MAX) {
        // Between 1 and the largest.
        return Some(at.value as u32);
    }
    refuse(sink, fields, name, at.span, "a whole number");
    None
}

fn refuse(sink: &mut Sink, fields: &Fields, name: &str, span: Span, wanted: &str) {
    let message = format!("`{}` is not {wanted}", fields.path(name));
    let help = format!("write {wanted}, without quotes");
    sink.push(Diagnostic::new(Code::InvalidTry, span, message, help));
}

fn expect(sink: &mut Sink, fields: &Fields) -> Vec<Expectation> {
    let mut expected = Vec::new();
    for node in fields.list(sink, "expect").unwrap_or_default() {
        let path = fields.path("expect");
        let read = match &node.value {
            Value::Text(text) => text.parse::<Expectation>().map_err(|why| {
                (
                    format!("`{path}` cannot have {}: {why}", quote(text)),
                    "write what is to be there",
                )
            }),
            other => Err((
                format!("`{path}` has {}, not a string", Language::Yaml.type_name(other)),
                "put it in quotes",
            )),
        };
        match read {
            Ok(expectation) => expected.push(expectation),
            Err((message, help)) => {
                sink.push(Diagnostic::new(Code::InvalidTry, node.span, message, help));
            }
        }
    }
    expected
}
