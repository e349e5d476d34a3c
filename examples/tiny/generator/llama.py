"""tiny-llama-q4f16_1."""

from pathlib import Path
from typing import Any, Dict, List, Tuple

from . import tokenizer
from .chat_config import write_chat_config
from .tensors import Parameter, make, write_tensors

NAME = "tiny-llama-q4f16_1"
CONFIG: Dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "rms_norm_eps": 1e-05,
    "vocab_size": 384,
    "tie_word_embeddings": False,
    "position_embedding_base": 10000,
    "rope_scaling": None,
    "context_window_size": 512,
    "prefill_chunk_size": 128,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "tensor_parallel_shards": 1,
    "pipeline_parallel_stages": 1,
    "max_batch_size": 4,
    "disaggregation": False,
}
SPECIAL = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
MERGES = 120
SHARD_CAP = 32 << 20


def _shapes() -> Dict[str, Tuple[int, ...]]:
    hidden, inner, vocab = (
        CONFIG[key] for key in ("hidden_size", "intermediate_size", "vocab_size")
    )
    q_size = CONFIG["num_attention_heads"] * CONFIG["head_dim"]
    kv_size = CONFIG["num_key_value_heads"] * CONFIG["head_dim"]
    layer = {
        "input_layernorm.weight": (hidden,),
        "mlp.down_proj.weight": (hidden, inner),
        "mlp.gate_up_proj.weight": (2 * inner, hidden),
        "post_attention_layernorm.weight": (hidden,),
        "self_attn.qkv_proj.weight": (q_size + 2 * kv_size, hidden),
        "self_attn.o_proj.weight": (hidden, q_size),
    }
    shapes: Dict[str, Tuple[int, ...]] = {
        "lm_head.weight": (vocab, hidden),
        "model.embed_tokens.weight": (vocab, hidden),
    }
    for number in range(CONFIG["num_hidden_layers"]):
        shapes.update({f"model.layers.{number}.{name}": shape for name, shape in layer.items()})
    return {**shapes, "model.norm.weight": (hidden,)}


def write(directory: Path) -> None:
    """Write the model directory."""
    tokens = tokenizer.write_tokenizer(directory, SPECIAL, MERGES, CONFIG["context_window_size"])
    write_chat_config(
        directory,
        "llama",
        "q4f16_1",
        CONFIG,
        tokenizer.FILES,
        tokens,
        {"pad": 0, "bos": 1, "eos": 2},
    )
    parameters: List[Parameter] = [
        Parameter(name, make(name, shape, seed=NAME), quantized=len(shape) == 2)
        for name, shape in _shapes().items()
    ]
    write_tensors(directory, parameters, SHARD_CAP)
