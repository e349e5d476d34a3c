//! What the target `checkpoint` does with bytes: a checkpoint's config, index and headers of
//! weights are converted. The weights themselves follow from what a header says of them.

use std::num::NonZeroUsize;

use camino::Utf8Path;
use mlc_package::convert::weights::{self, Request, Summary, WeightsError};
use mlc_package::io::cancel::Cancel;
use mlc_package::model::{ByteSize, Quantization, TensorCache};
use mlc_package::stage_error::StageError as _;
use serde_json::Value;

use crate::place::{Kind, Place, Tree, tree};
use crate::sections::Sections;

/// More weights than this are not made: the header is wrong then.
const MOST_WEIGHTS: usize = 1 << 20;

/// Says whether it was converted.
pub(crate) fn run(input: &[u8]) -> bool {
    let sections = Sections::of(input);
    let place = Place::with(&["checkpoint", "one", "two"]);
    for (name, bytes) in sections.iter() {
        let path = format!("checkpoint/{name}");
        match name {
            "config.json" | "model.safetensors.index.json" | "pytorch_model.bin" => {
                place.write(&path, bytes);
            }
            "model.safetensors" | "a.safetensors" | "b.safetensors" => {
                place.write(&path, &safetensors(bytes, sections.get("weights")));
            }
            _ => {}
        }
    }
    let how = sections.get("quantization").and_then(|text| std::str::from_utf8(text).ok());
    let how = how.unwrap_or("q4f16_1");
    let quantization = how.trim_end_matches(" nonfinite").parse().unwrap_or(Quantization::ALL[0]);
    let before = tree(&place.path("checkpoint"));
    let converted = |output: &str, threads: usize| {
        let checkpoint = place.path("checkpoint");
        let request = Request {
            checkpoint: &checkpoint,
            model_type: None,
            quantization,
            output: &place.path(output),
            allow_nonfinite: how.ends_with(" nonfinite"),
            threads: NonZeroUsize::new(threads).expect("some"),
            cancel: &Cancel::default(),
        };
        let result = convert(&request);
        assert_eq!(tree(&checkpoint), before, "the checkpoint stays");
        result
    };
    match (converted("one", 1), converted("two", 3)) {
        (Ok(one), Ok(two)) => {
            assert_eq!(one, two);
            assert_eq!(tree(&place.path("one")), tree(&place.path("two")), "the same twice");
            true
        }
        (Err(_), Err(_)) => false,
        (one, two) => panic!("{one:?}, and then {two:?}"),
    }
}

/// A file of safetensors: as it is, or by its header alone, with weights of the length that it says.
fn safetensors(bytes: &[u8], pattern: Option<&[u8]>) -> Vec<u8> {
    let Ok(Value::Object(header)) = serde_json::from_slice(bytes) else { return bytes.to_vec() };
    let end = |tensor: &Value| usize::try_from(tensor.pointer("/data_offsets/1")?.as_u64()?).ok();
    let length = header.values().filter_map(end).max().unwrap_or_default().min(MOST_WEIGHTS);
    let pattern = pattern.filter(|pattern| !pattern.is_empty()).unwrap_or(b"\x12\x3c\x00\xbc");
    let mut file = (bytes.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(bytes);
    file.extend(pattern.iter().cycle().take(length));
    file
}

fn convert(request: &Request<'_>) -> Result<Summary, WeightsError> {
    let prepared = weights::prepare(request).inspect_err(|error| {
        refused(error);
        assert_eq!(tree(request.output), Tree::new(), "nothing is written before it is planned");
    })?;
    let planned = prepared.source_bytes();
    assert!(planned <= 4 * MOST_WEIGHTS as u64, "no more is read than there is");
    match prepared.run(&|_| {}) {
        Ok(summary) => {
            assert_eq!(summary.source_bytes, ByteSize(planned));
            whole(request.output, &summary);
            Ok(summary)
        }
        Err(error) => {
            refused(&error);
            // Whoever asked removes the rest; nobody can take it for a model.
            let is_shard = |path: &String| path.starts_with("params_shard_");
            assert!(tree(request.output).keys().all(is_shard));
            Err(error)
        }
    }
}

fn refused(error: &WeightsError) {
    assert!(!error.to_string().is_empty());
    assert!(error.help().is_none_or(|help| !help.is_empty()));
}

/// The output is the shards and their indexes, and these are true of them.
fn whole(output: &Utf8Path, summary: &Summary) {
    let mut found = tree(output);
    let Some(Kind::File(index)) = found.remove("tensor-cache.json") else { panic!("no index") };
    if let Some(Kind::File(index)) = found.remove("tensor-cache-b16.json") {
        TensorCache::parse(&index).expect("our own index");
    }
    let index = TensorCache::parse(&index).expect("our own index");
    assert_eq!(index.shards.len(), summary.shards);
    assert_eq!(index.weight_bytes(), summary.weight_bytes.0);
    let tensors: usize = index.shards.iter().map(|shard| shard.records.len()).sum();
    assert_eq!(tensors as u64, summary.tensors);
    for shard in &index.shards {
        let Some(Kind::File(bytes)) = found.remove(shard.path.as_str()) else {
            panic!("no {}", shard.path)
        };
        assert_eq!(bytes.len() as u64, shard.nbytes);
    }
    assert_eq!(found, Tree::new(), "and nothing else");
    assert!(summary.bits_per_parameter.is_finite() && summary.bits_per_parameter > 0.0);
}
