//! The conversation template that a checkpoint's own files tell, and what is said where they do not.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use mlc_package::convert::ConvertError;
use mlc_package::convert::derive::derive;
use mlc_package::exit::Exit;
use mlc_package::stage_error::StageError as _;
use serde_json::{Map, Value, json};

use crate::families::{
    CHATML, Family, QWEN, SYSTEM, config, families, family, gemma, llama_2, llama_3_1, mistral,
    qwen2, tiny_llama,
};

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
        assert_ne!(error.exit(), Exit::Usage);
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
    let table = families();
    let names: BTreeSet<_> = table.iter().map(|(template, _)| *template).collect();
    assert_eq!(names.len(), 21, "{names:?}");
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
    assert!(
        help.contains("(likely chatml, hermes2_pro_llama3, hermes3_llama-3_1), or LM"),
        "{help}"
    );
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
    assert!(message.contains("with the marks <|im_start|> <think>, is not one"), "{message}");
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
    assert!(message.contains("cannot tell the template of `gpt_neox` checkpoints"), "{message}");
    assert!(help.contains("likely redpajama_chat, dolly, stablelm, oasst), or LM"), "{help}");
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
    // A link's name, and that of a cache of the Hub.
    let link = scene.model.with_file_name("gemma-2-2b-it");
    std::os::unix::fs::symlink(&scene.model, &link).unwrap();
    assert_eq!(derive(&link, None).unwrap().as_str(), "gemma_instruction");
    let cached = scene.model.with_file_name("models--google--gemma-2-2b-it/snapshots/0123abc");
    fs_err::create_dir_all(cached.parent().unwrap()).unwrap();
    fs_err::rename(&scene.model, &cached).unwrap();
    assert_eq!(derive(&cached, None).unwrap().as_str(), "gemma_instruction");
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
