//! Which template belongs to which checkpoints, as a table.
//!
//! Templates, their tokens and their turns are those of upstream's `conversation_template/*.py`;
//! the names are those under which mlc-ai publishes the families. What a rule asks of a checkpoint
//! is what these families' `config.json`, `generation_config.json`, `tokenizer_config.json` and chat
//! templates have in common, and their base models lack.

/// How it is known that a checkpoint was trained to answer. Base models of some families carry the
/// chat template of the others.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trained {
    /// This token ends an answer; base models end with that of a document.
    EndsWith(u64),
    /// Both end alike: the checkpoint's name has one of these words.
    Named(&'static [&'static str]),
    /// There is no base model of this kind.
    Always,
}

/// When a template is certain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// Upstream's name.
    pub(super) template: &'static str,
    /// `model_type`.
    pub(super) model_types: &'static [&'static str],
    /// What the checkpoint's own chat template has.
    pub(super) has: &'static [&'static str],
    /// What it has in other families that share the rest.
    pub(super) lacks: &'static [&'static str],
    /// The tokens that upstream's template names by their numbers, and those that end a turn.
    pub(super) tokens: &'static [(u64, &'static str)],
    /// Fields of `config.json` and what they are, where they are there.
    pub(super) numbers: &'static [(&'static str, &'static [u64])],
    /// How it is known that it was trained to answer.
    pub(super) trained: Trained,
}

const CHAT: Trained = Trained::Named(&["chat", "instruct"]);
const LLAMA_3: &[&str] = &["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"];
const CHATML: &[&str] = &["<|im_start|>", "<|im_end|>"];
const GEMMA: &[&str] = &["<start_of_turn>", "<end_of_turn>"];
const PHI: &[&str] = &["<|end|>", "<|assistant|>"];
const ROLES: &[&str] = &["<|user|>", "<|assistant|>"];
const DEEPSEEK_R1: &[&str] = &["<｜User｜>", "<｜Assistant｜>"];
const DEEPSEEK: &[&str] = &["User: ", "Assistant:"];
const INSTRUCTIONS: &[&str] = &["[INST]", "[/INST]"];
const OTHER_INSTRUCTIONS: &[&str] = &["<<SYS>>", "[SYSTEM_PROMPT]", "<|im_start|>"];
/// What opens the answer itself with a thought: no template of upstream's for these does.
const THINKING: &[&str] = &["assistant\\n<think>", "assistant\n<think>"];
const SENTENCEPIECE: &[(u64, &str)] = &[(1, "<s>"), (2, "</s>")];
const QWEN: &[(u64, &str)] = &[(151_643, "<|endoftext|>"), (151_645, "<|im_end|>")];
const DEEPSEEK_TOKENS: &[(u64, &str)] =
    &[(100_000, "<｜begin▁of▁sentence｜>"), (100_001, "<｜end▁of▁sentence｜>")];

pub(super) const RULES: &[Rule] = &[
    Rule {
        template: "llama-2",
        model_types: &["llama"],
        has: &["[INST]", "[/INST]", "<<SYS>>"],
        lacks: &["<|im_start|>"],
        tokens: SENTENCEPIECE,
        // Code Llama has the same chat template, another base of its rotary embedding, and
        // templates of its own.
        numbers: &[("vocab_size", &[32_000]), ("rope_theta", &[10_000])],
        trained: CHAT,
    },
    Rule {
        template: "llama-3",
        model_types: &["llama"],
        has: LLAMA_3,
        lacks: &["<|im_start|>"],
        tokens: &[
            (128_000, "<|begin_of_text|>"),
            (128_001, "<|end_of_text|>"),
            (128_008, "<|reserved_special_token_3|>"),
            (128_009, "<|eot_id|>"),
        ],
        numbers: &[],
        trained: Trained::EndsWith(128_009),
    },
    Rule {
        template: "llama-3_1",
        model_types: &["llama"],
        has: LLAMA_3,
        lacks: &["<|im_start|>"],
        tokens: &[
            (128_000, "<|begin_of_text|>"),
            (128_001, "<|end_of_text|>"),
            (128_008, "<|eom_id|>"),
            (128_009, "<|eot_id|>"),
        ],
        numbers: &[],
        trained: Trained::EndsWith(128_009),
    },
    Rule {
        template: "tinyllama_v1_0",
        model_types: &["llama"],
        has: &["<|user|>", "<|system|>", "<|assistant|>", "eos_token"],
        lacks: &["<|im_start|>", "<|end|>"],
        tokens: SENTENCEPIECE,
        // Others of this vocabulary put the same marks about turns that end otherwise.
        numbers: &[
            ("vocab_size", &[32_000]),
            ("hidden_size", &[2048]),
            ("intermediate_size", &[5632]),
            ("num_hidden_layers", &[22]),
        ],
        trained: CHAT,
    },
    Rule {
        // SmolLM and SmolLM2. Elsewhere token 2, at which this template stops, is another.
        template: "chatml",
        model_types: &["llama"],
        has: CHATML,
        lacks: &["<|im_sep|>", "<think>"],
        tokens: &[(1, "<|im_start|>"), (2, "<|im_end|>")],
        numbers: &[],
        trained: Trained::EndsWith(2),
    },
    Rule {
        template: "deepseek_r1_llama",
        model_types: &["llama"],
        has: DEEPSEEK_R1,
        lacks: &[],
        tokens: &[(128_001, "<｜end▁of▁sentence｜>")],
        numbers: &[],
        trained: Trained::EndsWith(128_001),
    },
    Rule {
        template: "deepseek_r1_qwen",
        model_types: &["qwen2"],
        has: DEEPSEEK_R1,
        lacks: &[],
        tokens: &[(151_643, "<｜end▁of▁sentence｜>")],
        numbers: &[],
        trained: Trained::EndsWith(151_643),
    },
    Rule {
        template: "deepseek",
        model_types: &["llama", "deepseek"],
        has: DEEPSEEK,
        lacks: &["<｜User｜>"],
        tokens: DEEPSEEK_TOKENS,
        numbers: &[],
        trained: CHAT,
    },
    Rule {
        template: "deepseek_v2",
        model_types: &["deepseek_v2"],
        has: DEEPSEEK,
        lacks: &["<｜User｜>"],
        tokens: DEEPSEEK_TOKENS,
        numbers: &[],
        trained: CHAT,
    },
    Rule {
        template: "llm-jp",
        model_types: &["llama"],
        has: &["### 指示:", "### 応答:", "以下は、タスクを説明する指示です。"],
        lacks: &[],
        tokens: SENTENCEPIECE,
        numbers: &[],
        trained: CHAT,
    },
    Rule {
        // The vocabularies of 7B v0.1, v0.2 and v0.3: later ones put no spaces about turns.
        template: "mistral_default",
        model_types: &["mistral"],
        has: INSTRUCTIONS,
        lacks: OTHER_INSTRUCTIONS,
        tokens: SENTENCEPIECE,
        numbers: &[("vocab_size", &[32_000, 32_768])],
        trained: Trained::Named(&["instruct"]),
    },
    Rule {
        template: "qwen2",
        model_types: &["qwen2"],
        has: CHATML,
        // QwQ thinks, and this template would not let it.
        lacks: &["<think>", "</think>"],
        tokens: QWEN,
        numbers: &[],
        trained: Trained::EndsWith(151_645),
    },
    Rule {
        template: "qwen3",
        model_types: &["qwen3"],
        has: CHATML,
        lacks: THINKING,
        tokens: QWEN,
        numbers: &[],
        trained: Trained::EndsWith(151_645),
    },
    Rule {
        template: "gemma_instruction",
        model_types: &["gemma", "gemma2"],
        has: GEMMA,
        lacks: &[],
        tokens: &[(1, "<eos>"), (2, "<bos>"), (107, "<end_of_turn>")],
        numbers: &[],
        trained: Trained::Named(&["it"]),
    },
    Rule {
        template: "gemma3_instruction",
        model_types: &["gemma3", "gemma3_text"],
        has: GEMMA,
        lacks: &["<start_function_call>"],
        tokens: &[(1, "<eos>"), (2, "<bos>"), (106, "<end_of_turn>")],
        numbers: &[],
        trained: Trained::EndsWith(106),
    },
    Rule {
        template: "phi-3",
        model_types: &["phi3"],
        has: PHI,
        lacks: &["<|im_start|>"],
        tokens: &[
            (1, "<s>"),
            (2, "</s>"),
            (32_000, "<|endoftext|>"),
            (32_001, "<|assistant|>"),
            (32_007, "<|end|>"),
        ],
        numbers: &[],
        trained: Trained::Always,
    },
    Rule {
        // Phi-4-mini; the large Phi-4 speaks otherwise, and upstream has no template of it.
        template: "phi-4",
        model_types: &["phi3"],
        has: PHI,
        lacks: &["<|im_start|>"],
        tokens: &[(199_999, "<|endoftext|>"), (200_020, "<|end|>"), (200_022, "<|system|>")],
        numbers: &[],
        trained: Trained::Always,
    },
    Rule {
        template: "stablelm-2",
        model_types: &["stablelm"],
        has: ROLES,
        lacks: &["<|im_start|>"],
        tokens: &[(100_257, "<|endoftext|>")],
        numbers: &[],
        trained: Trained::Named(&["zephyr"]),
    },
    Rule {
        template: "stablelm-3b",
        model_types: &["stablelm"],
        has: ROLES,
        lacks: &["<|im_start|>"],
        tokens: &[(0, "<|endoftext|>")],
        numbers: &[],
        trained: Trained::Named(&["zephyr"]),
    },
    Rule {
        template: "olmo",
        model_types: &["olmo"],
        has: ROLES,
        lacks: &[],
        tokens: &[(50_279, "<|endoftext|>")],
        numbers: &[],
        trained: Trained::Named(&["instruct", "sft", "dpo"]),
    },
    Rule {
        template: "olmo2",
        model_types: &["olmo2"],
        has: ROLES,
        lacks: &[],
        tokens: &[(100_257, "<|endoftext|>")],
        numbers: &[],
        trained: Trained::Named(&["instruct", "sft", "dpo"]),
    },
];

/// Whether a rule looks at this token.
pub(super) fn names_token(id: u64) -> bool {
    RULES.iter().any(|rule| rule.tokens.iter().any(|(known, _)| *known == id))
}
