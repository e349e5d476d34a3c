//! Checkpoints of the families whose conversation template is derived, as small as can be.

use serde_json::{Value, json};

/// A checkpoint's small files, as its family has them.
#[derive(Clone)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) config: Value,
    pub(crate) generation: Value,
    pub(crate) chat_template: &'static str,
    pub(crate) tokens: Vec<(u64, &'static str)>,
}

pub(crate) const SYSTEM: &str = "{% if messages[0]['role'] == 'system' %}{% endif %}";
const LLAMA_2: &str =
    "{{ bos_token + '[INST] <<SYS>>' + content + '<</SYS>> [/INST]' + eos_token }}";
const LLAMA_3: &str =
    "{{ '<|start_header_id|>' + role + '<|end_header_id|>' + content + '<|eot_id|>' }}";
pub(crate) const CHATML: &str = "{{ '<|im_start|>' + role + content + '<|im_end|>' }}";
const GEMMA: &str = "{{ '<start_of_turn>' + role + content + '<end_of_turn>' }}";
const ZEPHYR: &str = "{{ '<|system|>' '<|user|>' + content + eos_token + '<|assistant|>' }}";
const INST: &str = "{{ bos_token + '[INST] ' + content + ' [/INST]' + eos_token }}";
const PHI: &str = "{{ '<|' + role + '|>' + content + '<|end|>' + '<|assistant|>' }}";
const DEEPSEEK: &str = "{{ 'User: ' + content + 'Assistant: ' + content + eos_token }}";
const LLM_JP: &str = "{{ '以下は、タスクを説明する指示です。' '### 指示:' content '### 応答:' }}";
const R1: &str = "{{ '<｜User｜>' + content + '<｜Assistant｜>' }}";

pub(crate) fn config(model_type: &str, more: Value) -> Value {
    let mut config = json!({"model_type": model_type, "architectures": ["SomeForCausalLM"]});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

pub(crate) fn family(
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
pub(crate) const QWEN: [(u64, &str); 2] = [(151_643, "<|endoftext|>"), (151_645, "<|im_end|>")];
const SMOL: [(u64, &str); 3] = [(0, "<|endoftext|>"), (1, "<|im_start|>"), (2, "<|im_end|>")];
const GOOGLE: [(u64, &str); 4] =
    [(1, "<eos>"), (2, "<bos>"), (106, "<start_of_turn>"), (107, "<end_of_turn>")];
const GOOGLE_3: [(u64, &str); 4] =
    [(1, "<eos>"), (2, "<bos>"), (105, "<start_of_turn>"), (106, "<end_of_turn>")];

pub(crate) fn llama_2() -> Family {
    let config = config("llama", json!({"vocab_size": 32_000}));
    family("Llama-2-7b-chat-hf", config, json!(2), LLAMA_2, &PIECES)
}

pub(crate) fn llama_3_1() -> Family {
    let scaling = json!({"rope_type": "llama3", "factor": 32.0});
    let config = config("llama", json!({"vocab_size": 128_256, "rope_scaling": scaling}));
    family("Llama-3.2-1B-Instruct", config, json!([128_001, 128_008, 128_009]), LLAMA_3, &META_1)
}

pub(crate) fn qwen2() -> Family {
    let eos = json!([151_645, 151_643]);
    family("Qwen2.5-0.5B-Instruct", config("qwen2", json!({})), eos, CHATML, &QWEN)
}

pub(crate) fn gemma() -> Family {
    family("gemma-2-2b-it", config("gemma2", json!({})), json!(1), GEMMA, &GOOGLE)
}

pub(crate) fn mistral() -> Family {
    let config = config("mistral", json!({"vocab_size": 32_768}));
    family("Mistral-7B-Instruct-v0.3", config, json!(2), INST, &PIECES)
}

pub(crate) fn tiny_llama() -> Family {
    let shape = json!({
        "vocab_size": 32_000, "hidden_size": 2048, "intermediate_size": 5632,
        "num_hidden_layers": 22,
    });
    family("TinyLlama-1.1B-Chat-v1.0", config("llama", shape), json!(2), ZEPHYR, &PIECES)
}

/// A family that nothing but its tokens and its chat template tells.
fn plain(
    name: &'static str,
    model_type: &str,
    eos: Value,
    chat_template: &'static str,
    tokens: &[(u64, &'static str)],
) -> Family {
    family(name, config(model_type, json!({})), eos, chat_template, tokens)
}

/// Every template that is derived, and a checkpoint it is derived of.
pub(crate) fn families() -> Vec<(&'static str, Family)> {
    [of_llama(), of_mistral_and_qwen(), of_google_and_microsoft(), of_others()].concat()
}

fn of_llama() -> Vec<(&'static str, Family)> {
    let llama_3 = config("llama", json!({"vocab_size": 128_256, "rope_theta": 500_000.0}));
    let eos_3 = json!([128_001, 128_009]);
    let r1 = [(128_001, "<｜end▁of▁sentence｜>")];
    vec![
        ("llama-2", llama_2()),
        ("llama-3", family("Meta-Llama-3-8B-Instruct", llama_3, eos_3, LLAMA_3, &META)),
        ("llama-3_1", llama_3_1()),
        ("tinyllama_v1_0", tiny_llama()),
        ("chatml", plain("SmolLM2-135M-Instruct", "llama", json!(2), CHATML, &SMOL)),
        (
            "deepseek_r1_llama",
            plain("DeepSeek-R1-Distill-Llama-8B", "llama", json!(128_001), R1, &r1),
        ),
        ("llm-jp", plain("llm-jp-3-1.8b-instruct", "llama", json!(2), LLM_JP, &PIECES)),
    ]
}

fn of_mistral_and_qwen() -> Vec<(&'static str, Family)> {
    let v02 = config("mistral", json!({"vocab_size": 32_000}));
    let thinks = "{{ '<|im_start|>' + role + '<think>' + '<|im_end|>' }}";
    let r1 = [(151_643, "<｜end▁of▁sentence｜>")];
    vec![
        ("mistral_default", mistral()),
        ("mistral_default", family("Mistral-7B-Instruct-v0.2", v02, json!(2), INST, &PIECES)),
        ("qwen2", qwen2()),
        ("qwen3", plain("Qwen3-0.6B", "qwen3", json!([151_645, 151_643]), thinks, &QWEN)),
        (
            "deepseek_r1_qwen",
            plain("DeepSeek-R1-Distill-Qwen-1.5B", "qwen2", json!(151_643), R1, &r1),
        ),
    ]
}

fn of_google_and_microsoft() -> Vec<(&'static str, Family)> {
    let phi_3 = [
        PIECES[1],
        PIECES[2],
        (32_000, "<|endoftext|>"),
        (32_001, "<|assistant|>"),
        (32_007, "<|end|>"),
    ];
    let phi_4 = [(199_999, "<|endoftext|>"), (200_020, "<|end|>"), (200_022, "<|system|>")];
    let eos_3 = json!([32_007, 32_001, 32_000]);
    let eos_4 = json!([200_020, 199_999]);
    vec![
        ("gemma_instruction", gemma()),
        ("gemma_instruction", plain("gemma-2b-it", "gemma", json!(1), GEMMA, &GOOGLE)),
        (
            "gemma3_instruction",
            plain("gemma-3-1b-it", "gemma3_text", json!([1, 106]), GEMMA, &GOOGLE_3),
        ),
        ("phi-3", plain("Phi-3.5-mini-instruct", "phi3", eos_3, PHI, &phi_3)),
        ("phi-4", plain("Phi-4-mini-instruct", "phi3", eos_4, PHI, &phi_4)),
    ]
}

fn of_others() -> Vec<(&'static str, Family)> {
    let open = |name, model_type, id: u64| {
        plain(name, model_type, json!(id), ZEPHYR, &[(id, "<|endoftext|>")])
    };
    let deepseek = |name, model_type| {
        let tokens = [(100_000, "<｜begin▁of▁sentence｜>"), (100_001, "<｜end▁of▁sentence｜>")];
        plain(name, model_type, json!(100_001), DEEPSEEK, &tokens)
    };
    vec![
        ("stablelm-2", open("stablelm-2-zephyr-1_6b", "stablelm", 100_257)),
        ("stablelm-3b", open("stablelm-zephyr-3b", "stablelm", 0)),
        ("olmo", open("OLMo-7B-Instruct-hf", "olmo", 50_279)),
        ("olmo2", open("OLMo-2-0425-1B-Instruct", "olmo2", 100_257)),
        ("deepseek", deepseek("deepseek-llm-7b-chat", "llama")),
        ("deepseek_v2", deepseek("DeepSeek-V2-Lite-Chat", "deepseek_v2")),
    ]
}
