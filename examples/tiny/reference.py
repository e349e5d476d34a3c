"""Both architectures in NumPy and float32: what the compiled functions are compared with."""

import math
from typing import Any, Dict, List

import numpy as np

Weights = Dict[str, np.ndarray]


def _matrix(weights: Weights, name: str) -> np.ndarray:
    if f"{name}.weight" in weights:
        return weights[f"{name}.weight"].astype("float32")
    words, scale = weights[f"{name}.q_weight"], weights[f"{name}.q_scale"].astype("float32")
    stored = (words[..., None] >> np.arange(0, 32, 4, dtype="uint32")) & 15
    return (stored.reshape(len(words), -1).astype("float32") - 7) * np.repeat(scale, 32, axis=1)


def _linear(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return x @ _matrix(weights, name).T + weights.get(f"{name}.bias", np.float32(0))


def _norm(weights: Weights, name: str, x: np.ndarray, eps: float) -> np.ndarray:
    weight = weights[f"{name}.weight"].astype("float32")
    if f"{name}.bias" not in weights:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weight
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + eps)
    return x * weight + weights[f"{name}.bias"].astype("float32")


def _rotate(x: np.ndarray, dims: int, theta: float) -> np.ndarray:
    """x [seq, heads, head_dim]."""
    rate = theta ** (-2.0 * np.arange(dims // 2) / dims)
    angle = np.arange(len(x))[:, None, None] * np.tile(rate, 2)
    turned = np.concatenate([-x[..., dims // 2 : dims], x[..., : dims // 2]], axis=-1)
    rotated = x[..., :dims] * np.cos(angle) + turned * np.sin(angle)
    return np.concatenate([rotated, x[..., dims:]], axis=-1)


def _attend(qkv: np.ndarray, config: Dict[str, Any]) -> np.ndarray:
    heads, dim = config["num_attention_heads"], config["head_dim"]
    kv_heads = config.get("num_key_value_heads", heads)
    seq, theta = len(qkv), config["position_embedding_base"]
    rotary = int(dim * config.get("rotary_pct", 1))
    q, k, v = np.split(qkv.reshape(seq, -1, dim), [heads, heads + kv_heads], axis=1)
    q, k = _rotate(q, rotary, theta), _rotate(k, rotary, theta)
    k, v = (np.repeat(part, heads // kv_heads, axis=1) for part in (k, v))
    scores = np.einsum("shd,thd->hst", q, k) / math.sqrt(dim)
    scores[:, np.triu(np.ones((seq, seq), bool), 1)] = -np.inf
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    scores /= scores.sum(-1, keepdims=True)
    return np.einsum("hst,thd->shd", scores, v).reshape(seq, -1)


def forward(chat_config: Dict[str, Any], weights: Weights, tokens: List[int]) -> np.ndarray:
    """Logits [len(tokens), vocab_size]."""
    run = {"llama": _llama, "gpt_neox": _gpt_neox}[chat_config["model_type"]]
    return run(chat_config["model_config"], weights, tokens)


def _llama(config: Dict[str, Any], weights: Weights, tokens: List[int]) -> np.ndarray:
    eps = config["rms_norm_eps"]
    x = _matrix(weights, "model.embed_tokens")[tokens]
    for number in range(config["num_hidden_layers"]):
        layer = f"model.layers.{number}"
        inner = _norm(weights, f"{layer}.input_layernorm", x, eps)
        inner = _attend(_linear(weights, f"{layer}.self_attn.qkv_proj", inner), config)
        x = x + _linear(weights, f"{layer}.self_attn.o_proj", inner)
        inner = _norm(weights, f"{layer}.post_attention_layernorm", x, eps)
        gate, up = np.split(_linear(weights, f"{layer}.mlp.gate_up_proj", inner), 2, axis=-1)
        x = x + _linear(weights, f"{layer}.mlp.down_proj", gate / (1 + np.exp(-gate)) * up)
    return _linear(weights, "lm_head", _norm(weights, "model.norm", x, eps))


def _gpt_neox(config: Dict[str, Any], weights: Weights, tokens: List[int]) -> np.ndarray:
    eps = config["layer_norm_eps"]
    erf = np.vectorize(math.erf)
    x = _matrix(weights, "gpt_neox.embed_in")[tokens]
    for number in range(config["num_hidden_layers"]):
        layer = f"gpt_neox.layers.{number}"
        inner = _norm(weights, f"{layer}.input_layernorm", x, eps)
        inner = _attend(_linear(weights, f"{layer}.attention.query_key_value", inner), config)
        attended = x + _linear(weights, f"{layer}.attention.dense", inner)
        source = x if config["use_parallel_residual"] else attended
        inner = _norm(weights, f"{layer}.post_attention_layernorm", source, eps)
        inner = _linear(weights, f"{layer}.mlp.dense_h_to_4h", inner)
        inner = 0.5 * inner * (1 + erf(inner / math.sqrt(2)))
        x = attended + _linear(weights, f"{layer}.mlp.dense_4h_to_h", inner)
    return _linear(weights, "embed_out", _norm(weights, "gpt_neox.final_layer_norm", x, eps))
