"""GPT-NeoX: LayerNorm, partly rotary positions, biases, GELU, optionally parallel residual."""

from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import Tensor, op

from ..config import ModelConfig
from ..layers import Cache, Embedding, Linear, attend
from ..quantization import QUANTIZATIONS, Quantization
from .decoder import Decoder


class _Norm(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.size, self.eps = config.hidden_size, config.norm_eps
        self.weight = nn.Parameter((self.size,), "float16")
        self.bias = nn.Parameter((self.size,), "float16")

    def forward(self, x: Tensor) -> Tensor:
        return op.layer_norm(x, self.size, self.weight, self.bias, self.eps)


class _Attention(nn.Module):
    def __init__(self, config: ModelConfig, quant: Quantization) -> None:
        super().__init__()
        self.config = config
        size = config.num_attention_heads * config.head_dim
        self.query_key_value = Linear(config.hidden_size, 3 * size, quant, bias=True)
        self.dense = Linear(size, config.hidden_size, quant, bias=True)

    def forward(self, x: Tensor, cache: Cache) -> Tensor:
        return self.dense(attend(self.query_key_value(x), cache, self.config))


class _FeedForward(nn.Module):
    """Sums, and its biases, are float32 even where everything else is float16."""

    def __init__(self, config: ModelConfig, quant: Quantization) -> None:
        super().__init__()
        inner, outer = config.intermediate_size, config.hidden_size
        self.dense_h_to_4h = Linear(outer, inner, quant, bias=True, out_dtype="float32")
        self.dense_4h_to_h = Linear(inner, outer, quant, bias=True, out_dtype="float32")

    def forward(self, x: Tensor) -> Tensor:
        inner = op.astype(op.gelu(self.dense_h_to_4h(x)), "float16")
        return op.astype(self.dense_4h_to_h(inner), "float16")


class _Layer(nn.Module):
    def __init__(self, config: ModelConfig, quant: Quantization) -> None:
        super().__init__()
        self.input_layernorm = _Norm(config)
        self.post_attention_layernorm = _Norm(config)
        self.attention = _Attention(config, quant)
        self.mlp = _FeedForward(config, quant)
        self.parallel = config.use_parallel_residual

    def forward(self, x: Tensor, cache: Cache) -> Tensor:
        attended = x + self.attention(self.input_layernorm(x), cache)
        source = x if self.parallel else attended
        return attended + self.mlp(self.post_attention_layernorm(source))


class _Model(nn.Module):
    def __init__(self, config: ModelConfig, quant: Quantization) -> None:
        super().__init__()
        self.embed_in = Embedding("vocab_size", config.hidden_size, quant)
        self.layers = nn.ModuleList(
            [_Layer(config, quant) for _ in range(config.num_hidden_layers)]
        )
        self.final_layer_norm = _Norm(config)

    def forward(self, x: Tensor, cache: Cache) -> Tensor:
        for layer in self.layers:
            x = layer(x, cache)
        return self.final_layer_norm(x)


class GPTNeoX(Decoder):
    """The whole model."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        quant = QUANTIZATIONS[config.quantization]
        self.gpt_neox = _Model(config, quant)
        self.embed_out = Linear(config.hidden_size, "vocab_size", quant)

    def embed(self, input_ids: Tensor) -> Tensor:
        return self.gpt_neox.embed_in(input_ids)

    def hidden(self, x: Tensor, cache: Cache) -> Tensor:
        return self.gpt_neox(x, cache)

    def head(self, x: Tensor) -> Tensor:
        return self.embed_out(x)
