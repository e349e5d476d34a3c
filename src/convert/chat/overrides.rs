use serde_json::{Map, Value};

use crate::model::{OverrideValue, Overrides};

/// How many sequences at once `gen_config` provides for unless it is told.
const BATCH: i64 = 128;

/// Puts the overrides over the fields, and gives those that the architecture does not have.
pub(super) fn apply(overrides: &Overrides, fields: &mut Map<String, Value>) -> Vec<&'static str> {
    let mut ignored = Vec::new();
    if overrides.max_batch_size.is_none()
        && let Some(field) = fields.get_mut("max_batch_size")
    {
        *field = BATCH.into();
    }
    for (name, value) in overrides.set_fields() {
        match (fields.get_mut(name), value) {
            (Some(field), OverrideValue::Int(int)) => *field = int.into(),
            (Some(field), OverrideValue::Bool(truth)) => *field = truth.into(),
            (None, _) => ignored.push(name),
        }
    }
    ignored
}
