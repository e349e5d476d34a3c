"""The layers both architectures are made of."""

import math
from typing import Tuple

from tvm import te, tirx
from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import Tensor, op

from .config import ModelConfig
from .quantization import Quantization


def _dequantize(quant: Quantization, q_weight: Tensor, q_scale: Tensor, columns: int) -> Tensor:
    """Unpack words [rows, words] and scales [rows, groups] to float16 [rows, columns]."""

    def compute(words: te.Tensor, scales: te.Tensor) -> te.Tensor:
        def element(row: tirx.Var, col: tirx.Var) -> tirx.Expr:
            shift = (col % quant.per_word * quant.bits).astype("uint32")
            mask = tirx.const(2**quant.bits - 1, "uint32")
            value = ((words[row, col // quant.per_word] >> shift) & mask).astype("float16")
            zero = tirx.const(quant.max_int, "float16")
            return (value - zero) * scales[row, col // quant.group_size]

        return te.compute((words.shape[0], columns), element, name="dequantize")

    return op.tensor_expr_op(compute, "dequantize", [q_weight, q_scale])


class _Weight(nn.Module):
    """A matrix of [rows, columns], stored as the quantization says."""

    def __init__(self, rows: "int | str", columns: int, quant: Quantization) -> None:
        super().__init__()
        self.columns = columns
        self.quant = quant
        if quant.group_size:
            self.q_weight = nn.Parameter((rows, quant.words(columns)), "uint32")
            self.q_scale = nn.Parameter((rows, quant.groups(columns)), "float16")
        else:
            self.weight = nn.Parameter((rows, columns), "float16")

    def values(self) -> Tensor:
        """The matrix in float16."""
        if not self.quant.group_size:
            return self.weight
        return _dequantize(self.quant, self.q_weight, self.q_scale, self.columns)


class Linear(_Weight):
    """x W^T + b; with out_dtype the product is summed, and the bias stored, in that type."""

    def __init__(
        self,
        in_features: int,
        out_features: "int | str",
        quant: Quantization,
        bias: bool = False,
        out_dtype: str = "float16",
    ) -> None:
        super().__init__(out_features, in_features, quant)
        self.out_dtype = out_dtype
        self.bias = nn.Parameter((out_features,), out_dtype) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        result = op.matmul(x, op.permute_dims(self.values()), out_dtype=self.out_dtype)
        return result if self.bias is None else result + self.bias


class Embedding(_Weight):
    """Rows of a table; only those that are asked for are unpacked."""

    def __init__(self, rows: "int | str", columns: int, quant: Quantization) -> None:
        super().__init__(rows, columns, quant)

    def forward(self, ids: Tensor) -> Tensor:
        if not self.quant.group_size:
            return op.take(self.weight, ids, axis=0)
        words = op.take(self.q_weight, ids, axis=0)
        return _dequantize(self.quant, words, op.take(self.q_scale, ids, axis=0), self.columns)


def _rotate(x: Tensor, offset: "int | tirx.Expr", config: ModelConfig) -> Tensor:
    """Rotary position embedding of x [batch, seq, heads, head_dim], from position `offset` on."""
    half = config.rotary_dim // 2
    step = -2.0 * math.log(config.rope_theta) / config.rotary_dim

    def compute(x: te.Tensor, offset: "int | tirx.Expr") -> te.Tensor:
        def element(b: tirx.Var, s: tirx.Var, h: tirx.Var, d: tirx.Var) -> tirx.Expr:
            position = (s + offset).astype("float32")
            rate = tirx.exp((d % half).astype("float32") * tirx.const(step, "float32"))
            partner = tirx.if_then_else(d < half, -x[b, s, h, d + half], x[b, s, h, d - half])
            angle = position * rate
            rotated = tirx.cos(angle) * x[b, s, h, d].astype("float32")
            rotated += tirx.sin(angle) * partner.astype("float32")
            kept = x[b, s, h, d]
            return tirx.if_then_else(d < config.rotary_dim, rotated.astype(x.dtype), kept)

        return te.compute(x.shape, element, name="rotate")

    return op.tensor_expr_op(compute, "rotate", [x, offset])


def _mask(scores: Tensor, offset: "int | tirx.Expr", scale: float) -> Tensor:
    """Scale scores [batch, heads, seq, total] and hide what lies after each position."""

    def compute(scores: te.Tensor, offset: "int | tirx.Expr") -> te.Tensor:
        def element(b: tirx.Var, h: tirx.Var, row: tirx.Var, col: tirx.Var) -> tirx.Expr:
            visible = scores[b, h, row, col] * tirx.const(scale, "float32")
            return tirx.if_then_else(col <= row + offset, visible, tirx.min_value("float32"))

        return te.compute(scores.shape, element, name="mask")

    return op.tensor_expr_op(compute, "mask", [scores, offset])


class Cache:
    """Keys and values of all layers in one tensor [2 x layers, batch, length, heads, head_dim]."""

    def __init__(self, past: "Tensor | None", layers: int) -> None:
        self.length = past.shape[2] if past is not None else 0
        self.past = op.split(past, 2 * layers, axis=0) if past is not None else None
        self.parts: list = []

    def append(self, new: Tensor) -> Tensor:
        """Append to the next part; parts come in the order they are stored in."""
        batch, _, heads, dim = new.shape
        if self.past is not None:
            past = op.reshape(self.past[len(self.parts)], (batch, self.length, heads, dim))
            new = op.concat([past, new], dim=1)
        self.parts.append(new)
        return new

    def result(self) -> Tensor:
        """The whole, as the next call takes it."""
        return op.concat([op.unsqueeze(part, 0) for part in self.parts], dim=0)


def attend(qkv: Tensor, cache: Cache, config: ModelConfig) -> Tensor:
    """Causal attention over fused [batch, seq, (heads + 2 kv_heads) x head_dim] and the cache."""
    heads, kv_heads, dim = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    batch, seq, _ = qkv.shape
    q, k, v = op.split(qkv, [heads * dim, (heads + kv_heads) * dim], axis=-1)
    q = _rotate(op.reshape(q, (batch, seq, heads, dim)), cache.length, config)
    k = _rotate(op.reshape(k, (batch, seq, kv_heads, dim)), cache.length, config)
    k = cache.append(k)
    v = cache.append(op.reshape(v, (batch, seq, kv_heads, dim)))
    if kv_heads != heads:
        k = op.repeat(k, heads // kv_heads, axis=2)
        v = op.repeat(v, heads // kv_heads, axis=2)
    q, v = op.permute_dims(q, [0, 2, 1, 3]), op.permute_dims(v, [0, 2, 1, 3])
    scores = op.matmul(q, op.permute_dims(k, [0, 2, 3, 1]), out_dtype="float32")
    weights = op.softmax(_mask(scores, cache.length, dim**-0.5), axis=-1).astype("float16")
    mixed = op.permute_dims(op.matmul(weights, v), [0, 2, 1, 3])
    return op.reshape(mixed, (batch, seq, heads * dim))


def last_position(x: Tensor) -> Tensor:
    """x [batch, seq, hidden] at the last position, as [batch, 1, hidden]."""

    def compute(x: te.Tensor) -> te.Tensor:
        shape: Tuple = (x.shape[0], 1, x.shape[2])
        return te.compute(shape, lambda b, _, h: x[b, x.shape[1] - 1, h], name="last")

    return op.tensor_expr_op(compute, "last_position", [x])
