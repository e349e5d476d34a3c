#!/usr/bin/env python3
"""Makes the model of these tests: a decoder with two layers that knows the text that `mlc-package
try` measures a model by, and two questions with their answers.

    pip install numpy autograd tokenizers
    python tests/answer/train.py

It takes some minutes. Floating point sums differ from machine to machine, and so do the bytes;
that is why the model is committed, and not made by the tests.
"""

import json
import sys
from pathlib import Path
from typing import Any, Dict, List

import autograd.numpy as np
from autograd import value_and_grad
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "examples/tiny"))

from generator import tokenizer  # noqa: E402
from generator.chat_config import write_chat_config  # noqa: E402
from generator.tensors import Parameter, make, write_tensors  # noqa: E402

DIRECTORY = ROOT / "tests/answer/model"
SPECIAL = {
    "unk_token": "<unk>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "turn_token": "<|im_start|>",
    "turn_end_token": "<|im_end|>",
}
DIALOGUES = [
    ("What is the capital of France?", "The capital of France is Paris."),
    ("Where does the sun rise?", "It rises in the east."),
]
CONFIG: Dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "rms_norm_eps": 1e-05,
    "vocab_size": 384,
    "position_embedding_base": 10000,
    "num_key_value_heads": 4,
    "head_dim": 16,
    "context_window_size": 512,
    "sliding_window_size": -1,
    "prefill_chunk_size": 128,
    "attention_sink_size": 4,
    "tensor_parallel_shards": 1,
    "max_batch_size": 4,
}
TEMPLATE = {
    "name": "chatml",
    "system_template": "<|im_start|>system\n{system_message}<|im_end|>\n",
    "system_message": "Answer in one sentence.",
    "system_prefix_token_ids": [1],
    "add_role_after_system_message": True,
    "roles": {"user": "<|im_start|>user", "assistant": "<|im_start|>assistant"},
    "role_templates": {
        "user": "{user_message}",
        "assistant": "{assistant_message}",
        "tool": "{tool_message}",
    },
    "messages": [],
    "seps": ["<|im_end|>\n"],
    "role_content_sep": "\n",
    "role_empty_sep": "\n",
    "stop_str": ["<|im_end|>"],
    "stop_token_ids": [2, 4],
    "function_string": "",
    "use_function_calling": False,
}
STEPS, RATE = 900, 3e-3


def shapes() -> Dict[str, tuple]:
    """Every parameter, by its name in the library."""
    hidden, inner, vocab = (
        CONFIG[key] for key in ("hidden_size", "intermediate_size", "vocab_size")
    )
    layer = {
        "input_layernorm.weight": (hidden,),
        "mlp.down_proj.weight": (hidden, inner),
        "mlp.gate_up_proj.weight": (2 * inner, hidden),
        "post_attention_layernorm.weight": (hidden,),
        "self_attn.qkv_proj.weight": (3 * hidden, hidden),
        "self_attn.o_proj.weight": (hidden, hidden),
    }
    named = {"lm_head.weight": (vocab, hidden), "model.embed_tokens.weight": (vocab, hidden)}
    for number in range(CONFIG["num_hidden_layers"]):
        named.update({f"model.layers.{number}.{name}": shape for name, shape in layer.items()})
    return {**named, "model.norm.weight": (hidden,)}


def norm(x, weight):
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + CONFIG["rms_norm_eps"]) * weight


def rotate(x):
    """x [seq, heads, head_dim]."""
    dim = x.shape[-1]
    rate = CONFIG["position_embedding_base"] ** (-2.0 * np.arange(dim // 2) / dim)
    angle = np.arange(len(x))[:, None, None] * np.concatenate([rate, rate])
    turned = np.concatenate([-x[..., dim // 2 :], x[..., : dim // 2]], axis=-1)
    return x * np.cos(angle) + turned * np.sin(angle)


def logits(weights, tokens):
    heads, dim = CONFIG["num_attention_heads"], CONFIG["head_dim"]
    seq = len(tokens)
    hidden_after = np.triu(np.full((seq, seq), -1e9), 1)
    x = weights["model.embed_tokens.weight"][np.array(tokens)]
    for number in range(CONFIG["num_hidden_layers"]):
        layer = f"model.layers.{number}."
        inner = norm(x, weights[layer + "input_layernorm.weight"])
        qkv = np.dot(inner, weights[layer + "self_attn.qkv_proj.weight"].T)
        q, k, v = (np.reshape(part, (seq, heads, dim)) for part in np.split(qkv, 3, axis=-1))
        scores = np.einsum("shd,thd->hst", rotate(q), rotate(k)) / dim**0.5 + hidden_after
        scores = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
        scores = scores / np.sum(scores, axis=-1, keepdims=True)
        mixed = np.reshape(np.einsum("hst,thd->shd", scores, v), (seq, heads * dim))
        x = x + np.dot(mixed, weights[layer + "self_attn.o_proj.weight"].T)
        inner = norm(x, weights[layer + "post_attention_layernorm.weight"])
        both = np.dot(inner, weights[layer + "mlp.gate_up_proj.weight"].T)
        gate, up = np.split(both, 2, axis=-1)
        inner = gate / (1 + np.exp(-gate)) * up
        x = x + np.dot(inner, weights[layer + "mlp.down_proj.weight"].T)
    return np.dot(norm(x, weights["model.norm.weight"]), weights["lm_head.weight"].T)


def loss(weights, sequences):
    total, count = 0.0, 0
    for tokens in sequences:
        scores = logits(weights, tokens[:-1])
        scores = scores - np.max(scores, axis=-1, keepdims=True)
        likely = scores - np.log(np.sum(np.exp(scores), axis=-1, keepdims=True))
        total = total - np.sum(likely[np.arange(len(tokens) - 1), np.array(tokens[1:])])
        count += len(tokens) - 1
    return total / count


def rounded(weights, random):
    """The weights as far from themselves as 4 bits may bring them."""
    noisy = {}
    for name, values in weights.items():
        if values.ndim == 2:
            groups = np.abs(values).reshape(len(values), -1, 32).max(axis=-1)
            step = np.repeat(groups / 7, 32, axis=1)
            values = values + step * random.uniform(-0.5, 0.5, values.shape)
        noisy[name] = values
    return noisy


def sequences() -> List[List[int]]:
    cut = Tokenizer.from_file(str(DIRECTORY / "tokenizer.json"))
    text = (ROOT / "src/answer/text.txt").read_text(encoding="utf-8")
    found = [[1, *cut.encode(text.strip()).ids, 2]]
    for question, answer in DIALOGUES:
        said = TEMPLATE["system_template"].replace("{system_message}", TEMPLATE["system_message"])
        said += f"<|im_start|>user\n{question}<|im_end|>\n"
        said += f"<|im_start|>assistant\n{answer}<|im_end|>\n"
        found.append([1, *cut.encode(said).ids])
    return found


def main() -> None:
    DIRECTORY.mkdir(exist_ok=True)
    count = tokenizer.write_tokenizer(DIRECTORY, SPECIAL, 120, CONFIG["context_window_size"])
    ids = {"pad": 0, "bos": 1, "eos": 2}
    write_chat_config(DIRECTORY, "mistral", "q4f16_1", CONFIG, tokenizer.FILES, count, ids)
    path = DIRECTORY / "mlc-chat-config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["conv_template"] = TEMPLATE
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    known = sequences()
    random = np.random.RandomState(14)
    weights = {name: make(name, shape, "try").astype(float) for name, shape in shapes().items()}
    means = {name: np.zeros_like(values) for name, values in weights.items()}
    squares = {name: np.zeros_like(values) for name, values in weights.items()}
    gradient = value_and_grad(loss)
    for step in range(1, STEPS + 1):
        value, slopes = gradient(rounded(weights, random), known)
        rate = RATE * min(1, 2 * (1 - step / (STEPS + 1)))
        for name, slope in slopes.items():
            means[name] = 0.9 * means[name] + 0.1 * slope
            squares[name] = 0.99 * squares[name] + 0.01 * slope**2
            mean = means[name] / (1 - 0.9**step)
            square = squares[name] / (1 - 0.99**step)
            weights[name] = weights[name] - rate * mean / (np.sqrt(square) + 1e-8)
        if step % 50 == 0:
            print(f"step {step}: {value:.4f}", flush=True)
    parameters = [
        Parameter(name, values.astype("float32"), quantized=values.ndim == 2)
        for name, values in weights.items()
    ]
    write_tensors(DIRECTORY, parameters, 32 << 20)


if __name__ == "__main__":
    main()
