use camino::{Utf8Path, Utf8PathBuf};
use mlc_package::convert::chat::{self, ChatRequest};
use mlc_package::convert::template_names;
use mlc_package::model::Overrides;

use crate::{DATA, Scene};

/// The directories of all cases: `<architecture>/<case>`.
fn cases() -> Vec<Utf8PathBuf> {
    let dirs = |path: &Utf8Path| -> Vec<Utf8PathBuf> {
        let entries = fs_err::read_dir(path).unwrap();
        let paths = entries.map(|entry| Utf8PathBuf::from_path_buf(entry.unwrap().path()).unwrap());
        paths.filter(|path| path.is_dir()).collect()
    };
    let mut cases: Vec<_> = dirs(Utf8Path::new(DATA)).iter().flat_map(|dir| dirs(dir)).collect();
    cases.sort();
    cases
}

/// The value of `--name` among upstream's arguments.
fn argument<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == name)?;
    Some(&arguments[at + 1])
}

fn overrides(arguments: &[String]) -> Overrides {
    let number = |name: &str| argument(arguments, name).map(|value| value.parse().unwrap());
    Overrides {
        context_window_size: number("--context-window-size"),
        sliding_window_size: number("--sliding-window-size"),
        prefill_chunk_size: number("--prefill-chunk-size"),
        attention_sink_size: number("--attention-sink-size"),
        max_batch_size: number("--max-batch-size"),
        tensor_parallel_shards: number("--tensor-parallel-shards"),
        pipeline_parallel_stages: number("--pipeline-parallel-stages"),
        disaggregation: argument(arguments, "--disaggregation").map(|value| value == "True"),
        opt: None,
    }
}

#[test]
fn every_config_is_upstreams_byte_for_byte() {
    let cases = cases();
    let mut wrong = Vec::new();
    for case in &cases {
        let text = fs_err::read(case.join("arguments.json")).unwrap();
        let arguments: Vec<String> = serde_json::from_slice(&text).unwrap();
        let out = tempfile::tempdir().unwrap();
        let out = Utf8Path::from_path(out.path()).unwrap();
        let summary = chat::write(&ChatRequest {
            checkpoint: &case.join("model"),
            model_type: None,
            quantization: argument(&arguments, "--quantization").unwrap(),
            conv_template: argument(&arguments, "--conv-template").unwrap(),
            overrides: &overrides(&arguments),
            output: out,
        })
        .unwrap_or_else(|error| panic!("{case}: {error}"));
        let expected = fs_err::read_to_string(case.join("expected.json")).unwrap();
        let written = fs_err::read_to_string(out.join("mlc-chat-config.json")).unwrap();
        if written != expected {
            let differs = expected.lines().zip(written.lines()).find(|(a, b)| a != b);
            wrong.push(format!("{case}: {differs:?}"));
        }
        for name in &summary.tokenizer_files {
            let copied = fs_err::read(out.join(name)).unwrap();
            assert_eq!(copied, fs_err::read(case.join("model").join(name)).unwrap(), "{case}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Those of other forms are in tests/data/conversions and model::config_class.
    for architecture in ["gemma", "gemma2", "gemma3_text", "gpt_neox", "llama", "mistral", "olmo"]
        .into_iter()
        .chain(["phi3", "qwen2", "qwen3", "stablelm"])
    {
        let covered = cases.iter().any(|case| case.parent().unwrap().ends_with(architecture));
        assert!(covered, "{architecture} has no case");
    }
}

#[test]
fn overrides_the_architecture_lacks_are_said() {
    let mut scene = Scene::of("qwen2/instruct");
    scene.overrides.pipeline_parallel_stages = Some(2);
    let summary = scene.convert().unwrap();
    assert_eq!(
        summary.warnings,
        ["the override `pipeline_parallel_stages` is left out: qwen2 has no such field"]
    );
    assert_eq!(scene.written()["pipeline_parallel_stages"], 1);
}

#[test]
fn every_template_can_be_written() {
    let mut scene = Scene::of("llama/explicit");
    for name in template_names() {
        scene.template = name;
        scene.convert().unwrap();
        assert_eq!(scene.written()["conv_template"]["name"], name);
    }
}
