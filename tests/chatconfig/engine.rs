//! Who converts, and Python doing it: a stand-in for `mlc_llm` with the arguments of the real one.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use mlc_package::convert::chat::ChatRequest;
use mlc_package::convert::engine::{Choice, Engine, MlcEngine, WeightRequest, Wish, choose};
use mlc_package::convert::{ConvertError, EngineFailure};
use mlc_package::io::process::{Cancel, Variables, find_program};
use mlc_package::model::Overrides;
use serde_json::json;

use crate::Scene;

const SITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/compiler");

fn choice(scene: &Scene, asked: Engine, quantization: &str, lora: bool) -> String {
    let wish = Wish { checkpoint: &scene.model(), quantization, lora };
    match choose(asked, &wish) {
        Ok(choice) => choice.to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn auto_says_what_it_takes_and_why() {
    let scene = Scene::of("llama/llama-3.2");
    scene.write("model.safetensors", "");
    scene.write("training_args.bin", "");
    let auto = || choice(&scene, Engine::Auto, "q4f16_1", false);
    assert_eq!(auto(), "native: nothing needs Python");
    assert_eq!(choice(&scene, Engine::Native, "q4f16_1", false), "native: --engine says so");
    assert_eq!(
        choice(&scene, Engine::Mlc, "q4f16_1", false),
        "python -m mlc_llm: --engine says so"
    );
    assert_eq!(
        choice(&scene, Engine::Auto, "q4f16_autoawq", false),
        "python -m mlc_llm: the quantization `q4f16_autoawq` is done by MLC LLM alone"
    );
    assert_eq!(
        choice(&scene, Engine::Auto, "q4f16_1", true),
        "python -m mlc_llm: a LoRA adapter is to be merged"
    );
    scene.remove("model.safetensors");
    assert_eq!(auto(), "python -m mlc_llm: the weights are not in safetensors files");
    scene.edit("config.json", |config| config["tensor_parallel_shards"] = 2.into());
    assert_eq!(auto(), "python -m mlc_llm: the weights are to be cut for 2 GPUs beforehand");
    scene.edit("config.json", |config| {
        config["quantization_config"] = json!({"quant_method": "awq"});
    });
    assert_eq!(auto(), "python -m mlc_llm: the checkpoint is quantized already (awq)");
    scene.edit("config.json", |config| config["model_type"] = "mixtral".into());
    assert_eq!(
        auto(),
        "python -m mlc_llm: the architecture `mixtral` is converted by MLC LLM alone"
    );
    assert_eq!(
        choice(&scene, Engine::Native, "q4f16_1", false),
        "--engine native: the architecture `mixtral` is converted by MLC LLM alone"
    );
    scene.remove("config.json");
    assert!(auto().ends_with("has no config.json"));
    assert!("python".parse::<Engine>().is_err());
}

#[test]
fn a_slow_tokenizer_is_a_reason_but_no_hindrance() {
    let scene = Scene::of("llama/only-slow");
    assert_eq!(
        choice(&scene, Engine::Auto, "q4f16_1", false),
        "python -m mlc_llm: tokenizer.model has to be converted to tokenizer.json"
    );
    assert_eq!(choice(&scene, Engine::Native, "q4f16_1", false), "native: --engine says so");
}

#[test]
fn a_choice_is_data() {
    let scene = Scene::of("llama/llama-3.2");
    let wish = Wish { checkpoint: &scene.model(), quantization: "q4f16_ft", lora: false };
    let choice: Choice = choose(Engine::Auto, &wish).unwrap();
    assert_eq!(
        serde_json::to_value(choice).unwrap(),
        json!({"engine": "mlc", "why": {"reason": "quantization", "quantization": "q4f16_ft"}})
    );
}

/// Python with the stand-in.
struct Python<'a> {
    scene: &'a Scene,
    python: Utf8PathBuf,
    variables: Variables,
    cancel: Cancel,
}

impl<'a> Python<'a> {
    fn new(scene: &'a Scene, behaviour: &str) -> Self {
        fs_err::create_dir_all(scene.root.join("scratch")).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let python = find_program("python3", Some(&path), Utf8Path::new("/")).unwrap();
        let variables = [
            ("PATH", path.to_str().unwrap()),
            ("PYTHONPATH", SITE),
            ("PYTHONDONTWRITEBYTECODE", "1"),
            ("STAND_IN", behaviour),
        ];
        let variables = variables.map(|(name, value)| (name.into(), value.into())).into();
        Self { scene, python, variables, cancel: Cancel::default() }
    }

    fn run<T>(
        &self,
        limit: Duration,
        act: impl FnOnce(&MlcEngine<'_>) -> Result<T, ConvertError>,
    ) -> Result<T, ConvertError> {
        act(&MlcEngine {
            python: &self.python,
            variables: &self.variables,
            scratch: &self.scene.root.join("scratch"),
            log: &self.scene.root.join("log"),
            limit,
            cancel: &self.cancel,
        })
    }

    fn convert_weight(&self, limit: Duration) -> Result<(), ConvertError> {
        self.run(limit, |engine| {
            engine.convert_weight(&WeightRequest {
                checkpoint: &self.scene.model(),
                quantization: "q4f16_autoawq",
                model_type: None,
                device: Some("cpu"),
                source: None,
                source_format: Some("awq"),
                lora_adapter: Some(&self.scene.root),
                output: &self.scene.root.join("out"),
            })
        })
    }
}

const LONG: Duration = Duration::from_secs(120);

#[test]
fn python_gets_upstreams_arguments() {
    let scene = Scene::of("llama/llama-3.2");
    let python = Python::new(&scene, "");
    let overrides = Overrides {
        context_window_size: Some(2048),
        sliding_window_size: Some(-1),
        disaggregation: Some(false),
        ..Overrides::default()
    };
    let (checkpoint, output) = (scene.model(), scene.root.join("out"));
    let request = ChatRequest {
        checkpoint: &checkpoint,
        quantization: "q4f16_ft",
        conv_template: "rwkv_world",
        overrides: &overrides,
        output: &output,
    };
    let summary = python.run(LONG, |engine| engine.gen_config(&request)).unwrap();
    assert_eq!((summary.context_window_size, summary.vocab_size), (2048, 512));
    assert_eq!(summary.tokenizer_files, ["tokenizer.model", "tokenizer.json"]);
    let given = scene.written()["given"].clone();
    assert_eq!(given["conv_template"], "rwkv_world");
    assert_eq!(given["sliding_window_size"], -1);
    assert_eq!((&given["disaggregation"], &given["max_batch_size"]), (&json!(null), &json!(null)));
    assert_eq!(given["directory"], json!([]));

    python.convert_weight(LONG).unwrap();
    let text = fs_err::read(output.join("tensor-cache.json")).unwrap();
    let given: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(
        (&given["device"], &given["source"], &given["source_format"]),
        (&json!("cpu"), &json!("auto"), &json!("awq"))
    );
    assert_eq!(given["lora_adapter"], scene.root.as_str());
    let log = fs_err::read_to_string(scene.root.join("log")).unwrap();
    assert_eq!(log, "convert_weight with q4f16_autoawq\n");
}

#[test]
fn whatever_python_does_instead_is_said() {
    let scene = Scene::of("llama/llama-3.2");
    let error = Python::new(&scene, "exit-1").convert_weight(LONG).unwrap_err();
    assert_eq!(error.to_string(), "`mlc_llm convert_weight` failed: it exited with code 1");
    let failed = error.python().unwrap();
    assert_eq!(failed.last_lines.last().unwrap(), "KeyError: 'hidden_size'");
    assert!(failed.log.is_file());

    let error = Python::new(&scene, "no-output").convert_weight(LONG).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`mlc_llm convert_weight` failed: it reported success but wrote no tensor-cache.json"
    );

    let hangs = Python::new(&scene, "hang");
    let error = hangs.convert_weight(Duration::from_millis(1)).unwrap_err();
    assert!(matches!(error.python().unwrap().failure, EngineFailure::TimedOut(_)), "{error}");
    hangs.cancel.cancel();
    assert!(hangs.convert_weight(LONG).unwrap_err().is_interrupted());

    let mut absent = Python::new(&scene, "");
    absent.python = "/nonexistent/python3".into();
    let error = absent.convert_weight(LONG).unwrap_err();
    assert!(error.to_string().contains("Python did not start: "), "{error}");
}
