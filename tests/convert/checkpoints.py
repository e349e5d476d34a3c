"""Small checkpoints with random weights, as Hugging Face stores them."""

import json
import struct
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import ml_dtypes
import numpy as np

import families

DTYPES = {
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
}
FP8 = "F8_E4M3"
STORED = {**DTYPES, FP8: ml_dtypes.float8_e4m3fn}

Shapes = List[Tuple[str, Tuple[int, ...]]]


def _layers(count: int, rows: Shapes) -> Shapes:
    return [(name.replace("{}", str(i)), shape) for i in range(count) for name, shape in rows]


def _decoder(config: Dict, norms: List[str], extra: Shapes = (), head: bool = True) -> Shapes:
    hidden, inner, vocab = (
        config[key] for key in ("hidden_size", "intermediate_size", "vocab_size")
    )
    dim = config.get("head_dim") or hidden // config["num_attention_heads"]
    query = config["num_attention_heads"] * dim
    keys = config.get("num_key_value_heads", config["num_attention_heads"]) * dim
    layer = "model.layers.{}."
    rows = [
        (layer + "self_attn.q_proj.weight", (query, hidden)),
        (layer + "self_attn.k_proj.weight", (keys, hidden)),
        (layer + "self_attn.v_proj.weight", (keys, hidden)),
        (layer + "self_attn.o_proj.weight", (hidden, query)),
        (layer + "mlp.gate_proj.weight", (inner, hidden)),
        (layer + "mlp.up_proj.weight", (inner, hidden)),
        (layer + "mlp.down_proj.weight", (hidden, inner)),
        *[(layer + norm, (hidden,)) for norm in norms],
        *[(layer + name, shape) for name, shape in extra],
    ]
    shapes = _layers(config["num_hidden_layers"], rows)
    shapes.append(("model.embed_tokens.weight", (vocab, hidden)))
    if head and not config.get("tie_word_embeddings"):
        shapes.append(("lm_head.weight", (vocab, hidden)))
    return shapes


NORMS = ["input_layernorm.weight", "post_attention_layernorm.weight"]
GEMMA_NORMS = NORMS + ["pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight"]
BIASED_NORMS = NORMS + [name.replace("weight", "bias") for name in NORMS]


def _biases(config: Dict) -> Shapes:
    dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    query, keys = config["num_attention_heads"] * dim, config["num_key_value_heads"] * dim
    return [
        ("self_attn.q_proj.bias", (query,)),
        ("self_attn.k_proj.bias", (keys,)),
        ("self_attn.v_proj.bias", (keys,)),
    ]


def shapes_of(config: Dict) -> Shapes:
    """Names and shapes of an architecture's tensors."""
    kind = config["model_type"]
    if kind in families.FAMILIES:
        return families.shapes(kind)
    hidden = config["hidden_size"]
    final = [("model.norm.weight", (hidden,))]
    if kind in ("llama", "mistral"):
        return _decoder(config, NORMS) + final
    if kind == "olmo":
        return _decoder(config, [])
    if kind == "qwen2":
        return _decoder(config, NORMS, _biases(config)) + final
    if kind == "qwen3":
        extra = [("self_attn.q_norm.weight", (config["head_dim"],))]
        extra.append(("self_attn.k_norm.weight", (config["head_dim"],)))
        if config["attention_bias"]:
            extra += _biases(config) + [("self_attn.o_proj.bias", (hidden,))]
        return _decoder(config, NORMS, extra) + final
    if kind == "gemma":
        return _decoder(config, NORMS, head=False) + final
    if kind == "gemma2":
        return _decoder(config, GEMMA_NORMS, head=False) + final
    if kind == "gemma3_text":
        extra = [("self_attn.q_norm.weight", (config["head_dim"],))]
        extra.append(("self_attn.k_norm.weight", (config["head_dim"],)))
        return _decoder(config, GEMMA_NORMS, extra, head=False) + final
    if kind == "stablelm":
        extra = _biases(config) if config.get("use_qkv_bias") else []
        bias = [("model.norm.bias", (hidden,))]
        return _decoder(config, BIASED_NORMS, extra) + final + bias
    if kind == "phi3":
        return _phi3(config)
    if kind == "gpt_neox":
        return _gpt_neox(config)
    raise ValueError(kind)


def _phi3(config: Dict) -> Shapes:
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    dim = hidden // config["num_attention_heads"]
    qkv = (config["num_attention_heads"] + 2 * config["num_key_value_heads"]) * dim
    layer = "model.layers.{}."
    rows = [
        (layer + "self_attn.qkv_proj.weight", (qkv, hidden)),
        (layer + "self_attn.o_proj.weight", (hidden, hidden)),
        (layer + "mlp.gate_up_proj.weight", (2 * inner, hidden)),
        (layer + "mlp.down_proj.weight", (hidden, inner)),
        *[(layer + norm, (hidden,)) for norm in NORMS],
    ]
    shapes = _layers(config["num_hidden_layers"], rows)
    shapes += [("model.norm.weight", (hidden,))]
    shapes += [("model.embed_tokens.weight", (config["vocab_size"], hidden))]
    if not config.get("tie_word_embeddings"):
        shapes.append(("lm_head.weight", (config["vocab_size"], hidden)))
    return shapes


def _gpt_neox(config: Dict) -> Shapes:
    hidden, inner, vocab = (
        config[key] for key in ("hidden_size", "intermediate_size", "vocab_size")
    )
    layer = "gpt_neox.layers.{}."
    rows = []
    for name, shape in [
        ("attention.query_key_value", (3 * hidden, hidden)),
        ("attention.dense", (hidden, hidden)),
        ("mlp.dense_h_to_4h", (inner, hidden)),
        ("mlp.dense_4h_to_h", (hidden, inner)),
        ("input_layernorm", (hidden,)),
        ("post_attention_layernorm", (hidden,)),
    ]:
        rows += [(f"{layer}{name}.weight", shape), (f"{layer}{name}.bias", shape[:1])]
    rows.append((layer + "attention.masked_bias", (1,)))
    rows.append((layer + "attention.rotary_emb.inv_freq", (8,)))
    shapes = _layers(config["num_hidden_layers"], rows)
    shapes += [(f"gpt_neox.final_layer_norm.{kind}", (hidden,)) for kind in ("weight", "bias")]
    shapes += [("gpt_neox.embed_in.weight", (vocab, hidden))]
    return shapes + [("embed_out.weight", (vocab, hidden))]


def weights(shape: Tuple[int, ...], dtype: str, random: np.random.RandomState) -> np.ndarray:
    """Normal weights, and among them what is hard: zero groups, tiny and large values, ties."""
    values = random.standard_normal(shape) * 0.05
    flat = values.reshape(-1)
    size = flat.size
    for start in random.randint(0, size, size=max(1, size // 400)):
        stop = start + random.randint(1, 80)
        what = random.randint(8)
        if what == 0:
            flat[start:stop] = 0.0
        elif what == 1:
            flat[start:stop] = -0.0
        elif what == 2:  # subnormal in float16, scales that vanish
            flat[start:stop] *= 2.0 ** -random.randint(8, 24)
        elif what == 3:
            flat[start:stop] *= 2.0 ** random.randint(4, 16)
        elif what == 4:  # half way between two integers
            flat[start:stop] = random.randint(-14, 15, size=flat[start:stop].size) * 0.5
        elif what == 5:
            flat[start:stop] = flat[start]
        elif what == 6:
            flat[start] = random.choice([65504.0, -65504.0])
        else:
            flat[start:stop] = 2.0**-24 * random.randint(-8, 9, size=flat[start:stop].size)
    limit = {"F32": 65500.0, "F16": 65440.0, "BF16": 65024.0}[dtype]  # one more fits float16
    return np.clip(values, -limit, limit).astype(DTYPES[dtype])


def write_safetensors(path: Path, tensors: List[Tuple[str, str, np.ndarray]]) -> None:
    """Write a file whose tensors lie in the given order."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, dtype, array in tensors:
        end = offset + array.nbytes
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _, _, array in tensors:
            out.write(array.tobytes())


def read_safetensors(path: Path) -> Dict[str, np.ndarray]:
    """All tensors of a file, in the order of their names."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in sorted(header.items()):
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        array = np.frombuffer(raw[start:end], dtype=STORED[entry["dtype"]])
        tensors[name] = array.reshape(entry["shape"])
    return tensors


def in_blocks(name: str, shape: Tuple[int, ...], blocks: Tuple[int, int], random: np.random.RandomState):
    """A weight that is FP8 with a scale for each block, or BF16 if it is none that gets them."""
    layer = name[: -len(".weight")]
    plain = layer.endswith(("embed_tokens", "lm_head", "gate")) or not name.endswith(".weight")
    if len(shape) < 2 or plain:
        return [(name, "BF16", weights(shape, "BF16", random))]
    bits = random.randint(0, 256, size=shape).astype(np.uint8)
    bits[bits & 0x7F == 0x7F] ^= 1  # NaN
    scales = random.uniform(1e-4, 1e-2, [-(-size // block) for size, block in zip(shape, blocks)])
    dtype = random.choice(["F32", "BF16"])
    return [
        (name, FP8, bits.view(STORED[FP8])),
        (name + "_scale_inv", dtype, scales.astype(DTYPES[dtype])),
    ]


def make(
    directory: Path,
    config: Dict,
    dtype: str,
    files: int,
    seed: int,
    blocks: Optional[Tuple[int, int]] = None,
) -> None:
    """Write a checkpoint: several files with an index, or one without (`files` of 0).

    Tensors of a `mixed` one are F32 and BF16 by turns. With `blocks` it is FP8.
    """
    random = np.random.RandomState(seed)
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(config, indent=2))
    shapes = shapes_of(config)
    random.shuffle(shapes)
    mixed = ["F32", "BF16"] if dtype == "mixed" else [dtype]
    tensors = []
    for at, (name, shape) in enumerate(shapes):
        if blocks is not None:
            tensors += in_blocks(name, shape, blocks, random)
            continue
        of_tensor = mixed[at % len(mixed)]
        tensors.append((name, of_tensor, weights(shape, of_tensor, random)))
    if files == 0:
        write_safetensors(directory / "model.safetensors", tensors)
        return
    weight_map = {}
    names = [f"model-{i + 1:05d}-of-{files:05d}.safetensors" for i in range(files)]
    groups = {name: [] for name in names}
    for tensor in tensors:
        groups[names[random.randint(files)]].append(tensor)
    for name, group in groups.items():
        write_safetensors(directory / name, group)
    # The order of an index is no order of files.
    placed = [(tensor[0], name) for name, group in groups.items() for tensor in group]
    for at in random.permutation(len(placed)):
        weight_map[placed[at][0]] = placed[at][1]
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


def config(kind: str, hidden: int = 100, inner: int = 130, vocab: int = 50, **more) -> Dict:
    """A small config of an architecture; the sizes fill no groups."""
    if kind in families.FAMILIES:
        return {**families.config(kind), **more}
    common = {
        "model_type": kind,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_hidden_layers": 2,
        "vocab_size": vocab,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 64,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
    }
    special = {
        "qwen3": {"attention_bias": False, "head_dim": 40},
        "gemma": {"attention_bias": False, "head_dim": 40, "hidden_act": "gelu"},
        "gemma2": {
            "attention_bias": False,
            "head_dim": 40,
            "hidden_act": "gelu",
            "query_pre_attn_scalar": 40,
            "sliding_window": 32,
        },
        "gemma3_text": {"head_dim": 40, "sliding_window": 32, "hidden_activation": "gelu"},
        "gpt_neox": {
            "use_parallel_residual": True,
            "layer_norm_eps": 1e-5,
            "rotary_pct": 0.25,
            "num_key_value_heads": None,
            "hidden_act": "gelu",
        },
        "stablelm": {"layer_norm_eps": 1e-5, "partial_rotary_factor": 0.25},
    }
    merged = {**common, **special.get(kind, {}), **more}
    return {key: value for key, value in merged.items() if value is not None}


ARCHITECTURES = [
    "gemma",
    "gemma2",
    "gemma3_text",
    "gpt_neox",
    "llama",
    "mistral",
    "olmo",
    "phi3",
    "qwen2",
    "qwen3",
    "stablelm",
    *families.FAMILIES,
]
