use serde_json::{Value, json};

use crate::Scene;
use mlc_package::exit::Exit;
use mlc_package::stage_error::StageError as _;

#[test]
fn a_config_that_cannot_be_used_is_named() {
    let scene = Scene::of("llama/llama-3.2");
    scene.write("config.json", "{\"model_type\": ");
    let (message, _) = scene.refused();
    assert!(message.starts_with("`/model/config.json`: it is not valid JSON: EOF"), "{message}");

    scene.write("config.json", "[]");
    assert_eq!(scene.refused().0, "`/model/config.json`: it is not a JSON object");

    scene.write("config.json", r#"{"hidden_size": 64}"#);
    let (message, help) = scene.refused();
    assert_eq!(message, "`/model/config.json` has no `model_type`");
    assert!(help.contains("--model-type llama"), "{help}");

    // Deep nesting is refused, not followed to the end of the stack.
    scene.write("config.json", "{\"a\":".repeat(100_000));
    assert!(scene.refused().0.contains("recursion limit"));

    scene.remove("config.json");
    assert_eq!(scene.refused().0, "`/model` has no config.json");
    assert!(!scene.root.join("out/mlc-chat-config.json").exists());
}

#[test]
fn a_huge_config_is_not_read() {
    let scene = Scene::of("llama/llama-3.2");
    let file = fs_err::File::create(scene.model().join("config.json")).unwrap();
    file.set_len(1 << 40).unwrap();
    assert_eq!(scene.refused().0, "`/model/config.json` is larger than 16.0 MiB");
}

#[test]
fn an_unknown_architecture_gets_the_list() {
    let scene = Scene::of("llama/llama-3.2");
    scene.edit("config.json", |config| config["model_type"] = "llava".into());
    let (message, help) = scene.refused();
    assert_eq!(
        message,
        "`/model/config.json`: mlc-package does not convert the `model_type` \"llava\""
    );
    assert_eq!(
        help,
        "mlc-package converts baichuan, bert, bert-bge, chatglm, cohere, deepseek, deepseek_v2, \
         deepseek_v3, gemma, gemma2, gemma3, gemma3_text, gpt2, gpt_bigcode, gpt_neox, \
         internlm, internlm2, llama, llama4, minicpm, ministral3, mistral, mixtral, nemotron, \
         olmo, olmo2, orion, phi, phi-msft, phi3, phi3_v, qwen, qwen2, qwen2_moe, qwen3, \
         qwen3-embedding, qwen3_5, qwen3_5_text, qwen3_moe, rwkv5, rwkv6, stablelm, starcoder2; \
         for one that only your MLC LLM has, use --engine mlc"
    );
}

#[test]
fn a_misspelt_template_is_guessed() {
    let mut scene = Scene::of("llama/llama-3.2");
    scene.template = "llama3.1";
    let error = scene.convert().unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    let (message, help) = scene.refused();
    assert_eq!(message, "there is no conversation template `llama3.1`");
    assert!(help.starts_with("did you mean `llama-3_1`? templates: LM, aya-23, "), "{help}");
}

#[test]
fn fields_that_do_not_go_together_are_named() {
    for (case, field, value, why) in [
        (
            "llama/llama-3.2",
            "num_key_value_heads",
            json!(3),
            "`num_attention_heads` 8 is not a multiple of `num_key_value_heads` 3",
        ),
        ("llama/llama-3.2", "num_attention_heads", json!(0), "`num_attention_heads` is 0"),
        (
            "llama/llama-3.2",
            "max_position_embeddings",
            json!("many"),
            "`max_position_embeddings` is \"many\", and a whole number above 0 is needed",
        ),
        ("llama/llama-3.2", "vocab_size", json!(-1), "`vocab_size` is -1"),
        ("llama/llama-3.2", "vocab_size", json!(null), "`vocab_size` is null, not a whole number"),
        (
            "llama/llama-3.2",
            "rope_scaling",
            json!({"rope_type": "yarn"}),
            "`rope_scaling` is of the kind `yarn`, which MLC LLM does not compute for llama: it would \
             leave the scaling out, and the model would answer worse the longer the text",
        ),
        (
            "qwen2/instruct",
            "hidden_size",
            json!(65),
            "`num_attention_heads` 4 times `head_dim` 16 is not `hidden_size` 65",
        ),
        (
            "qwen2/instruct",
            "head_dim",
            json!(i64::MAX),
            "`num_attention_heads` 4 times `head_dim` 9223372036854775807 is not `hidden_size` 64",
        ),
        (
            "qwen3/base",
            "quantization_config",
            json!({"quant_method": "awq"}),
            "`quantization_config` is not FP8 (e4m3) with dynamic activations and blocks of two sizes, \
             the only one that MLC LLM takes; if the weights are not quantized, remove it",
        ),
        (
            "gemma/it",
            "hidden_act",
            json!("silu"),
            "`hidden_activation` is neither `gelu` nor `gelu_pytorch_tanh`",
        ),
        (
            "gemma3_text/it",
            "sliding_window",
            json!(null),
            "it has no `sliding_window`, which MLC LLM's gemma3_text needs",
        ),
        (
            "phi3/mini-128k",
            "rope_scaling",
            json!({"type": "linear"}),
            "`rope_scaling` is of the kind `linear`, which MLC LLM does not compute for phi3: it \
             would leave the scaling out, and the model would answer worse the longer the text",
        ),
        ("olmo/base", "clip_qkv", json!(0), "`clip_qkv` is not a number above 0"),
    ] {
        let scene = Scene::of(case);
        scene.edit("config.json", |config| config[field] = value);
        assert_eq!(scene.refused().0, format!("`/model/config.json`: {why}"), "{case} {field}");
    }
    let scene = Scene::of("stablelm/3b");
    scene.edit("config.json", |config| drop(config.as_object_mut().unwrap().remove("rope_theta")));
    assert_eq!(scene.refused().0, "`/model/config.json`: it has no `rope_theta`");
}

#[test]
fn an_override_that_cannot_be_is_refused() {
    let mut scene = Scene::of("llama/llama-3.2");
    scene.overrides.pipeline_parallel_stages = Some(3);
    assert_eq!(
        scene.refused().0,
        "`/model/config.json`: `pipeline_parallel_stages` is 3, and there are 2 layers"
    );
}

#[test]
fn a_tokenizer_that_cannot_be_used_is_named() {
    let scene = Scene::of("llama/llama-3.2");
    let path = "`/model/tokenizer.json`";
    scene.write("tokenizer.json", "garbage");
    let (message, _) = scene.refused();
    assert!(message.starts_with(&format!("{path}: it is not a tokenizer: ")), "{message}");

    scene.write("tokenizer.json", "{}");
    assert!(scene.refused().0.contains("missing field `model`"));

    scene.write("tokenizer.json", r#"{"model": {"vocab": 4294967296}}"#);
    assert!(scene.refused().0.contains("expected a vocabulary: an object, or a list of pairs"));

    for (part, why) in [
        (r#""decoder": {}"#, "its decoder has a step without a `type`"),
        (r#""decoder": {"type": "Sequence"}"#, "its decoder is a sequence without `decoders`"),
        (r#""normalizer": {"type": 1}"#, "its normalizer has a step without a `type`"),
        (
            r#""added_tokens": [{"content": "<x>"}, {"content": "<y>"}, {"content": "<x>"}]"#,
            "`added_tokens` has `<x>` more than once: remove one",
        ),
    ] {
        scene.write("tokenizer.json", format!(r#"{{"model": {{"vocab": {{}}}}, {part}}}"#));
        assert_eq!(scene.refused().0, format!("{path}: {why}"));
    }

    let decoder = "[".to_owned() + &"0,".repeat(3 << 20) + "0]";
    scene.write(
        "tokenizer.json",
        format!(r#"{{"model": {{"vocab": {{}}}}, "decoder": {decoder}}}"#),
    );
    assert_eq!(scene.refused().0, format!("{path}: its decoder is larger than 4.0 MiB"));

    let mut vocab = String::from(r#"{"model": {"vocab": {"x": 0"#);
    for token in 0..(2 << 20) {
        vocab += &format!(",\"{token}\":0");
    }
    scene.write("tokenizer.json", vocab + "}}}");
    let (message, _) = scene.refused();
    assert!(message.contains("its vocabulary has more than 2,097,152 tokens"), "{message}");

    let file = fs_err::File::create(scene.model().join("tokenizer.json")).unwrap();
    file.set_len(4 << 30).unwrap();
    assert_eq!(scene.refused().0, format!("{path} is larger than 128.0 MiB"));
    assert!(!scene.root.join("out/mlc-chat-config.json").exists());
}

#[test]
fn files_beside_the_tokenizer_may_be_absent_or_say_nothing() {
    let scene = Scene::of("llama/llama-3.2");
    scene.remove("generation_config.json");
    scene.write("tokenizer_config.json", "{}");
    let summary = scene.convert().unwrap();
    assert_eq!((summary.active_vocab_size, summary.vocab_size), (13, 512));
    assert_eq!(summary.warnings, [""; 0]);
    assert_eq!(scene.written()["temperature"], 1.0);
    scene.write("tokenizer_config.json", "[1, 2]");
    assert_eq!(scene.refused().0, "`/model/tokenizer_config.json`: it is not a JSON object");
}

#[test]
fn more_tokens_than_the_model_has_are_said() {
    let scene = Scene::of("llama/llama-3.2");
    scene.edit("config.json", |config| config["vocab_size"] = 12.into());
    let summary = scene.convert().unwrap();
    let beyond = |ids: &str, size: &str| {
        format!(
            "tokenizer.json has {ids} beyond the model's {size}: a text with one of them makes the \
             app read past the end of its embedding"
        )
    };
    assert_eq!(summary.warnings, [beyond("the token id 12", "12")]);
    assert_eq!(scene.written()["active_vocab_size"], 13);
    scene.edit("config.json", |config| config["vocab_size"] = 10.into());
    assert_eq!(scene.convert().unwrap().warnings, [beyond("3 token ids, 10 to 12,", "10")]);
    // Few tokens may have high numbers.
    scene.edit("config.json", |config| config["vocab_size"] = 100.into());
    scene.edit("tokenizer.json", |tokenizer| {
        let added = tokenizer["added_tokens"].as_array_mut().unwrap();
        added.push(json!({"id": 128_009, "content": "<|far|>", "special": true}));
        added.push(json!({"id": "not a number", "content": "<|odd|>", "special": true}));
    });
    assert_eq!(scene.convert().unwrap().warnings, [beyond("the token id 128009", "100")]);
}

#[test]
fn a_tokenizer_that_python_would_convert_is_said() {
    let scene = Scene::of("llama/only-slow");
    let summary = scene.convert().unwrap();
    assert!(summary.warnings[0].starts_with("the checkpoint has tokenizer.model but no"));
    scene.remove("tokenizer.model");
    let summary = scene.convert().unwrap();
    assert_eq!(summary.warnings, ["the checkpoint has no tokenizer.json: the app will need one"]);
}

/// `transformers` 5 writes the rotary embedding's base and scaling in one object.
#[test]
fn rope_parameters_give_what_the_older_fields_gave() {
    for model in ["llama/llama-3.2", "mistral/v0.3", "qwen3/base", "stablelm/3b"] {
        let scene = Scene::of(model);
        scene.convert().unwrap();
        let expected = scene.written();
        scene.edit("config.json", |config| {
            let config = config.as_object_mut().unwrap();
            let theta = config.remove("rope_theta").unwrap_or_else(|| 10_000.into());
            let mut parameters = match config.remove("rope_scaling") {
                Some(Value::Object(scaling)) => scaling,
                _ => match json!({"rope_type": "default"}) {
                    Value::Object(none) => none,
                    _ => unreachable!(),
                },
            };
            parameters.insert("rope_theta".into(), theta);
            config.insert("rope_parameters".into(), parameters.into());
        });
        let summary = scene.convert().unwrap();
        assert!(summary.warnings.iter().any(|warning| warning.contains("`rope_parameters`")));
        let (written, expected) = (scene.written(), expected);
        for field in ["position_embedding_base", "rope_theta"] {
            let (now, was) = (&written["model_config"][field], &expected["model_config"][field]);
            assert_eq!(now, was, "{model} {field}");
        }
        let factor = |config: &Value| config["model_config"]["rope_scaling"]["factor"].clone();
        assert_eq!(factor(&written), factor(&expected), "{model}");
    }
}

#[test]
fn null_is_as_if_the_field_were_not_there() {
    let scene = Scene::of("llama/llama-3.2");
    scene.edit("config.json", |config| {
        let config = config.as_object_mut().unwrap();
        config.remove("head_dim");
        config.remove("num_key_value_heads");
    });
    scene.convert().unwrap();
    let expected = scene.written();
    scene.edit("config.json", |config| {
        config["head_dim"] = Value::Null;
        config["num_key_value_heads"] = Value::Null;
    });
    scene.convert().unwrap();
    assert_eq!(scene.written(), expected);
}

#[test]
fn what_the_architecture_does_not_compute_is_refused_by_its_field() {
    for (field, value) in [
        ("hidden_act", json!("gelu")),
        ("attention_bias", json!(true)),
        ("mlp_bias", json!(true)),
        ("rope_scaling", json!({"type": "dynamic", "factor": 2.0})),
    ] {
        let scene = Scene::of("llama/llama-3.2");
        scene.edit("config.json", |config| config[field] = value);
        let (message, _) = scene.refused();
        assert!(message.contains(&format!("`{field}` is ")), "{message}");
    }
}

/// Written by MLC LLM's own `gen_config` with `transformers` 5.24: one token more than the files
/// name, since the class names it.
#[test]
fn tokens_that_only_the_class_names_are_counted() {
    let scene = Scene::of("llama/llama-3.2");
    let tokens = |class: Option<&str>, model_type: &str| {
        scene.edit("config.json", |config| {
            config["model_type"] = model_type.into();
            config["hidden_act"] = "silu".into();
        });
        scene.edit("tokenizer_config.json", |config| {
            let config = config.as_object_mut().unwrap();
            match class {
                Some(class) => config.insert("tokenizer_class".into(), class.into()),
                None => config.remove("tokenizer_class"),
            };
        });
        scene.convert().unwrap().active_vocab_size
    };
    let plain = tokens(Some("PreTrainedTokenizerFast"), "llama");
    assert_eq!(tokens(None, "llama"), plain);
    assert_eq!(tokens(Some("GPT2Tokenizer"), "llama"), plain + 1);
    assert_eq!(tokens(Some("GPTNeoXTokenizerFast"), "llama"), plain + 2);
}

/// Whatever the fields of a config are, the answer is a config or an error.
mod any_config {
    use mlc_package::convert::chat::{self, ChatRequest};
    use mlc_package::model::Overrides;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::Scene;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(|int| json!(int)),
            (-2i64..130).prop_map(|int| json!(int)),
            any::<f64>().prop_map(|float| json!(float)),
            Just(Value::Null),
            any::<bool>().prop_map(|truth| json!(truth)),
            ".{0,8}".prop_map(|text| json!(text)),
            Just(json!({"type": "su"})),
            Just(json!({"rope_type": "llama3", "type": []})),
            Just(json!([1, 2])),
        ]
    }

    fn override_() -> impl Strategy<Value = Option<i64>> {
        prop_oneof![Just(None), (-2i64..5000).prop_map(Some), any::<i64>().prop_map(Some)]
    }

    proptest! {
        #[test]
        fn is_written_or_refused(
            case in prop::sample::select(vec![
                "llama/llama-3.2", "mistral/v0.1", "qwen2/overrides", "qwen3/fp8", "gemma2/it",
                "gemma3_text/nested", "phi3/mini-128k", "gpt_neox/theta", "stablelm/3b", "olmo/clip",
            ]),
            changes in prop::collection::vec((any::<prop::sample::Index>(), value()), 1..4),
            context in override_(),
            prefill in override_(),
        ) {
            let scene = Scene::of(case);
            scene.edit("config.json", |config| {
                let fields = config.as_object_mut().unwrap();
                let names: Vec<_> = fields.keys().filter(|name| *name != "model_type").cloned().collect();
                for (index, value) in changes {
                    fields[index.get(&names)] = value;
                }
            });
            let overrides = Overrides {
                context_window_size: context,
                prefill_chunk_size: prefill,
                ..Overrides::default()
            };
            let written = chat::write(&ChatRequest {
                checkpoint: &scene.model(),
                model_type: None,
                quantization: "q4f16_1",
                conv_template: "LM",
                overrides: &overrides,
                output: &scene.root.join("out"),
            });
            match written {
                Ok(summary) => {
                    let config = scene.written();
                    prop_assert_eq!(&config["context_window_size"], &json!(summary.context_window_size));
                    prop_assert_eq!(&config["vocab_size"], &json!(summary.vocab_size));
                    prop_assert!(summary.vocab_size > 0);
                }
                Err(error) => prop_assert!(error.to_string().contains("config.json")),
            }
        }
    }
}
