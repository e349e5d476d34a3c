"""mlc-chat-config.json, with the overrides applied."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional

from .errors import CompileError
from .flags import Overrides
from .quantization import QUANTIZATIONS

# What one architecture calls the fields that both have.
ARCHITECTURES = {
    "llama": {"norm_eps": "rms_norm_eps"},
    "gpt_neox": {"norm_eps": "layer_norm_eps"},
    "mistral": {"norm_eps": "rms_norm_eps"},
}
# Overrides that only Mistral has a field for: said and ignored elsewhere, as upstream does.
OF_MISTRAL = ("sliding_window_size", "attention_sink_size")
MAX_DEFAULT_PREFILL = 8192


@dataclass(frozen=True)
class ModelConfig:
    """All that the compiler needs to know of a model."""

    model_type: str
    quantization: str
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    norm_eps: float
    rope_theta: float
    rotary_dim: int
    use_parallel_residual: bool
    context_window_size: int
    sliding_window_size: int
    attention_sink_size: int
    prefill_chunk_size: int
    max_batch_size: int
    disaggregation: bool
    active_vocab_size: Optional[int]


def load_config(path: Path, overrides: Overrides) -> ModelConfig:
    """Read and check the file; the outer fields win over those of `model_config`."""
    try:
        outer = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CompileError(f"cannot read {path}: {error}") from error
    if not isinstance(outer, dict) or not isinstance(outer.get("model_config", {}), dict):
        raise CompileError(f"{path} is not a model configuration")

    model_type = outer.get("model_type")
    if model_type not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise CompileError(f"unknown model type {model_type!r} in {path} (known: {known})")
    quantization = outer.get("quantization")
    if quantization not in QUANTIZATIONS:
        known = ", ".join(QUANTIZATIONS)
        raise CompileError(f"unknown quantization {quantization!r} in {path} (known: {known})")

    values: Dict[str, Any] = {**outer.get("model_config", {}), **outer}
    for key, value in overrides.given().items():
        if key in OF_MISTRAL and model_type != "mistral":
            print(f"warning: {model_type} has no {key}; the override is ignored", file=sys.stderr)
        else:
            values[key] = value
    return _build(_Fields(path, values), model_type, quantization)


class _Fields:
    """Typed access that names the file and the field when something is wrong."""

    def __init__(self, path: Path, values: Dict[str, Any]) -> None:
        self.path = path
        self.values = values

    def positive_int(self, key: str, default: Optional[int] = None) -> int:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise CompileError(f"{key} must be a positive integer in {self.path}, found {value!r}")
        return value

    def positive_float(self, key: str, default: Optional[float] = None) -> float:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            raise CompileError(f"{key} must be a positive number in {self.path}, found {value!r}")
        return float(value)


def _build(fields: _Fields, model_type: str, quantization: str) -> ModelConfig:
    for key in ("tensor_parallel_shards", "pipeline_parallel_stages"):
        if fields.positive_int(key, 1) != 1:
            raise CompileError(f"{key} must be 1: this compiler builds for one device")

    for key in ("tie_word_embeddings", "rope_scaling"):
        if fields.values.get(key):
            raise CompileError(f"{key} is not supported, and {fields.path} asks for it")

    hidden = fields.positive_int("hidden_size")
    heads = fields.positive_int("num_attention_heads")
    kv_heads = fields.positive_int("num_key_value_heads", heads)
    head_dim = fields.positive_int("head_dim", max(hidden // heads, 1))
    if heads % kv_heads != 0:
        raise CompileError(f"{heads} attention heads cannot share {kv_heads} key-value heads")
    rotary_dim = int(head_dim * fields.positive_float("rotary_pct", 1.0))
    if rotary_dim % 2 != 0 or rotary_dim > head_dim:
        raise CompileError(f"cannot rotate {rotary_dim} of {head_dim} elements of a head")

    context = fields.positive_int("context_window_size")
    prefill = fields.positive_int("prefill_chunk_size", min(context, MAX_DEFAULT_PREFILL))
    if prefill > context:
        prefill = min(context, MAX_DEFAULT_PREFILL)
    window = fields.values.get("sliding_window_size", -1) if model_type == "mistral" else -1
    active = fields.values.get("active_vocab_size")
    theta = fields.values.get("rope_theta", 10000)
    return ModelConfig(
        model_type=model_type,
        quantization=quantization,
        hidden_size=hidden,
        intermediate_size=fields.positive_int("intermediate_size"),
        num_hidden_layers=fields.positive_int("num_hidden_layers"),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_dim,
        vocab_size=fields.positive_int("vocab_size"),
        norm_eps=fields.positive_float(ARCHITECTURES[model_type]["norm_eps"]),
        rope_theta=fields.positive_float("position_embedding_base", theta),
        rotary_dim=rotary_dim,
        use_parallel_residual=bool(fields.values.get("use_parallel_residual", False)),
        context_window_size=context,
        sliding_window_size=window,
        attention_sink_size=fields.values.get("attention_sink_size", 4) if window > 0 else -1,
        prefill_chunk_size=prefill,
        max_batch_size=fields.positive_int("max_batch_size", 1),
        disaggregation=bool(fields.values.get("disaggregation", False)),
        active_vocab_size=active if isinstance(active, int) and active > 0 else None,
    )
