"""What every decoder-only model exports: embed, prefill, decode and batch_decode."""

from typing import Any, Dict, Optional, Tuple

import tvm
from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import Tensor, op

from ..config import ModelConfig
from ..layers import Cache, last_position


class Decoder(nn.Module):
    """Base of the architectures, which supply embed(), hidden() and head()."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    def embed(self, input_ids: Tensor) -> Tensor:
        """Token ids [seq] to embeddings [seq, hidden]."""
        raise NotImplementedError

    def hidden(self, x: Tensor, cache: Cache) -> Tensor:
        """Embeddings to the last hidden state."""
        raise NotImplementedError

    def head(self, x: Tensor) -> Tensor:
        """Hidden state to logits."""
        raise NotImplementedError

    def _forward(self, x: Tensor, past: Optional[Tensor]) -> Tuple[Tensor, Tensor]:
        cache = Cache(past, self.config.num_hidden_layers)
        logits = self.head(last_position(self.hidden(x, cache)))
        return op.astype(logits, "float32"), cache.result()

    def prefill(self, input_embed: Tensor) -> Tuple[Tensor, Tensor]:
        """A prompt: logits after its last token, and the cache."""
        return self._forward(input_embed, None)

    def decode(self, input_embed: Tensor, kv_cache: Tensor) -> Tuple[Tensor, Tensor]:
        """One more token."""
        return self._forward(input_embed, kv_cache)

    def batch_decode(self, input_embeds: Tensor, kv_cache: Tensor) -> Tuple[Tensor, Tensor]:
        """One more token of several sequences of the same length."""
        return self._forward(input_embeds, kv_cache)

    def add_cache(self, mod: tvm.IRModule, _target: tvm.target.Target) -> tvm.IRModule:
        """Adds what makes the cache, where that is not made by `prefill`."""
        return mod

    def spec(self) -> nn.spec.ModuleSpec:
        """The exported functions; parameters come last, as one tuple."""
        config = self.config
        mode = {"param_mode": "packed", "effect_mode": "none"}

        def embeds(batch: "int | str", seq: "int | str") -> nn.spec.Tensor:
            return nn.spec.Tensor([batch, seq, config.hidden_size], "float16")

        def cache(batch: "int | str") -> nn.spec.Tensor:
            layers, heads = 2 * config.num_hidden_layers, config.num_key_value_heads
            return nn.spec.Tensor([layers, batch, "past_len", heads, config.head_dim], "float16")

        functions: Dict[str, Dict[str, Any]] = {
            "embed": {"input_ids": nn.spec.Tensor(["seq_len"], "int32")},
            "prefill": {"input_embed": embeds(1, "seq_len")},
            "decode": {"input_embed": embeds(1, 1), "kv_cache": cache(1)},
            "batch_decode": {
                "input_embeds": embeds("batch_size", 1),
                "kv_cache": cache("batch_size"),
            },
        }
        raw = {name: {**inputs, "$": dict(mode)} for name, inputs in functions.items()}
        return nn.spec.ModuleSpec.from_raw(raw, self)
