"""Small configs and tensors of the architectures that have another form than Llama's.

`FAMILIES` maps a model type to its config and a function from that to names and shapes.
"""

from typing import Callable, Dict, List, Tuple

Shapes = List[Tuple[str, Tuple[int, ...]]]

HIDDEN, INNER, VOCAB, HEADS, KV_HEADS, LAYERS = 100, 130, 50, 4, 2, 2
DIM = HIDDEN // HEADS
QUERY, KEYS = HEADS * DIM, KV_HEADS * DIM
EXPERTS, EXPERT_INNER = 3, 44


def _linear(name: str, out: int, inner: int, bias: bool = False) -> Shapes:
    return [(name + ".weight", (out, inner))] + ([(name + ".bias", (out,))] if bias else [])


def _norm(name: str, size: int = HIDDEN, bias: bool = False) -> Shapes:
    return [(name + ".weight", (size,))] + ([(name + ".bias", (size,))] if bias else [])


def _qkv(prefix: str, bias: bool = False, query: int = QUERY, keys: int = KEYS) -> Shapes:
    shapes = _linear(prefix + "q_proj", query, HIDDEN, bias)
    return shapes + [
        entry for part in "kv" for entry in _linear(f"{prefix}{part}_proj", keys, HIDDEN, bias)
    ]


def _gated(prefix: str, inner: int = INNER, names=("gate_proj", "up_proj", "down_proj")) -> Shapes:
    gate, up, down = names
    return (
        _linear(prefix + gate, inner, HIDDEN)
        + _linear(prefix + up, inner, HIDDEN)
        + _linear(prefix + down, HIDDEN, inner)
    )


def _experts(prefix: str, names=("gate_proj", "up_proj", "down_proj"), inner=EXPERT_INNER) -> Shapes:
    each = [_gated(f"{prefix}experts.{expert}.", inner, names) for expert in range(EXPERTS)]
    return [entry for shapes in each for entry in shapes]


NORMS = ("input_layernorm", "post_attention_layernorm")


def _decoder(
    layer: Callable[[int, str], Shapes],
    prefix: str = "model.",
    norms=NORMS,
    bias: bool = False,
    head: str = "lm_head",
) -> Shapes:
    shapes = _linear(prefix + "embed_tokens", VOCAB, HIDDEN) + _norm(prefix + "norm", bias=bias)
    for at in range(LAYERS):
        name = f"{prefix}layers.{at}."
        shapes += layer(at, name)
        shapes += [entry for norm in norms for entry in _norm(name + norm, bias=bias)]
    return shapes + (_linear(head, VOCAB, HIDDEN) if head else [])


def _attention(name: str, bias: bool = False, out_bias: bool = False) -> Shapes:
    out = _linear(name + "self_attn.o_proj", HIDDEN, QUERY, out_bias)
    return _qkv(name + "self_attn.", bias) + out


COMMON = {
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "num_hidden_layers": LAYERS,
    "vocab_size": VOCAB,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 64,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
}
TOKENS = {"bos_token_id": 1, "eos_token_id": 2, "use_cache": True}


def _gemma3(prefix: str) -> Shapes:
    def layer(_: int, name: str) -> Shapes:
        shapes = _attention(name) + _gated(name + "mlp.")
        return shapes + _norm(name + "self_attn.q_norm", DIM) + _norm(name + "self_attn.k_norm", DIM)

    norms = NORMS + ("pre_feedforward_layernorm", "post_feedforward_layernorm")
    shapes = _decoder(layer, prefix + "model.", norms, head="")
    return shapes + [("vision_tower.patch.weight", (7, 3)), ("multi_modal_projector.w", (5,))]


def _gpt2() -> Shapes:
    shapes = [("wte.weight", (VOCAB, HIDDEN)), ("wpe.weight", (64, HIDDEN))] + _norm("ln_f", bias=True)
    for at in range(LAYERS):
        name = f"h.{at}."
        for part, inner, out in [
            ("attn.c_attn", HIDDEN, 3 * HIDDEN),
            ("attn.c_proj", HIDDEN, HIDDEN),
            ("mlp.c_fc", HIDDEN, 4 * HIDDEN),
            ("mlp.c_proj", 4 * HIDDEN, HIDDEN),
        ]:
            shapes += [(f"{name}{part}.weight", (inner, out)), (f"{name}{part}.bias", (out,))]
        shapes += _norm(name + "ln_1", bias=True) + _norm(name + "ln_2", bias=True)
        shapes.append((name + "attn.bias", (1, 1, 8, 8)))
    return shapes


def _gpt_bigcode() -> Shapes:
    shapes = _linear("transformer.wte", VOCAB, HIDDEN) + _linear("transformer.wpe", 64, HIDDEN)
    shapes += _norm("transformer.ln_f", bias=True) + _linear("lm_head", VOCAB, HIDDEN)
    for at in range(LAYERS):
        name = f"transformer.h.{at}."
        shapes += _linear(name + "attn.c_attn", (HEADS + 2) * DIM, HIDDEN, True)
        shapes += _linear(name + "attn.c_proj", HIDDEN, HIDDEN, True)
        shapes += _linear(name + "mlp.c_fc", INNER, HIDDEN, True)
        shapes += _linear(name + "mlp.c_proj", HIDDEN, INNER, True)
        shapes += _norm(name + "ln_1", bias=True) + _norm(name + "ln_2", bias=True)
    return shapes


GPT = {"n_embd": HIDDEN, "n_head": HEADS, "n_layer": LAYERS, "n_positions": 64, "vocab_size": VOCAB}


def _phi() -> Shapes:
    def layer(_: int, name: str) -> Shapes:
        shapes = _qkv(name + "self_attn.", True) + _linear(name + "self_attn.dense", HIDDEN, QUERY, True)
        return shapes + _linear(name + "mlp.fc1", INNER, HIDDEN, True) + _linear(name + "mlp.fc2", HIDDEN, INNER, True)

    shapes = _decoder(layer, norms=("input_layernorm",), bias=True, head="")
    shapes = [(n.replace("model.norm.", "model.final_layernorm."), s) for n, s in shapes]
    return shapes + _linear("lm_head", VOCAB, HIDDEN, True)


def _phi_msft() -> Shapes:
    shapes = _linear("transformer.embd.wte", VOCAB, HIDDEN)
    shapes += _norm("lm_head.ln", bias=True) + _linear("lm_head.linear", VOCAB, HIDDEN, True)
    for at in range(LAYERS):
        name = f"transformer.h.{at}."
        shapes += _norm(name + "ln", bias=True)
        shapes += _linear(name + "mixer.Wqkv", QUERY + 2 * KEYS, HIDDEN, True)
        shapes += _linear(name + "mixer.out_proj", HIDDEN, HIDDEN, True)
        shapes += _linear(name + "mlp.fc1", INNER, HIDDEN, True) + _linear(name + "mlp.fc2", HIDDEN, INNER, True)
    return shapes


def _qwen() -> Shapes:
    shapes = _linear("transformer.wte", VOCAB, HIDDEN) + _norm("transformer.ln_f")
    shapes += _linear("lm_head", VOCAB, HIDDEN)
    for at in range(LAYERS):
        name = f"transformer.h.{at}."
        shapes += _linear(name + "attn.c_attn", 3 * HIDDEN, HIDDEN, True)
        shapes += _linear(name + "attn.c_proj", HIDDEN, HIDDEN)
        shapes += _gated(name + "mlp.", INNER // 2, ("w1", "w2", "c_proj"))
        shapes += _norm(name + "ln_1") + _norm(name + "ln_2")
    return shapes


def _mixtral() -> Shapes:
    def layer(_: int, name: str) -> Shapes:
        moe = name + "block_sparse_moe."
        return _attention(name) + _linear(moe + "gate", EXPERTS, HIDDEN) + _experts(moe, ("w1", "w3", "w2"), INNER)

    return _decoder(layer)


def _qwen2_moe() -> Shapes:
    def layer(_: int, name: str) -> Shapes:
        mlp = name + "mlp."
        shapes = _attention(name, True) + _experts(mlp) + _linear(mlp + "gate", EXPERTS, HIDDEN)
        return shapes + _gated(mlp + "shared_expert.", 70) + _linear(mlp + "shared_expert_gate", 1, HIDDEN)

    return _decoder(layer)


def _qwen3_moe() -> Shapes:
    def layer(_: int, name: str) -> Shapes:
        shapes = _attention(name, True, True) + _experts(name + "mlp.")
        shapes += _norm(name + "self_attn.q_norm", DIM) + _norm(name + "self_attn.k_norm", DIM)
        return shapes + _linear(name + "mlp.gate", EXPERTS, HIDDEN)

    return _decoder(layer)


def _qwen3_5() -> Shapes:
    values, keys = 3 * 16, 2 * 12

    def layer(at: int, name: str) -> Shapes:
        if (at + 1) % 2 == 0:
            shapes = _qkv(name + "self_attn.", query=2 * QUERY)
            shapes += _linear(name + "self_attn.o_proj", HIDDEN, QUERY)
            shapes += _norm(name + "self_attn.q_norm", DIM) + _norm(name + "self_attn.k_norm", DIM)
        else:
            lin = name + "linear_attn."
            shapes = _linear(lin + "in_proj_qkv", 2 * keys + values, HIDDEN)
            shapes += _linear(lin + "in_proj_z", values, HIDDEN) + _linear(lin + "out_proj", HIDDEN, values)
            shapes += _linear(lin + "in_proj_a", 3, HIDDEN) + _linear(lin + "in_proj_b", 3, HIDDEN)
            shapes += [(lin + "conv1d.weight", (2 * keys + values, 1, 4)), (lin + "A_log", (3,))]
            shapes += [(lin + "dt_bias", (3,))] + _norm(lin + "norm", 16)
        return shapes + _gated(name + "mlp.")

    shapes = _decoder(layer, "model.language_model.")
    return shapes + [("mtp.fc.weight", (5, 6)), ("model.visual.x.weight", (3, 4))]


def _deepseek() -> Shapes:
    def layer(at: int, name: str) -> Shapes:
        return _attention(name) + _deepseek_mlp(at, name + "mlp.")

    return _decoder(layer)


def _deepseek_mlp(at: int, mlp: str) -> Shapes:
    if at == 0:
        return _gated(mlp)
    shapes = _experts(mlp) + _gated(mlp + "shared_experts.", 2 * EXPERT_INNER)
    return shapes + _linear(mlp + "gate", EXPERTS, HIDDEN)


def _deepseek_v2(small_query: bool) -> Shapes:
    def layer(at: int, name: str) -> Shapes:
        attn = name + "self_attn."
        if small_query:
            shapes = _linear(attn + "q_a_proj", 48, HIDDEN) + _norm(attn + "q_a_layernorm", 48)
            shapes += _linear(attn + "q_b_proj", HEADS * 24, 48)
        else:
            shapes = _linear(attn + "q_proj", HEADS * 24, HIDDEN)
        shapes += _linear(attn + "kv_a_proj_with_mqa", 36 + 8, HIDDEN) + _norm(attn + "kv_a_layernorm", 36)
        shapes += _linear(attn + "kv_b_proj", HEADS * (16 + 12), 36) + _linear(attn + "o_proj", HIDDEN, HEADS * 12)
        if at > 0 and small_query:
            shapes.append((name + "mlp.gate.e_score_correction_bias", (EXPERTS,)))
        return shapes + _deepseek_mlp(at, name + "mlp.")

    return _decoder(layer)


DEEPSEEK = {
    **COMMON,
    "moe_intermediate_size": EXPERT_INNER,
    "n_shared_experts": 2,
    "n_routed_experts": EXPERTS,
    "num_experts_per_tok": 2,
    "moe_layer_freq": 1,
    "first_k_dense_replace": 1,
    "norm_topk_prob": True,
    "attention_bias": False,
    **TOKENS,
}
DEEPSEEK_V2 = {
    **DEEPSEEK,
    "num_key_value_heads": HEADS,
    "routed_scaling_factor": 1.0,
    "scoring_func": "softmax",
    "topk_method": "greedy",
    "n_group": 1,
    "topk_group": 1,
    "kv_lora_rank": 36,
    "qk_rope_head_dim": 8,
    "v_head_dim": 12,
    "qk_nope_head_dim": 16,
    "rope_scaling": {"type": "yarn", "factor": 40, "mscale_all_dim": 0.7, "mscale": 0.7,
                     "beta_fast": 32, "beta_slow": 1, "original_max_position_embeddings": 64},
}


def _baichuan() -> Shapes:
    def layer(_: int, name: str) -> Shapes:
        shapes = _linear(name + "self_attn.W_pack", 3 * HIDDEN, HIDDEN)
        return shapes + _linear(name + "self_attn.o_proj", HIDDEN, HIDDEN) + _gated(name + "mlp.")

    return _decoder(layer)


def _internlm() -> Shapes:
    def layer(_: int, name: str) -> Shapes:
        shapes = _qkv(name + "self_attn.", True, keys=QUERY) + _gated(name + "mlp.")
        shapes.append((name + "self_attn.rotary_emb.inv_freq", (12,)))
        return shapes + _linear(name + "self_attn.o_proj", HIDDEN, HIDDEN, True)

    return _decoder(layer)


def _internlm2() -> Shapes:
    def layer(_: int, name: str) -> Shapes:
        shapes = _linear(name + "attention.wqkv", QUERY + 2 * KEYS, HIDDEN)
        shapes += _linear(name + "attention.wo", HIDDEN, QUERY)
        return shapes + _gated(name + "feed_forward.", INNER, ("w1", "w3", "w2"))

    shapes = _decoder(layer, norms=("attention_norm", "ffn_norm"), head="output")
    return [(name.replace("embed_tokens", "tok_embeddings"), shape) for name, shape in shapes]


def _starcoder2() -> Shapes:
    def layer(_: int, name: str) -> Shapes:
        shapes = _attention(name, True, True)
        return shapes + _linear(name + "mlp.c_fc", INNER, HIDDEN, True) + _linear(name + "mlp.c_proj", HIDDEN, INNER, True)

    return _decoder(layer, bias=True, head="")


def _llama_like(**more) -> Shapes:
    return _decoder(lambda _, name: _attention(name) + _gated(name + "mlp."), **more)


def _minicpm_moe() -> Shapes:
    def layer(_: int, name: str) -> Shapes:
        mlp = name + "mlp."
        return _attention(name) + _linear(mlp + "gate", EXPERTS, HIDDEN) + _experts(mlp, ("w1", "w3", "w2"), INNER)

    return _decoder(layer)


def _nemotron() -> Shapes:
    def layer(_: int, name: str) -> Shapes:
        return _attention(name) + _linear(name + "mlp.up_proj", INNER, HIDDEN) + _linear(name + "mlp.down_proj", HIDDEN, INNER)

    return _decoder(layer, bias=True)


def _olmo2() -> Shapes:
    def layer(_: int, name: str) -> Shapes:
        shapes = _attention(name) + _gated(name + "mlp.")
        return shapes + _norm(name + "self_attn.q_norm", QUERY) + _norm(name + "self_attn.k_norm", KEYS)

    return _decoder(layer, norms=("post_attention_layernorm", "post_feedforward_layernorm"))


def _chatglm() -> Shapes:
    top = "transformer."
    shapes = _linear(top + "embedding.word_embeddings", VOCAB, HIDDEN)
    shapes += _norm(top + "encoder.final_layernorm") + _linear(top + "output_layer", VOCAB, HIDDEN)
    shapes.append((top + "rotary_pos_emb.inv_freq", (6,)))
    for at in range(LAYERS):
        name = f"{top}encoder.layers.{at}."
        shapes += _linear(name + "self_attention.query_key_value", QUERY + 2 * KEYS, HIDDEN, True)
        shapes += _linear(name + "self_attention.dense", HIDDEN, QUERY)
        shapes += _linear(name + "mlp.dense_h_to_4h", 2 * INNER, HIDDEN)
        shapes += _linear(name + "mlp.dense_4h_to_h", HIDDEN, INNER)
        shapes += _norm(name + "input_layernorm") + _norm(name + "post_attention_layernorm")
    return shapes


def _bert() -> Shapes:
    shapes = _norm("embeddings.LayerNorm", bias=True)
    for name, rows in [("word", VOCAB), ("position", 64), ("token_type", 2)]:
        shapes += _linear(f"embeddings.{name}_embeddings", rows, HIDDEN)
    for at in range(LAYERS):
        name = f"encoder.layer.{at}."
        for part in ("query", "key", "value"):
            shapes += _linear(f"{name}attention.self.{part}", HIDDEN, HIDDEN, True)
        shapes += _linear(name + "attention.output.dense", HIDDEN, HIDDEN, True)
        shapes += _linear(name + "intermediate.dense", INNER, HIDDEN, True)
        shapes += _linear(name + "output.dense", HIDDEN, INNER, True)
        shapes += _norm(name + "attention.output.LayerNorm", bias=True) + _norm(name + "output.LayerNorm", bias=True)
    return shapes + _linear("pooler.dense", HIDDEN, HIDDEN, True)


def _llama4() -> Shapes:
    def layer(_: int, name: str) -> Shapes:
        moe = name + "feed_forward."
        shapes = _attention(name) + _gated(moe + "shared_expert.") + _linear(moe + "router", EXPERTS, HIDDEN)
        shapes.append((moe + "experts.gate_up_proj", (EXPERTS, HIDDEN, 2 * INNER)))
        return shapes + [(moe + "experts.down_proj", (EXPERTS, INNER, HIDDEN))]

    shapes = [("language_model." + name, shape) for name, shape in _decoder(layer)]
    return shapes + [("vision_model.x.weight", (3, 4))]


def _rwkv(hidden: int, head: int, time: Dict[str, Tuple[int, ...]], inner: int, mixes) -> Shapes:
    shapes = _linear("rwkv.embeddings", VOCAB, hidden) + _norm("rwkv.ln_out", hidden, True)
    shapes += _linear("head", VOCAB, hidden) + _norm("rwkv.blocks.0.pre_ln", hidden, True)
    for at in range(3):
        name = f"rwkv.blocks.{at}."
        shapes += _norm(name + "ln1", hidden, True) + _norm(name + "ln2", hidden, True)
        shapes += _norm(name + "attention.ln_x", hidden, True)
        for part in ("key", "value", "receptance", "gate", "output"):
            shapes += _linear(name + "attention." + part, hidden, hidden)
        shapes += [(name + "attention." + key, shape) for key, shape in time.items()]
        shapes.append((name + "attention.time_faaaa", (hidden // head, head)))
        shapes += [(name + "feed_forward." + mix, (1, 1, hidden)) for mix in mixes]
        shapes += _linear(name + "feed_forward.key", inner, hidden) + _linear(name + "feed_forward.value", hidden, inner)
        shapes += _linear(name + "feed_forward.receptance", hidden, hidden)
    return shapes


def _rwkv5() -> Shapes:
    time = {f"time_mix_{name}": (1, 1, 96) for name in ("gate", "key", "value", "receptance")}
    time["time_decay"] = (6, 16)
    return _rwkv(96, 16, time, 130, ("time_mix_key", "time_mix_receptance"))


def _rwkv6() -> Shapes:
    time = {f"time_maa_{name}": (1, 1, 96) for name in "xwkvrg"}
    time.update(time_maa_w1=(96, 160), time_maa_w2=(5, 32, 96), time_decay=(1, 1, 96))
    time.update(time_decay_w1=(96, 64), time_decay_w2=(64, 96))
    return _rwkv(96, 16, time, 336, ("time_maa_k", "time_maa_r"))


RWKV = {"hidden_size": 96, "num_hidden_layers": 3, "vocab_size": VOCAB, "head_size": 16,
        "rescale_every": 1, "intermediate_size": 130, "num_attention_heads": 64}

FAMILIES: Dict[str, Tuple[Dict, Callable[[], Shapes]]] = {
    "gemma3": (
        {"text_config": {"hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
                         "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": DIM,
                         "sliding_window": 32, "hidden_activation": "gelu"}, "vocab_size": VOCAB},
        lambda: _gemma3("language_model."),
    ),
    "gpt2": ({**GPT, "layer_norm_epsilon": 1e-5}, _gpt2),
    "gpt_bigcode": ({**GPT, "n_inner": INNER, "layer_norm_epsilon": 1e-5}, _gpt_bigcode),
    "phi": (
        {**COMMON, "layer_norm_eps": 1e-5, "partial_rotary_factor": 0.5, "hidden_act": "gelu_new"},
        _phi,
    ),
    "phi-msft": ({**GPT, "n_inner": INNER, "n_head_kv": KV_HEADS, "rotary_dim": 8}, _phi_msft),
    "qwen": (
        {**COMMON, "layer_norm_epsilon": 1e-5, "scale_attn_weights": True, "kv_channels": DIM,
         "rotary_emb_base": 10000},
        _qwen,
    ),
    "mixtral": ({**COMMON, "num_local_experts": EXPERTS, "num_experts_per_tok": 2}, _mixtral),
    "qwen2_moe": (
        {**COMMON, "num_experts": EXPERTS, "num_experts_per_tok": 2, "decoder_sparse_step": 1,
         "moe_intermediate_size": EXPERT_INNER, "shared_expert_intermediate_size": 70},
        _qwen2_moe,
    ),
    "qwen3_moe": (
        {**COMMON, "num_experts": EXPERTS, "num_experts_per_tok": 2, "decoder_sparse_step": 1,
         "moe_intermediate_size": EXPERT_INNER, "attention_bias": True, "head_dim": DIM},
        _qwen3_moe,
    ),
    "qwen3_5": (
        {"text_config": {**COMMON, "head_dim": DIM, "full_attention_interval": 2,
                         "linear_num_value_heads": 3, "linear_value_head_dim": 16,
                         "linear_num_key_heads": 2, "linear_key_head_dim": 12}},
        _qwen3_5,
    ),
    "deepseek": (DEEPSEEK, _deepseek),
    "deepseek_v2": (DEEPSEEK_V2, lambda: _deepseek_v2(False)),
    "deepseek_v3": (
        {**DEEPSEEK_V2, "q_lora_rank": 48, "topk_method": "noaux_tc", "scoring_func": "sigmoid"},
        lambda: _deepseek_v2(True),
    ),
    "baichuan": (
        {**COMMON, **TOKENS, "initializer_range": 0.02, "pad_token_id": 0, "tie_word_embeddings": False},
        _baichuan,
    ),
    "internlm": ({**COMMON, **TOKENS, "bias": True, "pad_token_id": 0}, _internlm),
    "internlm2": ({**COMMON, **TOKENS, "bias": False, "pad_token_id": 0}, _internlm2),
    "starcoder2": (
        {**COMMON, **TOKENS, "norm_epsilon": 1e-5, "use_bias": True, "hidden_act": "gelu_pytorch_tanh"},
        _starcoder2,
    ),
    "cohere": (
        {**COMMON, "layer_norm_eps": 1e-5},
        lambda: _llama_like(norms=("input_layernorm",), head=""),
    ),
    "minicpm": (
        {**COMMON, **TOKENS, "scale_emb": 12, "scale_depth": 1.4, "dim_model_base": 50,
         "num_experts": EXPERTS, "num_experts_per_tok": 2},
        _minicpm_moe,
    ),
    "ministral3": (
        {"text_config": {**COMMON, "head_dim": DIM}, "vision_config": {"hidden_size": 4}},
        lambda: [("language_model." + name, shape) for name, shape in _llama_like()]
        + [("vision_tower.x.weight", (3, 4))],
    ),
    "nemotron": ({**COMMON, "norm_eps": 1e-5, "hidden_act": "relu2"}, _nemotron),
    "olmo2": (COMMON, _olmo2),
    "orion": (COMMON, lambda: _llama_like(bias=True)),
    "chatglm": (
        {"hidden_size": HIDDEN, "num_layers": LAYERS, "kv_channels": DIM, "num_attention_heads": HEADS,
         "ffn_hidden_size": INNER, "layernorm_epsilon": 1e-5, "post_layer_norm": True, "rmsnorm": True,
         "add_bias_linear": False, "add_qkv_bias": True, "apply_query_key_layer_scaling": True,
         "multi_query_attention": True, "multi_query_group_num": KV_HEADS, "padded_vocab_size": VOCAB,
         "seq_length": 64},
        _chatglm,
    ),
    "bert": ({**COMMON, "layer_norm_eps": 1e-12, "type_vocab_size": 2, "hidden_act": "gelu"}, _bert),
    "llama4": (
        {"text_config": {**COMMON, "use_qk_norm": True, "interleave_moe_layer_step": 1,
                         "num_experts_per_tok": 1, "num_local_experts": EXPERTS,
                         "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "high_freq_factor": 4.0,
                                          "low_freq_factor": 1.0, "original_max_position_embeddings": 64}}},
        _llama4,
    ),
    "rwkv5": ({**RWKV, "model_version": "5_2"}, _rwkv5),
    "rwkv6": (RWKV, _rwkv6),
}


def config(kind: str) -> Dict:
    """The config of a family."""
    return {"model_type": kind, **FAMILIES[kind][0]}


def shapes(kind: str) -> Shapes:
    """Names and shapes of its tensors."""
    return FAMILIES[kind][1]()
