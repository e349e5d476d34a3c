//! What is looked for beside the rules: what excludes, what is likely, what is shown.

/// What is likely where nothing is certain: `model_type`, a mark of the chat template, templates.
/// The first line that fits counts; an empty mark fits always.
pub(super) const LIKELY: &[(&str, &str, &[&str])] = &[
    ("llama", "<|im_start|>", &["chatml", "hermes2_pro_llama3", "hermes3_llama-3_1"]),
    ("llama", "<|start_header_id|>", &["llama-3_1", "llama-3"]),
    ("llama", "[INST]", &["llama-2", "codellama_instruct"]),
    ("llama", "<|user|>", &["tinyllama_v1_0"]),
    ("llama", "<｜User｜>", &["deepseek_r1_llama"]),
    ("llama", "### Instruction", &["wizard_coder_or_math", "gorilla-openfunctions-v2"]),
    ("llama", "", &["llama-3_1", "llama-3", "llama-2", "tinyllama_v1_0", "chatml"]),
    ("mistral", "<|im_start|>", &["open_hermes_mistral", "neural_hermes_mistral", "chatml"]),
    ("mistral", "[SYSTEM_PROMPT]", &["ministral3"]),
    ("mistral", "", &["mistral_default"]),
    ("ministral3", "", &["ministral3", "ministral3_reasoning"]),
    ("mistral3", "", &["ministral3", "ministral3_reasoning"]),
    ("qwen2", "<｜User｜>", &["deepseek_r1_qwen"]),
    ("qwen2", "", &["qwen2"]),
    ("qwen3", "", &["qwen3"]),
    ("qwen3_5", "", &["qwen3_5", "qwen3_5_nothink"]),
    ("gemma", "", &["gemma_instruction"]),
    ("gemma2", "", &["gemma_instruction"]),
    ("gemma3", "", &["gemma3_instruction"]),
    ("gemma3_text", "", &["gemma3_instruction"]),
    ("phi", "", &["phi-2"]),
    ("phi3", "", &["phi-3", "phi-4"]),
    ("phi3_v", "", &["phi-3-vision"]),
    ("gpt_neox", "", &["redpajama_chat", "dolly", "stablelm", "oasst"]),
    ("gpt2", "", &["gpt2"]),
    ("gpt_bigcode", "", &["gpt_bigcode"]),
    ("stablelm", "<|im_start|>", &["chatml"]),
    ("stablelm", "", &["stablelm-2", "stablelm-3b"]),
    ("olmo", "", &["olmo"]),
    ("olmo2", "", &["olmo2"]),
    ("deepseek", "", &["deepseek"]),
    ("deepseek_v2", "", &["deepseek_v2"]),
    ("deepseek_v3", "", &["deepseek_v3"]),
    ("cohere", "", &["aya-23"]),
    ("nemotron", "", &["nemotron"]),
    ("orion", "", &["orion"]),
    ("llava", "", &["llava"]),
    ("llama4", "", &["llama-4"]),
    ("chatglm", "", &["glm"]),
    ("rwkv5", "", &["rwkv_world"]),
    ("rwkv6", "", &["rwkv_world"]),
];

/// Words in a checkpoint's name that say that it is no model to talk to.
pub(super) const NO_CHAT: &[&str] = &[
    "base",
    "pt",
    "pretrained",
    "embedding",
    "embed",
    "reranker",
    "reward",
    "guard",
    "shieldgemma",
];

/// Instructions that a chat template wraps every conversation in to have it judged, not answered.
pub(super) const JUDGES: &[&str] = &["unsafe content", "safety polic"];

/// Marks of turns that are shown where they were seen.
pub(super) const MARKS: &[&str] = &[
    "<|im_start|>",
    "<|im_sep|>",
    "<|start_header_id|>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
    "[INST]",
    "<<SYS>>",
    "[SYSTEM_PROMPT]",
    "<start_of_turn>",
    "<｜User｜>",
    "<|START_OF_TURN_TOKEN|>",
    "<|start_of_role|>",
    "### Instruction",
    "<think>",
];
