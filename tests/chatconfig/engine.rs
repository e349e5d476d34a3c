//! Who converts, and Python doing it: a stand-in for `mlc_llm` with the arguments of the real one.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use mlc_package::convert::chat::{ChatRequest, ChatSummary};
use mlc_package::convert::engine::{
    Choice, Engine, MlcArguments, MlcEngine, WeightRequest, Wish, choose,
};
use mlc_package::convert::{ConvertError, EngineFailure};
use mlc_package::io::process::{Cancel, Variables, find_program};
use mlc_package::model::Overrides;
use mlc_package::stage_error::StageError as _;
use mlc_package::toolchain::{Interpreter, Mounts};
use serde_json::{Value, json};

use crate::Scene;

const SITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/compiler");

fn choice(scene: &Scene, asked: Engine, quantization: &str) -> String {
    told(scene, asked, quantization, &MlcArguments::default(), None)
}

fn told(
    scene: &Scene,
    asked: Engine,
    quantization: &str,
    arguments: &MlcArguments,
    presharded: Option<&str>,
) -> String {
    let checkpoint = &scene.model();
    let entries = fs_err::read_dir(checkpoint).unwrap();
    let names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let files = &names.iter().map(String::as_str).collect::<Vec<_>>();
    match choose(asked, &Wish { checkpoint, files, quantization, arguments, presharded }) {
        Ok(choice) => choice.to_string(),
        Err(error) => format!("{error}; {}", error.help().unwrap_or_default()),
    }
}

#[test]
fn auto_says_what_it_takes_and_why() {
    let scene = Scene::of("llama/llama-3.2");
    scene.write("model.safetensors", "");
    scene.write("training_args.bin", "");
    let auto = || choice(&scene, Engine::Auto, "q4f16_1");
    assert_eq!(auto(), "native: nothing needs Python");
    assert_eq!(choice(&scene, Engine::Native, "q4f16_1"), "native: --engine says so");
    assert_eq!(choice(&scene, Engine::Mlc, "q4f16_1"), "python -m mlc_llm: --engine says so");
    assert_eq!(
        choice(&scene, Engine::Auto, "q4f16_autoawq"),
        "python -m mlc_llm: the quantization `q4f16_autoawq` is done by MLC LLM alone: its weights \
         are those that AWQ has quantized"
    );
    let unknown = choice(&scene, Engine::Auto, "q4f16_awq");
    let said = "there is no quantization `q4f16_awq`; did you mean `q4f16_autoawq`? MLC LLM has ";
    assert!(unknown.starts_with(said), "{unknown}");
    // A later MLC LLM may know more.
    assert_eq!(choice(&scene, Engine::Mlc, "q5"), "python -m mlc_llm: --engine says so");
    scene.remove("model.safetensors");
    scene.write("pytorch_model.bin", "");
    assert_eq!(auto(), "native: nothing needs Python");
    scene.remove("pytorch_model.bin");
    scene.write("model.pth", "");
    // Nor does MLC LLM read it: the conversion says what is there.
    assert_eq!(auto(), "native: nothing needs Python");
    scene.edit("config.json", |config| config["tensor_parallel_shards"] = 2.into());
    assert_eq!(auto(), "python -m mlc_llm: the weights are to be cut for 2 GPUs beforehand");
    scene.edit("config.json", |config| config["model_type"] = "llava".into());
    let why = "the architecture `llava` is converted by MLC LLM alone: its text model";
    assert!(auto().starts_with(&format!("python -m mlc_llm: {why}")), "{}", auto());
    let refused = choice(&scene, Engine::Native, "q4f16_1");
    let said = "--engine native: the architecture `llava` is converted by MLC LLM alone";
    assert!(refused.starts_with(said), "{refused}");
    scene.remove("config.json");
    assert!(auto().contains("has no config.json"));
    assert!("python".parse::<Engine>().is_err());
}

#[test]
fn what_only_mlc_llm_heeds_is_its_own() {
    let scene = Scene::of("llama/llama-3.2");
    scene.write("model.safetensors", "");
    let text = || Some("x".to_owned());
    let none = MlcArguments::default;
    for (arguments, presharded, why) in [
        (MlcArguments { lora_adapter: Some("x".into()), ..none() }, None, "a LoRA adapter is to"),
        (MlcArguments { model_type: text(), ..none() }, None, "mlc-package does not know the"),
        (MlcArguments { device: text(), ..none() }, None, "--device is for MLC LLM's own"),
        (MlcArguments { source: Some("x".into()), ..none() }, None, "--source is for MLC"),
        (MlcArguments { source_format: text(), ..none() }, None, "--source-format is for MLC"),
        (none(), Some("2"), "the weights are to be cut beforehand: MLC_INTERNAL_PRESHARD_NUM is 2"),
    ] {
        let told = |asked| told(&scene, asked, "q4f16_1", &arguments, presharded);
        assert!(told(Engine::Auto).starts_with(&format!("python -m mlc_llm: {why}")), "{why}");
        assert!(told(Engine::Native).starts_with(&format!("--engine native: {why}")), "{why}");
    }
}

#[test]
fn a_slow_tokenizer_is_a_reason_but_no_hindrance() {
    let scene = Scene::of("llama/only-slow");
    assert_eq!(
        choice(&scene, Engine::Auto, "q4f16_1"),
        "python -m mlc_llm: tokenizer.model has to be converted to tokenizer.json"
    );
    assert_eq!(choice(&scene, Engine::Native, "q4f16_1"), "native: --engine says so");
}

#[test]
fn a_choice_is_data() {
    let scene = Scene::of("llama/llama-3.2");
    let wish = Wish {
        checkpoint: &scene.model(),
        files: &[],
        quantization: "q4f16_ft",
        arguments: &MlcArguments::default(),
        presharded: None,
    };
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
        scene.write("model.safetensors", "weights");
        // The adapter is the scene's root.
        fs_err::write(scene.root.join("adapter_config.json"), "{}").unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let python = find_program("python3", Some(&path), Utf8Path::new("/")).unwrap();
        let conversions = scene.root.join("conversions");
        let variables = [
            ("PATH", path.to_str().unwrap()),
            ("PYTHONPATH", SITE),
            ("PYTHONDONTWRITEBYTECODE", "1"),
            ("STAND_IN", behaviour),
            ("STAND_IN_CONVERSIONS", conversions.as_str()),
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
            python: &Interpreter::Here(self.python.clone()),
            mounts: &Mounts::default(),
            online: true,
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
                source: Some(&self.scene.model().join("model.safetensors")),
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
        model_type: None,
        quantization: "q4f16_ft",
        conv_template: "rwkv_world",
        overrides: &overrides,
        output: &output,
    };
    python.run(LONG, |engine| engine.gen_config(&request, Some("mistral"))).unwrap();
    let summary = ChatSummary::of(&output, "rwkv_world").unwrap();
    assert_eq!(summary.model_type, "mistral");
    assert_eq!((summary.context_window_size, summary.vocab_size), (2048, 512));
    assert_eq!(summary.tokenizer_files, ["tokenizer.json", "tokenizer_config.json"]);
    let given = scene.written()["given"].clone();
    assert_eq!(given["conv_template"], "rwkv_world");
    assert_eq!(given["sliding_window_size"], -1);
    assert_eq!((&given["disaggregation"], &given["max_batch_size"]), (&json!(null), &json!(null)));
    assert_eq!(given["directory"], json!([]));

    python.convert_weight(LONG).unwrap();
    let text = fs_err::read(output.join("tensor-cache.json")).unwrap();
    let given: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let given = &given["given"];
    assert_eq!(
        (&given["device"], &given["source"], &given["source_format"]),
        (&json!("cpu"), &Value::Null, &json!("awq"))
    );
    let log = fs_err::read_to_string(scene.root.join("conversions")).unwrap();
    let call: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(call["lora_adapter"], scene.root.as_str());
    assert_eq!(call["source"], scene.model().join("model.safetensors").as_str());
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
    assert!(failed.log.as_ref().unwrap().is_file());

    let error = Python::new(&scene, "no-output").convert_weight(LONG).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`mlc_llm convert_weight` failed: it reported success but wrote no tensor-cache.json"
    );

    let error = Python::new(&scene, "half").convert_weight(LONG).unwrap_err();
    let said = "success, but params_shard_0.bin has 32791 bytes instead of 32800";
    assert!(error.to_string().ends_with(said), "{error}");

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
