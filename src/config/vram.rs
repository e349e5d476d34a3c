//! `estimated_vram_bytes`, held against what the compiled libraries say.

use std::collections::BTreeMap;

use super::diagnostic::Sink;
use super::tree::{Node, Value};
use super::{Checked, Code, Diagnostic, Span, syntax};
use crate::model::{ByteSize, ModelId};

/// What a model needs at run time, by its library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VramNeed {
    /// All together, in bytes.
    pub bytes: u64,
    /// What it is made of, for people.
    pub breakdown: String,
}

/// An entry that declares less than its model needs.
struct Shortfall<'n> {
    /// Of the number.
    span: Span,
    /// The field, in backticks.
    field: String,
    declared: u64,
    need: &'n VramNeed,
}

impl Checked {
    /// The config with the entries that declare less than they need as its only problems.
    #[must_use]
    pub fn vram_shortfalls(mut self, needs: &BTreeMap<ModelId, VramNeed>) -> Self {
        let mut sink = Sink::default();
        for short in shortfalls(self.text(), needs) {
            let message = format!(
                "{} is {}, and the model needs {}: {}",
                short.field, short.declared, short.need.bytes, short.need.breakdown
            );
            let help =
                format!("write {}, or let `mlc-package build --fix-vram` do it", short.need.bytes);
            let found = Diagnostic::new(Code::VramTooLow, short.span, message, help);
            sink.push(found.label(format!("{} is too little", ByteSize(short.declared))));
        }
        let skipped = self.source.skipped();
        self.diagnostics = sink.finish(skipped);
        self
    }

    /// The file with the numbers that are too small replaced, and nothing else changed.
    pub fn vram_raised(&self, needs: &BTreeMap<ModelId, VramNeed>) -> String {
        let mut text = self.text().to_owned();
        let mut found = shortfalls(self.text(), needs);
        found.sort_by_key(|short| std::cmp::Reverse(short.span));
        for short in found {
            text.replace_range(short.span.start..short.span.end, &short.need.bytes.to_string());
        }
        if self.source.skipped() > 0 { format!("\u{feff}{text}") } else { text }
    }
}

/// In the order of the file. There are none in a file that is no config.
fn shortfalls<'n>(text: &str, needs: &'n BTreeMap<ModelId, VramNeed>) -> Vec<Shortfall<'n>> {
    let Ok(root) = syntax::parse(text) else { return Vec::new() };
    let entries = root.get("model_list").and_then(Node::list).unwrap_or_default().iter();
    entries
        .enumerate()
        .filter_map(|(index, entry)| {
            let (id, number) = (entry.get("model_id")?, entry.get("estimated_vram_bytes")?);
            let (Value::Text(id), Value::Number(declared)) = (&id.value, &number.value) else {
                return None;
            };
            let need = needs.get(&id.parse::<ModelId>().ok()?)?;
            let declared: u64 = declared.parse().ok()?;
            (declared < need.bytes).then(|| Shortfall {
                span: number.span,
                field: format!("`model_list[{index}].estimated_vram_bytes`"),
                declared,
                need,
            })
        })
        .collect()
}
