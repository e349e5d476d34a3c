"""Llama: RMSNorm, rotary positions, grouped-query attention, SwiGLU."""

from typing import Type

from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import Tensor, op

from ..config import ModelConfig
from ..layers import Cache, Embedding, Linear, attend
from ..quantization import QUANTIZATIONS, Quantization
from .decoder import Decoder


class _Norm(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.weight = nn.Parameter((config.hidden_size,), "float16")
        self.eps = config.norm_eps

    def forward(self, x: Tensor) -> Tensor:
        return op.rms_norm(x, self.weight, axes=-1, epsilon=self.eps)


class Attention(nn.Module):
    """Attention of the layer with this number."""

    def __init__(self, config: ModelConfig, quant: Quantization, _layer: int) -> None:
        super().__init__()
        self.config = config
        q_size = config.num_attention_heads * config.head_dim
        kv_size = config.num_key_value_heads * config.head_dim
        self.qkv_proj = Linear(config.hidden_size, q_size + 2 * kv_size, quant)
        self.o_proj = Linear(q_size, config.hidden_size, quant)

    def forward(self, x: Tensor, cache: Cache) -> Tensor:
        return self.o_proj(attend(self.qkv_proj(x), cache, self.config))


class _FeedForward(nn.Module):
    def __init__(self, config: ModelConfig, quant: Quantization) -> None:
        super().__init__()
        self.gate_up_proj = Linear(config.hidden_size, 2 * config.intermediate_size, quant)
        self.down_proj = Linear(config.intermediate_size, config.hidden_size, quant)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = op.split(self.gate_up_proj(x), 2, axis=-1)
        return self.down_proj(op.silu(gate) * up)


class _Layer(nn.Module):
    def __init__(self, config: ModelConfig, quant: Quantization, attention: nn.Module) -> None:
        super().__init__()
        self.self_attn = attention
        self.mlp = _FeedForward(config, quant)
        self.input_layernorm = _Norm(config)
        self.post_attention_layernorm = _Norm(config)

    def forward(self, x: Tensor, cache: Cache) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class _Model(nn.Module):
    def __init__(
        self, config: ModelConfig, quant: Quantization, attention: Type[Attention]
    ) -> None:
        super().__init__()
        self.embed_tokens = Embedding("vocab_size", config.hidden_size, quant)
        self.layers = nn.ModuleList(
            [
                _Layer(config, quant, attention(config, quant, number))
                for number in range(config.num_hidden_layers)
            ]
        )
        self.norm = _Norm(config)

    def forward(self, x: Tensor, cache: Cache) -> Tensor:
        for layer in self.layers:
            x = layer(x, cache)
        return self.norm(x)


class Llama(Decoder):
    """The whole model."""

    attention: Type[Attention] = Attention

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        quant = QUANTIZATIONS[config.quantization]
        self.model = _Model(config, quant, self.attention)
        self.lm_head = Linear(config.hidden_size, "vocab_size", quant)

    def embed(self, input_ids: Tensor) -> Tensor:
        return self.model.embed_tokens(input_ids)

    def hidden(self, x: Tensor, cache: Cache) -> Tensor:
        return self.model(x, cache)

    def head(self, x: Tensor) -> Tensor:
        return self.lm_head(x)
