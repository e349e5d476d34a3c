use super::diagnostic::Sink;
use super::tree::{Node, Value};
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
fn model_span(root: &Node, model: &ModelId) -> Option<Span> {
    root.get("model_list")?.list()?.iter().find_map(|entry| {
        let id = entry.get("model_id")?;
        matches!(&id.value, Value::Text(text) if text == model.as_str()).then_some(id.span)
    })
}
