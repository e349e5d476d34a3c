use jsonc_parser::ast::{Object, Value};

use super::diagnostic::Sink;
use super::{Checked, Code, Diagnostic, Severity, Span, syntax};
use crate::model::{Level, ModelId};

/// A size over its limit, as a problem of the package config that causes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverBudget {
    /// The model whose size it is; none for the package's.
    pub model: Option<ModelId>,
    /// How bad it is.
    pub level: Level,
    /// What is over which limit.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Checked {
    /// The config with sizes over their limits as its only problems, each at the line of its
    /// model.
    #[must_use]
    pub fn over_budget(mut self, found: &[OverBudget]) -> Self {
        let mut sink = Sink::default();
        let root = syntax::parse(self.source.text()).ok();
        for found in found {
            let model = found.model.as_ref();
            let span = model.and_then(|model| model_span(root.as_ref()?, model));
            let mut diagnostic =
                Diagnostic::new(Code::OverBudget, span, &found.message, &found.help);
            if found.level == Level::Warn {
                diagnostic.severity = Severity::Warning;
            }
            sink.push(diagnostic);
        }
        self.diagnostics = sink.finish(self.source.skipped());
        self.consistent()
    }
}

/// Where a model's id is written.
fn model_span(root: &Value, model: &ModelId) -> Option<Span> {
    let list = field(root.as_object()?, "model_list")?.as_array()?;
    list.elements.iter().find_map(|entry| match field(entry.as_object()?, "model_id")? {
        Value::StringLit(id) if id.value == model.as_str() => Some(Span::from(id.range)),
        _ => None,
    })
}

fn field<'a>(object: &'a Object<'a>, name: &str) -> Option<&'a Value<'a>> {
    // Of a key given twice the last counts, as elsewhere.
    object.properties.iter().rev().find(|field| field.name.as_str() == name).map(|f| &f.value)
}
