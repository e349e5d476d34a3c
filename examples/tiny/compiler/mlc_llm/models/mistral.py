"""Mistral: Llama with the paged KV cache of upstream's libraries, and a sliding window."""

from typing import Tuple

import tvm
from tvm import relax, tirx
from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import Tensor, op
from tvm.relax.frontend.nn.llm.kv_cache import PagedKVCache, RopeMode, TIRPagedKVCache

from ..config import ModelConfig
from ..layers import last_position
from ..quantization import Quantization
from .llama import Attention, Llama


class _Attention(Attention):
    """The cache turns queries and keys itself."""

    def __init__(self, config: ModelConfig, quant: Quantization, layer: int) -> None:
        super().__init__(config, quant, layer)
        self.layer = layer

    def forward(self, x: Tensor, cache: PagedKVCache) -> Tensor:
        config = self.config
        heads, kv_heads, dim = (
            config.num_attention_heads,
            config.num_key_value_heads,
            config.head_dim,
        )
        batch, seq, _ = x.shape
        qkv = op.reshape(self.qkv_proj(x), (batch, seq, heads + 2 * kv_heads, dim))
        mixed = cache.attention_with_fused_qkv(self.layer, qkv, heads, dim**-0.5)
        return self.o_proj(op.reshape(mixed, (batch, seq, heads * dim)))


class Mistral(Llama):
    """The whole model. Its functions are those of upstream's libraries, by name and argument."""

    attention = _Attention

    def _logits(self, x: Tensor) -> Tensor:
        return op.astype(self.head(last_position(x)), "float32")

    def prefill(self, input_embed: Tensor, paged_kv_cache: PagedKVCache) -> Tuple:
        return self._logits(self.hidden(input_embed, paged_kv_cache)), paged_kv_cache

    def decode(self, input_embed: Tensor, paged_kv_cache: PagedKVCache) -> Tuple:
        return self._logits(self.hidden(input_embed, paged_kv_cache)), paged_kv_cache

    def batch_decode(self, input_embeds: Tensor, paged_kv_cache: PagedKVCache) -> Tuple:
        return self._logits(self.hidden(input_embeds, paged_kv_cache)), paged_kv_cache

    def spec(self) -> nn.spec.ModuleSpec:
        """The exported functions but `create_tir_paged_kv_cache`, which is made of TVM's own."""
        mode = {"param_mode": "packed", "effect_mode": "none"}

        def embeds(batch: "int | str", seq: "int | str") -> nn.spec.Tensor:
            return nn.spec.Tensor([batch, seq, self.config.hidden_size], "float16")

        cache = nn.spec.Object(object_type=PagedKVCache)
        functions = {
            "embed": {"input_ids": nn.spec.Tensor(["seq_len"], "int32")},
            "prefill": {"input_embed": embeds(1, "seq_len"), "paged_kv_cache": cache},
            "decode": {"input_embed": embeds(1, 1), "paged_kv_cache": cache},
            "batch_decode": {"input_embeds": embeds("batch_size", 1), "paged_kv_cache": cache},
        }
        raw = {name: {**inputs, "$": dict(mode)} for name, inputs in functions.items()}
        return nn.spec.ModuleSpec.from_raw(raw, self)

    def add_cache(self, mod: tvm.IRModule, target: tvm.target.Target) -> tvm.IRModule:
        """`create_tir_paged_kv_cache`, as upstream's compiler pass makes it."""
        names = ("max_batch_size", "max_total_seq_len", "prefill_chunk_size", "page_size")
        sizes = [tirx.Var(name, "int64") for name in (*names, "support_sliding_window")]
        params = [relax.Var(f"{size.name}_", relax.ShapeType([size])) for size in sizes]
        config = self.config
        builder = relax.BlockBuilder(mod)
        with builder.function("create_tir_paged_kv_cache", params):
            cache = TIRPagedKVCache(
                "mha",
                *sizes,
                layer_partition=relax.ShapeExpr([0, config.num_hidden_layers]),
                num_hidden_layers=config.num_hidden_layers,
                num_attention_heads=config.num_attention_heads,
                num_key_value_heads=config.num_key_value_heads,
                qk_head_dim=config.head_dim,
                v_head_dim=config.head_dim,
                mla_original_qk_head_dim=0,
                mla_original_v_head_dim=0,
                rope_mode=RopeMode.NORMAL,
                rope_scale=1,
                rope_theta=int(config.rope_theta),
                rope_scaling={},
                rope_ext_factors=relax.prim_value(0),
                rotary_dim=config.head_dim,
                enable_disaggregation=False,
                dtype="float16",
                target=target,
            )
            builder.emit_func_output(cache._expr)
        return builder.finalize()
