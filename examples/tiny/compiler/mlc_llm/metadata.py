"""The `_metadata` function: what a program that loads the library can ask it."""

import json
from typing import Any, Dict, List, Tuple

import tvm
from tvm import relax
from tvm.ir import StringImm
from tvm.relax.frontend import nn

from .config import ModelConfig
from .memory import memory_usage


def describe(config: ModelConfig, params: List[Tuple[str, nn.Parameter]]) -> Dict[str, Any]:
    """Everything but the memory usage, which is known only after planning."""
    return {
        "model_type": config.model_type,
        "quantization": config.quantization,
        "context_window_size": config.context_window_size,
        "sliding_window_size": config.sliding_window_size,
        "attention_sink_size": config.attention_sink_size,
        "prefill_chunk_size": config.prefill_chunk_size,
        "tensor_parallel_shards": 1,
        "pipeline_parallel_stages": 1,
        "disaggregation": config.disaggregation,
        "kv_state_kind": "kv_cache",
        "max_batch_size": config.max_batch_size,
        "active_vocab_size": config.active_vocab_size,
        "model_task": "chat",
        "params": [
            {
                "name": name,
                # A dimension that is open until the weights are loaded goes by its name.
                "shape": [size if isinstance(size, int) else size.name for size in param.shape],
                "dtype": str(param.dtype),
                "preprocs": [],
                "pipeline_stages": [0],
            }
            for name, param in params
        ],
        "kv_cache": {
            "num_hidden_layers": config.num_hidden_layers,
            "num_attention_heads": config.num_attention_heads,
            "num_key_value_heads": config.num_key_value_heads,
            "head_dim": config.head_dim,
        },
    }


@tvm.transform.module_pass(opt_level=0, name="AttachMetadata")
class AttachMetadata:
    """Adds the function; must run after memory planning."""

    def __init__(self, metadata: Dict[str, Any], bounds: Dict[str, int]) -> None:
        self.metadata = metadata
        self.bounds = bounds

    def transform_module(self, mod: tvm.IRModule, _ctx: tvm.transform.PassContext) -> tvm.IRModule:
        """Entry point."""
        text = json.dumps({**self.metadata, "memory_usage": memory_usage(mod, self.bounds)})
        builder = relax.BlockBuilder()
        with builder.function("_metadata", params=[]):
            builder.emit_func_output(StringImm(text))
        mod["_metadata"] = builder.finalize()["_metadata"]
        return mod
