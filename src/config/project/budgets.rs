use std::collections::BTreeMap;

use crate::config::diagnostic::Sink;
use crate::config::fields::Fields;
use crate::config::quote::quote;
use crate::config::suggest::nearest;
use crate::config::tree::{Language, Node, Value};
use crate::config::{Code, Diagnostic};
use crate::model::{Budget, Budgets, ByteSize, Levels, Limits, ModelId};

const MEASURES: [&str; 3] = ["shipped", "download", "ram"];
const LEVELS: [&str; 2] = ["warn", "fail"];
const LIMITS: [&str; 3] = ["max", "growth", "growth-percent"];

/// `budgets` of the project.
pub(super) fn read(sink: &mut Sink, fields: &Fields) -> Budgets {
    fields.only(sink, &["accept-label", "package", "model"]);
    let accept_label = fields.text(sink, "accept-label").and_then(|label| {
        let good = !label.value.trim().is_empty() && !label.value.contains(char::is_control);
        if !good {
            let message = format!("`{}` cannot be empty", fields.path("accept-label"));
            let help = "name the label that accepts a growth: size-increase-ok, for instance";
            sink.push(Diagnostic::new(Code::InvalidBudget, label.span, message, help));
        }
        good.then(|| label.value.to_owned())
    });
    let of = |sink: &mut Sink, name| match fields.map(sink, name) {
        Some(fields) => {
            fields.only(sink, &MEASURES);
            measures(sink, &fields)
        }
        None => Budget::default(),
    };
    Budgets { accept_label, package: of(sink, "package"), model: of(sink, "model") }
}

/// `budgets` of one package: those of the package itself, and of models by their ids.
pub(super) fn of_package(sink: &mut Sink, fields: &Fields) -> (Budget, BTreeMap<ModelId, Budget>) {
    fields.only(sink, &["shipped", "download", "ram", "models"]);
    let own = measures(sink, fields);
    let mut models = BTreeMap::new();
    if let Some(named) = fields.map(sink, "models") {
        for (key, node) in named.entries() {
            let path = named.path(&key.text);
            let Some(fields) = Fields::yaml(sink, node, &path, key.span) else { continue };
            fields.only(sink, &MEASURES);
            let budget = measures(sink, &fields);
            match key.text.parse::<ModelId>() {
                Ok(id) => drop(models.insert(id, budget)),
                Err(why) => {
                    let message = format!("{} is not a model: {why}", quote(&key.text));
                    let help = "write the `model_id` of a model of the package";
                    sink.push(Diagnostic::new(Code::InvalidModelId, key.span, message, help));
                }
            }
        }
    }
    (own, models)
}

/// Holds the models that have budgets of their own against those of the package.
pub(super) fn known(sink: &mut Sink, fields: &Fields, models: &[ModelId]) {
    let Some(named) = fields.map(sink, "models") else { return };
    for (key, _) in named.entries() {
        if models.iter().any(|id| id.as_str() == key.text) || key.text.parse::<ModelId>().is_err() {
            continue;
        }
        let message = format!("`{}`: the package has no such model", named.path(&key.text));
        let ids: Vec<_> = models.iter().map(ModelId::as_str).collect();
        let help = match nearest(&key.text, ids.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if ids.is_empty() => "it has none at all".to_owned(),
            None => format!("its models are {}", ids.join(", ")),
        };
        sink.push(Diagnostic::new(Code::UnknownModel, key.span, message, help));
    }
}

fn measures(sink: &mut Sink, fields: &Fields) -> Budget {
    let mut of = |name| match fields.map(sink, name) {
        Some(fields) => levels(sink, &fields),
        None => Levels::default(),
    };
    Budget { shipped: of("shipped"), download: of("download"), ram: of("ram") }
}

/// `warn` and `fail`. Limits without a level are taken for a slip, and said.
fn levels(sink: &mut Sink, fields: &Fields) -> Levels {
    let bare = fields.entries().iter().filter(|(key, _)| LIMITS.contains(&key.text.as_str()));
    let mut is_bare = false;
    for (key, _) in bare {
        is_bare = true;
        let message = format!("`{}` has no level", fields.path(&key.text));
        let help = format!("write it below `fail:` or `warn:`: `fail: {{ {}: … }}`", key.text);
        sink.push(Diagnostic::new(Code::InvalidBudget, key.span, message, help));
    }
    if !is_bare {
        fields.only(sink, &LEVELS);
    }
    let mut of = |name| match fields.map(sink, name) {
        Some(fields) => limits(sink, &fields),
        None => Limits::default(),
    };
    Levels { warn: of("warn"), fail: of("fail") }
}

fn limits(sink: &mut Sink, fields: &Fields) -> Limits {
    fields.only(sink, &LIMITS);
    Limits {
        max: size(sink, fields, "max"),
        growth: size(sink, fields, "growth"),
        growth_percent: percent(sink, fields),
    }
}

fn size(sink: &mut Sink, fields: &Fields, name: &str) -> Option<ByteSize> {
    let node = fields.get(name)?;
    match &node.value {
        Value::Text(text) => match text.parse() {
            Ok(size) => return Some(size),
            Err(_) if text.ends_with('%') && name == "growth" => {
                let help = "write percent as `growth-percent: 5`";
                refuse(sink, &fields.path(name), node, &quote(text), help);
            }
            Err(why) => refuse(sink, &fields.path(name), node, &quote(text), &why.to_string()),
        },
        Value::Number(number) => {
            let help = format!("add a unit: {number}MiB, for instance");
            refuse(sink, &fields.path(name), node, number, &help);
        }
        other => {
            let help = "expected a size such as 40MiB or 1.5GiB";
            refuse(sink, &fields.path(name), node, Language::Yaml.type_name(other), help);
        }
    }
    None
}

/// `5`, `0.5`, `5%`, `5 %`.
fn percent(sink: &mut Sink, fields: &Fields) -> Option<f64> {
    let node = fields.get("growth-percent")?;
    let number = match &node.value {
        Value::Number(number) => number.parse().ok(),
        Value::Text(text) => text.strip_suffix('%').and_then(|text| text.trim_end().parse().ok()),
        _ => None,
    };
    // A limit that nobody can reach is a slip.
    let number = number.filter(|number| (0.0..=100_000.0).contains(number));
    if number.is_none() {
        let found = match &node.value {
            Value::Text(text) => quote(text),
            Value::Number(number) => number.clone(),
            other => Language::Yaml.type_name(other).to_owned(),
        };
        let help = "write a number of percent, 5 or 0.5, for instance";
        refuse(sink, &fields.path("growth-percent"), node, &found, help);
    }
    number
}

fn refuse(sink: &mut Sink, path: &str, node: &Node, found: &str, help: &str) {
    let message = format!("`{path}` cannot be {found}");
    sink.push(Diagnostic::new(Code::InvalidBudget, node.head(), message, help));
}
