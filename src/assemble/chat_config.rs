use std::str::Utf8Error;

use jsonc_parser::ast::{Object, Value};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use crate::model::{OverrideValue, Overrides};

/// Why the values of a `mlc-chat-config.json` cannot be replaced.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ChatConfigFault {
    /// Bytes that are not UTF-8.
    #[error(transparent)]
    Encoding(#[from] Utf8Error),
    /// It is not JSON: what the parser says.
    #[error("{0}")]
    NotJson(String),
    /// JSON of another kind.
    #[error("it is not a JSON object")]
    NotAnObject,
}

/// The text of a `mlc-chat-config.json` with the overrides in place of the values they
/// override, at the top level and in `model_config`; not another byte is changed. None where
/// all values are there already.
///
/// A field that the model does not have stays absent: the compiler ignores such an override
/// too.
pub(super) fn overridden(
    text: &[u8],
    overrides: &Overrides,
) -> Result<Option<Vec<u8>>, ChatConfigFault> {
    let text = str::from_utf8(text)?;
    let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default())
        .map_err(|error| ChatConfigFault::NotJson(error.to_string()))?;
    let Some(Value::Object(top)) = &parsed.value else {
        return Err(ChatConfigFault::NotAnObject);
    };
    let mut edits = Vec::new();
    for (name, value) in overrides.effective() {
        let new = match value {
            OverrideValue::Int(int) => int.to_string(),
            OverrideValue::Bool(truth) => truth.to_string(),
        };
        for object in std::iter::once(top).chain(model_config(top)) {
            for property in object.properties.iter().filter(|field| field.name.as_str() == name) {
                let range = property.value.range();
                if text.get(range.start..range.end) != Some(&new) {
                    edits.push((range, new.clone()));
                }
            }
        }
    }
    if edits.is_empty() {
        return Ok(None);
    }
    // From the end, so that earlier ranges stay true.
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut text = text.to_owned();
    for (range, new) in edits {
        text.replace_range(range.start..range.end, &new);
    }
    Ok(Some(text.into_bytes()))
}

fn model_config<'a, 'b>(top: &'a Object<'b>) -> Option<&'a Object<'b>> {
    let field = top.properties.iter().find(|field| field.name.as_str() == "model_config")?;
    match &field.value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::overridden;
    use crate::model::Overrides;

    #[test]
    fn values_change_in_place_and_nothing_else_does() {
        let text = "{\n  \"prefill_chunk_size\" : 8192,\n  \"model_config\": {\"a\": 1e-05, \
                    \"prefill_chunk_size\": 8192, \"context_window_size\":4096},\n\
                    \"context_window_size\": 4096, \"disaggregation\": false }\n";
        let overrides = Overrides {
            prefill_chunk_size: Some(128),
            context_window_size: Some(-1),
            max_batch_size: Some(4),
            disaggregation: Some(true),
            ..Overrides::default()
        };
        let new = overridden(text.as_bytes(), &overrides).unwrap().unwrap();
        assert_eq!(
            String::from_utf8(new).unwrap(),
            text.replace("8192", "128").replace("false", "true")
        );
        let same = Overrides { context_window_size: Some(4096), ..Overrides::default() };
        assert_eq!(overridden(text.as_bytes(), &same), Ok(None));
        assert!(overridden(b"[]", &same).is_err());
    }
}
