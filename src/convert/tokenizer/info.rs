//! How tokens become text: upstream's `Tokenizer::DetectTokenizerInfo` (`tokenizers.cc`).

use serde::Serialize;
use serde_json::{Map, Value};

use super::vocabulary::{TokenizerFault, TokenizerJson};

/// Upstream's `TokenizerInfo`, in the order in which it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TokenizerInfo {
    token_postproc_method: PostProcess,
    prepend_space_in_encode: bool,
    strip_space_in_decode: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum PostProcess {
    /// `▁of`, `<0x1B>`.
    ByteFallback,
    /// `Ġin`.
    ByteLevel,
}

/// What upstream takes where there is no `tokenizer.json`.
impl Default for TokenizerInfo {
    fn default() -> Self {
        Self {
            token_postproc_method: PostProcess::ByteFallback,
            prepend_space_in_encode: false,
            strip_space_in_decode: false,
        }
    }
}

/// Looks at the decoder and the normalizer.
pub(super) fn detect(json: &TokenizerJson<'_>) -> Result<TokenizerInfo, TokenizerFault> {
    let mut info = TokenizerInfo::default();
    let (decoder, normalizer) = (json.decoder()?, json.normalizer()?);
    // The last one that says something wins, as upstream has it.
    for decoder in steps(&decoder, "decoder", "decoders")? {
        match kind(decoder, "decoder")? {
            "ByteLevel" => info.token_postproc_method = PostProcess::ByteLevel,
            "ByteFallback" => info.token_postproc_method = PostProcess::ByteFallback,
            _ => {}
        }
        info.strip_space_in_decode |= strips_one_space(decoder);
    }
    for normalizer in steps(&normalizer, "normalizer", "normalizers")? {
        if kind(normalizer, "normalizer")? == "Prepend"
            && normalizer.get("prepend").and_then(Value::as_str) == Some("\u{2581}")
        {
            info.prepend_space_in_encode = true;
            break;
        }
    }
    Ok(info)
}

fn strips_one_space(decoder: &Map<String, Value>) -> bool {
    let number = |name: &str| decoder.get(name).and_then(Value::as_i64);
    let text = |name: &str| decoder.get(name).and_then(Value::as_str);
    text("type") == Some("Strip")
        && text("content") == Some(" ")
        && number("start") == Some(1)
        && number("stop") == Some(0)
}

/// The steps of a sequence, or the one step there is.
fn steps<'a>(
    value: &'a Value,
    part: &'static str,
    list: &'static str,
) -> Result<Vec<&'a Map<String, Value>>, TokenizerFault> {
    let Value::Object(step) = value else { return Ok(Vec::new()) };
    if kind(step, part)? != "Sequence" {
        return Ok(vec![step]);
    }
    let Some(Value::Array(steps)) = step.get(list) else {
        return Err(TokenizerFault::NoList { part, list });
    };
    let objects = steps.iter().map(|step| match step {
        Value::Object(step) => Ok(step),
        _ => Err(TokenizerFault::NotAnObject(part)),
    });
    objects.collect()
}

fn kind<'a>(step: &'a Map<String, Value>, part: &'static str) -> Result<&'a str, TokenizerFault> {
    step.get("type").and_then(Value::as_str).ok_or(TokenizerFault::NoType(part))
}
