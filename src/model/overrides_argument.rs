use super::Overrides;

/// Why a text is not the compiler's `--overrides`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverridesError {
    /// Not `name=value`.
    #[error("`{0:.40}` is not of the form name=value")]
    Form(String),
    /// No such field.
    #[error("there is no override `{0:.40}`; the overrides are: {known}", known = Overrides::NAMES[..8].join(", "))]
    Name(String),
    /// A value the field cannot take.
    #[error("`{name}` is {expected}, not `{found:.40}`")]
    Value {
        /// The field.
        name: &'static str,
        /// What it can be.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

/// Reads `context_window_size=2048;prefill_chunk_size=128`, as upstream's compiler does: a field
/// that is there twice is what it is last.
pub fn parse_overrides(text: &str) -> Result<Overrides, OverridesError> {
    let mut overrides = Overrides::default();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) =
            part.split_once('=').ok_or_else(|| OverridesError::Form(part.to_owned()))?;
        let known = Overrides::NAMES.into_iter().find(|known| *known == name && name != "opt");
        let name = known.ok_or_else(|| OverridesError::Name(name.to_owned()))?;
        let wrong = |expected| OverridesError::Value { name, expected, found: value.to_owned() };
        if name == "disaggregation" {
            overrides.disaggregation = Some(match value.to_lowercase().as_str() {
                "true" | "1" | "yes" => true,
                "false" | "0" | "no" => false,
                _ => return Err(wrong("true or false")),
            });
            continue;
        }
        let number = Some(value.parse().map_err(|_| wrong("a whole number"))?);
        match name {
            "context_window_size" => overrides.context_window_size = number,
            "sliding_window_size" => overrides.sliding_window_size = number,
            "prefill_chunk_size" => overrides.prefill_chunk_size = number,
            "attention_sink_size" => overrides.attention_sink_size = number,
            "max_batch_size" => overrides.max_batch_size = number,
            "tensor_parallel_shards" => overrides.tensor_parallel_shards = number,
            _ => overrides.pipeline_parallel_stages = number,
        }
    }
    Ok(overrides)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parse_overrides;
    use crate::model::Overrides;

    #[test]
    fn every_field_is_read_back() {
        let overrides = Overrides {
            context_window_size: Some(1),
            sliding_window_size: Some(2),
            prefill_chunk_size: Some(3),
            attention_sink_size: Some(4),
            max_batch_size: Some(5),
            tensor_parallel_shards: Some(6),
            pipeline_parallel_stages: Some(7),
            disaggregation: Some(true),
            opt: None,
        };
        assert_eq!(parse_overrides(&overrides.to_argument()), Ok(overrides));
        assert_eq!(parse_overrides(""), Ok(Overrides::default()));
        let minus = parse_overrides("context_window_size=-1; disaggregation=no").unwrap();
        assert_eq!((minus.context_window_size, minus.disaggregation), (Some(-1), Some(false)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let why = |text| parse_overrides(text).unwrap_err().to_string();
        assert_eq!(why("max_batch_size"), "`max_batch_size` is not of the form name=value");
        assert_eq!(why("max_batch_size=x"), "`max_batch_size` is a whole number, not `x`");
        assert_eq!(why("disaggregation=2"), "`disaggregation` is true or false, not `2`");
        assert!(
            why("opt=O2").starts_with("there is no override `opt`; the overrides are: context_")
        );
    }

    proptest! {
        #[test]
        fn any_text_is_overrides_or_not(
            text in "([a-z_]{0,22}|context_window_size|disaggregation)(=[-0-9a-zTF]{0,21})?;?|\\PC{0,60}",
        ) {
            match parse_overrides(&text) {
                // -1 leaves three fields as they are, and is not written.
                Ok(read) => {
                    let again = parse_overrides(&read.to_argument()).unwrap();
                    prop_assert!(read.effective().eq(again.effective()));
                }
                Err(error) => prop_assert!(error.to_string().len() < 500),
            }
        }
    }
}
