"""tiny-gpt_neox-q0f16."""

from pathlib import Path
from typing import Any, Dict, List, Tuple

from . import tokenizer
from .chat_config import write_chat_config
from .tensors import Parameter, make, write_tensors

NAME = "tiny-gpt_neox-q0f16"
CONFIG: Dict[str, Any] = {
    "use_parallel_residual": True,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "layer_norm_eps": 1e-05,
    "vocab_size": 320,
    "rotary_pct": 0.25,
    "position_embedding_base": 10000,
    "context_window_size": 256,
    "head_dim": 16,
    "prefill_chunk_size": 64,
    "tensor_parallel_shards": 1,
    "ffn_out_dtype": "float32",
    "max_batch_size": 2,
}
SPECIAL = {"eos_token": "<|endoftext|>", "pad_token": "<|padding|>"}
MERGES = 56
# Far below MLC's own 32 MiB, so that there is a second shard.
SHARD_CAP = 128 << 10


def _shapes() -> Dict[str, Tuple[int, ...]]:
    hidden, inner, vocab = (
        CONFIG[key] for key in ("hidden_size", "intermediate_size", "vocab_size")
    )
    layer: Dict[str, Tuple[int, ...]] = {}
    for name, rows, columns in (
        ("attention.dense", hidden, hidden),
        ("attention.query_key_value", 3 * hidden, hidden),
    ):
        layer.update({f"{name}.bias": (rows,), f"{name}.weight": (rows, columns)})
    layer.update({"input_layernorm.bias": (hidden,), "input_layernorm.weight": (hidden,)})
    for name, rows, columns in (
        ("mlp.dense_4h_to_h", hidden, inner),
        ("mlp.dense_h_to_4h", inner, hidden),
    ):
        layer.update({f"{name}.bias": (rows,), f"{name}.weight": (rows, columns)})
    norm = "post_attention_layernorm"
    layer.update({f"{norm}.bias": (hidden,), f"{norm}.weight": (hidden,)})

    shapes: Dict[str, Tuple[int, ...]] = {
        "embed_out.weight": (vocab, hidden),
        "gpt_neox.embed_in.weight": (vocab, hidden),
        "gpt_neox.final_layer_norm.bias": (hidden,),
        "gpt_neox.final_layer_norm.weight": (hidden,),
    }
    for number in range(CONFIG["num_hidden_layers"]):
        shapes.update({f"gpt_neox.layers.{number}.{name}": s for name, s in layer.items()})
    return shapes


def _dtype(name: str) -> str:
    return "float32" if ".mlp." in name and name.endswith("bias") else "float16"


def write(directory: Path) -> None:
    """Write the model directory."""
    tokens = tokenizer.write_tokenizer(directory, SPECIAL, MERGES, CONFIG["context_window_size"])
    write_chat_config(
        directory,
        "gpt_neox",
        "q0f16",
        CONFIG,
        tokenizer.FILES,
        tokens,
        {"pad": 1, "bos": 0, "eos": 0},
    )
    parameters: List[Parameter] = [
        Parameter(name, make(name, shape, seed=NAME), _dtype(name))
        for name, shape in _shapes().items()
    ]
    write_tensors(directory, parameters, SHARD_CAP)
