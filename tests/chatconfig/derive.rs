//! The conversation template that a checkpoint's own files tell, and what is said where they do not.

use camino::Utf8PathBuf;
use mlc_package::convert::ConvertError;
use mlc_package::convert::derive::derive;
use serde_json::{Map, Value, json};

/// A checkpoint's small files, as its family has them.
#[derive(Clone)]
struct Family {
    name: &'static str,
    config: Value,
    generation: Value,
    chat_template: &'static str,
    tokens: Vec<(u64, &'static str)>,
}

const SYSTEM: &str = "{% if messages[0]['role'] == 'system' %}{% endif %}";
const LLAMA_2: &str =
    "{{ bos_token + '[INST] <<SYS>>' + content + '<</SYS>> [/INST]' + eos_token }}";
const LLAMA_3: &str =
    "{{ '<|start_header_id|>' + role + '<|end_header_id|>' + content + '<|eot_id|>' }}";
const CHATML: &str = "{{ '<|im_start|>' + role + content + '<|im_end|>' }}";
const GEMMA: &str = "{{ '<start_of_turn>' + role + content + '<end_of_turn>' }}";
const ZEPHYR: &str = "{{ '<|system|>' '<|user|>' + content + eos_token + '<|assistant|>' }}";
const INST: &str = "{{ bos_token + '[INST] ' + content + ' [/INST]' + eos_token }}";
const PHI: &str = "{{ '<|' + role + '|>' + content + '<|end|>' + '<|assistant|>' }}";
const R1: &str = "{{ '<｜User｜>' + content + '<｜Assistant｜>' }}";

fn config(model_type: &str, more: Value) -> Value {
    let mut config = json!({"model_type": model_type, "architectures": ["SomeForCausalLM"]});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

fn family(
    name: &'static str,
    config: Value,
    eos: Value,
    chat_template: &'static str,
    tokens: &[(u64, &'static str)],
) -> Family {
    let generation = json!({"eos_token_id": eos});
    Family { name, config, generation, chat_template, tokens: tokens.to_vec() }
}

const PIECES: [(u64, &str); 3] = [(0, "<unk>"), (1, "<s>"), (2, "</s>")];
const META: [(u64, &str); 4] = [
    (128_000, "<|begin_of_text|>"),
    (128_001, "<|end_of_text|>"),
    (128_008, "<|reserved_special_token_3|>"),
    (128_009, "<|eot_id|>"),
];
const META_1: [(u64, &str); 4] = [META[0], META[1], (128_008, "<|eom_id|>"), META[3]];
const QWEN: [(u64, &str); 2] = [(151_643, "<|endoftext|>"), (151_645, "<|im_end|>")];
const SMOL: [(u64, &str); 3] = [(0, "<|endoftext|>"), (1, "<|im_start|>"), (2, "<|im_end|>")];
const GOOGLE: [(u64, &str); 4] =
    [(1, "<eos>"), (2, "<bos>"), (106, "<start_of_turn>"), (107, "<end_of_turn>")];
const GOOGLE_3: [(u64, &str); 4] =
    [(1, "<eos>"), (2, "<bos>"), (105, "<start_of_turn>"), (106, "<end_of_turn>")];

fn llama_2() -> Family {
    let config = config("llama", json!({"vocab_size": 32_000}));
    family("Llama-2-7b-chat-hf", config, json!(2), LLAMA_2, &PIECES)
}

fn llama_3_1() -> Family {
    let scaling = json!({"rope_type": "llama3", "factor": 32.0});
    let config = config("llama", json!({"vocab_size": 128_256, "rope_scaling": scaling}));
    family("Llama-3.2-1B-Instruct", config, json!([128_001, 128_008, 128_009]), LLAMA_3, &META_1)
}

fn qwen2() -> Family {
    let eos = json!([151_645, 151_643]);
    family("Qwen2.5-0.5B-Instruct", config("qwen2", json!({})), eos, CHATML, &QWEN)
}

fn gemma() -> Family {
    family("gemma-2-2b-it", config("gemma2", json!({})), json!(1), GEMMA, &GOOGLE)
}

fn mistral() -> Family {
    let config = config("mistral", json!({"vocab_size": 32_768}));
    family("Mistral-7B-Instruct-v0.3", config, json!(2), INST, &PIECES)
}

fn tiny_llama() -> Family {
    let shape = json!({
        "vocab_size": 32_000, "hidden_size": 2048, "intermediate_size": 5632,
        "num_hidden_layers": 22,
    });
    family("TinyLlama-1.1B-Chat-v1.0", config("llama", shape), json!(2), ZEPHYR, &PIECES)
}

/// The checkpoint in a directory of the family's name.
struct Scene {
    _dir: tempfile::TempDir,
    model: Utf8PathBuf,
}

impl Scene {
    fn of(family: &Family) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        let model = root.join(family.name);
        fs_err::create_dir(&model).unwrap();
        let tokens: Map<String, Value> = family
            .tokens
            .iter()
            .map(|(id, token)| (id.to_string(), json!({"content": token, "special": true})))
            .collect();
        let scene = Self { _dir: dir, model };
        let mut tokenizer = json!({"added_tokens_decoder": tokens});
        if !family.chat_template.is_empty() {
            tokenizer["chat_template"] = family.chat_template.into();
        }
        scene.write("config.json", family.config.to_string());
        scene.write("generation_config.json", family.generation.to_string());
        scene.write("tokenizer_config.json", tokenizer.to_string());
        scene
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        fs_err::write(self.model.join(name), text).unwrap();
        self
    }

    fn derive(&self) -> Result<&'static str, ConvertError> {
        derive(&self.model, None).map(mlc_package::model::ConvTemplate::as_str)
    }

    /// Why nothing is certain, and the help.
    #[track_caller]
    fn refused(&self) -> (String, String) {
        let error = self.derive().unwrap_err();
        assert!(!error.is_usage());
        (error.to_string(), error.help().unwrap_or_default())
    }
}

#[track_caller]
fn certain(family: &Family, template: &str) {
    let found = Scene::of(family).derive();
    assert_eq!(found.unwrap_or_else(|error| panic!("{}: {error}", family.name)), template);
}

#[test]
fn families_have_the_templates_that_upstream_publishes_them_with() {
    let v01 = config("mistral", json!({"vocab_size": 32_000}));
    let open = |id| vec![(id, "<|endoftext|>")];
    let table = [
        ("llama-2", llama_2()),
        ("llama-3_1", llama_3_1()),
        (
            "llama-3",
            family(
                "Meta-Llama-3-8B-Instruct",
                config("llama", json!({"vocab_size": 128_256, "rope_theta": 500_000.0})),
                json!([128_001, 128_009]),
                LLAMA_3,
                &META,
            ),
        ),
        ("tinyllama_v1_0", tiny_llama()),
        (
            "chatml",
            family(
                "SmolLM2-135M-Instruct",
                config("llama", json!({"vocab_size": 49_152})),
                json!(2),
                CHATML,
                &SMOL,
            ),
        ),
        ("mistral_default", mistral()),
        ("mistral_default", family("Mistral-7B-Instruct-v0.2", v01, json!(2), INST, &PIECES)),
        ("qwen2", qwen2()),
        (
            "qwen3",
            family(
                "Qwen3-0.6B",
                config("qwen3", json!({})),
                json!([151_645, 151_643]),
                "{{ '<|im_start|>' + role + '<think>' + '<|im_end|>' }}",
                &QWEN,
            ),
        ),
        ("gemma_instruction", gemma()),
        (
            "gemma_instruction",
            family("gemma-2b-it", config("gemma", json!({})), json!(1), GEMMA, &GOOGLE),
        ),
        (
            "gemma3_instruction",
            family(
                "gemma-3-1b-it",
                config("gemma3_text", json!({})),
                json!([1, 106]),
                GEMMA,
                &GOOGLE_3,
            ),
        ),
        (
            "phi-3",
            family(
                "Phi-3.5-mini-instruct",
                config("phi3", json!({})),
                json!([32_007, 32_001, 32_000]),
                PHI,
                &[
                    PIECES[1],
                    PIECES[2],
                    (32_000, "<|endoftext|>"),
                    (32_001, "<|assistant|>"),
                    (32_007, "<|end|>"),
                ],
            ),
        ),
        (
            "phi-4",
            family(
                "Phi-4-mini-instruct",
                config("phi3", json!({})),
                json!([200_020, 199_999]),
                PHI,
                &[(199_999, "<|endoftext|>"), (200_020, "<|end|>"), (200_022, "<|system|>")],
            ),
        ),
        (
            "stablelm-2",
            family(
                "stablelm-2-zephyr-1_6b",
                config("stablelm", json!({})),
                json!(100_257),
                ZEPHYR,
                &open(100_257),
            ),
        ),
        (
            "stablelm-3b",
            family("stablelm-zephyr-3b", config("stablelm", json!({})), json!(0), ZEPHYR, &open(0)),
        ),
        (
            "olmo",
            family(
                "OLMo-7B-Instruct-hf",
                config("olmo", json!({})),
                json!(50_279),
                ZEPHYR,
                &open(50_279),
            ),
        ),
        (
            "olmo2",
            family(
                "OLMo-2-0425-1B-Instruct",
                config("olmo2", json!({})),
                json!(100_257),
                ZEPHYR,
                &open(100_257),
            ),
        ),
        (
            "deepseek_r1_llama",
            family(
                "DeepSeek-R1-Distill-Llama-8B",
                config("llama", json!({})),
                json!(128_001),
                R1,
                &[(128_001, "<｜end▁of▁sentence｜>")],
            ),
        ),
        (
            "deepseek_r1_qwen",
            family(
                "DeepSeek-R1-Distill-Qwen-1.5B",
                config("qwen2", json!({})),
                json!(151_643),
                R1,
                &[(151_643, "<｜end▁of▁sentence｜>")],
            ),
        ),
    ];
    for (template, family) in table {
        certain(&family, template);
    }
}

#[test]
fn base_models_get_none() {
    // Without a chat template.
    for family in [llama_2(), llama_3_1(), qwen2(), gemma(), mistral(), tiny_llama()] {
        let scene = Scene::of(&Family { chat_template: "", ..family });
        let (message, help) = scene.refused();
        assert!(message.contains("it has no chat template"), "{message}");
        assert!(help.contains("LM for a base model"), "{help}");
    }
    // With that of the instructed model, which ends its answers otherwise. What the tokenizer says
    // of its end does not count: that of Qwen2.5's base models says the same.
    for (family, name, eos, said) in [
        (
            qwen2(),
            "Qwen2.5-0.5B",
            json!(151_643),
            "`<|im_end|>` (151645) ends no answer: eos_token_id is 151643",
        ),
        (qwen2(), "Qwen2.5-0.5B", Value::Null, "ends no answer: eos_token_id is not there"),
        (llama_3_1(), "Llama-3.2-1B", json!([128_001]), "`<|eot_id|>` (128009) ends"),
    ] {
        let generation = json!({"eos_token_id": eos});
        let (message, _) = Scene::of(&Family { name, generation, ..family }).refused();
        assert!(message.contains("it may be a base model"), "{message}");
        assert!(message.contains(said), "{message}");
    }
    // Where both end alike, their names tell them apart.
    for (family, name) in [
        (llama_2(), "Llama-2-7b-hf"),
        (gemma(), "gemma-2-2b"),
        (mistral(), "Mistral-7B-v0.3"),
        (tiny_llama(), "model"),
    ] {
        let (message, _) = Scene::of(&Family { name, ..family }).refused();
        assert!(message.contains("its name does not say `"), "{message}");
    }
    for name in ["Qwen3-0.6B-Base", "gemma-3-1b-pt", "Qwen3-Embedding-0.6B"] {
        let (message, _) = Scene::of(&Family { name, ..qwen2() }).refused();
        assert!(message.contains("its name has the word `"), "{message}");
    }
}

#[test]
fn what_only_resembles_a_family_is_not_taken_for_it() {
    let other = |change: fn(&mut Family)| {
        let mut family = qwen2();
        change(&mut family);
        Scene::of(&family).refused()
    };
    // Token 2 of Yi is no end of a turn.
    let yi = family(
        "Yi-6B-Chat",
        config("llama", json!({"vocab_size": 64_000})),
        json!(2),
        CHATML,
        &[(1, "<|startoftext|>"), (2, "<|endoftext|>"), (7, "<|im_end|>")],
    );
    let (message, help) = Scene::of(&yi).refused();
    assert!(
        message.contains("that of `chatml`, but token 1 is `<|startoftext|>`, not `<|im_start|>`"),
        "{message}"
    );
    assert!(help.contains("likely chatml, hermes2_pro_llama3, hermes3_llama-3_1; LM"), "{help}");
    // Code Llama.
    let mut code = llama_2();
    code.config["rope_theta"] = json!(1_000_000.0);
    let (message, help) = Scene::of(&code).refused();
    assert!(message.contains("that of `llama-2`, but rope_theta is 1000000"), "{message}");
    assert!(help.contains("likely llama-2, codellama_instruct"), "{help}");
    code.config.as_object_mut().unwrap().remove("rope_theta");
    code.config["rope_parameters"] = json!({"rope_theta": 1_000_000.0});
    assert!(Scene::of(&code).refused().0.contains("rope_theta is 1000000"));
    // Zephyr's marks, about turns of another shape.
    let mut tulu = tiny_llama();
    tulu.config["hidden_size"] = json!(4096);
    assert!(Scene::of(&tulu).refused().0.contains("hidden_size is 4096"));
    // A model that thinks before it answers.
    let thinks = "{{ '<|im_start|>assistant' + '<think>' + '<|im_end|>' }}";
    let (message, _) = Scene::of(&Family { chat_template: thinks, ..qwen2() }).refused();
    assert!(message.contains("with the marks <|im_start|> <think>, is none"), "{message}");
    // A guard.
    let guard = "{{ 'Check for unsafe content: <|start_header_id|><|end_header_id|><|eot_id|>' }}";
    let (message, _) = Scene::of(&Family { chat_template: guard, ..llama_3_1() }).refused();
    assert!(message.contains("judged, not answered"), "{message}");
    let (message, _) = other(|family| family.config["architectures"] = json!(["Qwen2Model"]));
    assert!(message.contains("`Qwen2Model` does not answer in words"), "{message}");
    let (message, _) = other(|family| family.tokens.truncate(1));
    assert!(message.contains("token 151645, `<|im_end|>`, is not among"), "{message}");
    let (message, _) = other(|family| family.chat_template = SYSTEM);
    assert!(message.contains("with no mark of turns that is known"), "{message}");
    // Families of which no checkpoint tells.
    let (message, help) = other(|family| family.config["model_type"] = json!("gpt_neox"));
    assert!(message.contains("it is known how `gpt_neox` checkpoints tell it"), "{message}");
    assert!(help.contains("likely redpajama_chat, dolly, stablelm, oasst; LM"), "{help}");
    let (_, help) = other(|family| family.config["model_type"] = json!("mamba"));
    assert!(help.contains("`mlc-package schema` lists the names"), "{help}");
}

#[test]
fn it_does_not_matter_which_file_says_it() {
    // The template beside the tokenizer's config counts before the one in it.
    let scene = Scene::of(&Family { chat_template: SYSTEM, ..qwen2() });
    scene.refused();
    scene.write("chat_template.jinja", CHATML);
    assert_eq!(scene.derive().unwrap(), "qwen2");
    // Of several the one without a purpose.
    let scene = Scene::of(&Family { chat_template: "", ..qwen2() });
    let path = scene.model.join("tokenizer_config.json");
    let mut tokenizer: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    let rag = json!({"name": "rag", "template": SYSTEM});
    tokenizer["chat_template"] = json!([rag, {"name": "default", "template": CHATML}]);
    scene.write("tokenizer_config.json", tokenizer.to_string());
    assert_eq!(scene.derive().unwrap(), "qwen2");
    // That of a processor.
    let scene = Scene::of(&Family { chat_template: "", ..qwen2() });
    scene.write("chat_template.json", json!({"chat_template": CHATML}).to_string());
    assert_eq!(scene.derive().unwrap(), "qwen2");
    // The tokens in tokenizer.json, and the end of an answer in config.json.
    let scene = Scene::of(&Family {
        generation: json!({}),
        config: config("qwen2", json!({"eos_token_id": 151_645})),
        ..qwen2()
    });
    scene.write("tokenizer_config.json", json!({"chat_template": CHATML}).to_string());
    assert!(scene.refused().0.contains("is not among its special tokens"));
    let added: Vec<_> =
        QWEN.iter().map(|(id, content)| json!({"id": id, "content": content})).collect();
    scene.write("tokenizer.json", json!({"added_tokens": added, "model": {}}).to_string());
    assert_eq!(scene.derive().unwrap(), "qwen2");
    // The repository's name, where the directory has another.
    let scene = Scene::of(&Family { name: "0123abc", ..gemma() });
    scene.refused();
    assert_eq!(derive(&scene.model, Some("gemma-2-2b-it")).unwrap().as_str(), "gemma_instruction");
    let base = derive(&scene.model, Some("gemma-2-2b")).unwrap_err().to_string();
    assert!(base.starts_with("the conversation template of `gemma-2-2b` is not certain"), "{base}");
    let mut named = Family { name: "0123abc", ..llama_2() };
    named.config["_name_or_path"] = json!("meta-llama/Llama-2-7b-chat-hf");
    certain(&named, "llama-2");
}

#[test]
fn hostile_files_are_refused_by_name_and_not_read_whole() {
    let scene = Scene::of(&qwen2());
    for name in ["tokenizer_config.json", "generation_config.json", "chat_template.jinja"] {
        let path = scene.model.join(name);
        let before = fs_err::read(&path).ok();
        fs_err::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let (message, _) = scene.refused();
        assert!(message.contains(name) && message.contains("is larger than"), "{message}");
        match before {
            Some(before) => fs_err::write(&path, before).unwrap(),
            None => fs_err::remove_file(&path).unwrap(),
        }
    }
    assert_eq!(scene.derive().unwrap(), "qwen2");
    scene.write("chat_template.jinja", [0xff, 0xfe]);
    assert!(scene.refused().0.contains("chat_template.jinja`: it is not UTF-8"));
    scene.write("chat_template.jinja", CHATML).write("tokenizer_config.json", "{}");
    scene.write("tokenizer.json", "[".repeat(100_000));
    assert!(scene.refused().0.contains("tokenizer.json`: it is not a tokenizer"));
    fs_err::File::create(scene.model.join("tokenizer.json")).unwrap().set_len(1 << 40).unwrap();
    assert!(scene.refused().0.contains("is larger than 128.0 MiB"));
}
