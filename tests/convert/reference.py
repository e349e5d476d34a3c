"""A checkpoint to MLC weights, one tensor after the other, straight from the formulas.

Written to be obvious and to have nothing in common with the program under test: names by rules
instead of tables, everything in memory, one operation a line. The results were compared with
what `mlc_llm convert_weight` of July 2026 writes on TVM 0.27.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import ml_dtypes
import numpy as np

import families
from checkpoints import read_safetensors

BF16 = ml_dtypes.bfloat16
MODEL_TYPES = {"f16": np.float16, "bf16": BF16, "f32": np.float32}
CAP = 32 * 2**20
SCALE = "_scale_inv"
BLOCK_SCALE = "fp8_e4m3fn_bf16_block_scale"
PER_TENSOR = {
    "e5m2_e5m2_f16": ml_dtypes.float8_e5m2,
    "e4m3_e4m3_f16_max_calibrate": ml_dtypes.float8_e4m3fn,
}

Loaded = List[Tuple[str, Dict[str, np.ndarray]]]


def round_to(values: np.ndarray, dtype) -> np.ndarray:
    """Round half to even."""
    with np.errstate(all="ignore"):
        return values.astype(dtype)


def group_quantize(weight: np.ndarray, model, bits: int, group: int, transposed: bool):
    """`[rows, columns]` to words of 32 bits and scales."""
    rows, columns = weight.shape
    max_int = 2 ** (bits - 1) - 1
    per_word = 32 // bits
    groups = math.ceil(columns / group)
    padded = np.zeros((rows, groups * group), model)
    padded[:, :columns] = weight
    padded = padded.reshape(rows, groups, group)
    # f16: each operation is one of f16. bf16: TVM computes in f32 and rounds the scale when it is
    # stored, which is after the weights were divided by it where the result is transposed.
    compute = np.float16 if model is np.float16 else np.float32
    largest = np.max(np.abs(padded.astype(compute)), axis=-1)
    with np.errstate(all="ignore"):
        scale = largest / compute(max_int)
        if not transposed:
            scale = scale.astype(model).astype(compute)
        quotient = padded.astype(compute) / scale[:, :, None]
        shifted = quotient + compute(max_int)
    assert scale.dtype == quotient.dtype == shifted.dtype == compute
    integers = np.rint(shifted)
    integers = np.where(np.isnan(integers), 0, np.clip(integers, 0, 2 * max_int))
    integers = integers.reshape(rows, -1).astype(np.uint64)
    integers[:, columns:] = 0
    words = np.zeros((rows, groups * group // per_word), np.uint64)
    for position in range(per_word):
        words |= integers[:, position::per_word] << np.uint64(position * bits)
    words, scale = words.astype(np.uint32), scale.astype(model)
    return (words.T, scale.T) if transposed else (words, scale)


def per_tensor_quantize(weight: np.ndarray, dtype):
    """Halves to FP8, and the one scale of E4M3."""
    scale = None
    values = weight.astype(np.float32)
    if dtype is ml_dtypes.float8_e4m3fn:
        largest = np.max(np.abs(weight))
        scale = np.maximum(largest / np.float16(448), np.float16(1 / (448 * 512)))
        assert scale.dtype == np.float16
        values = values / np.float32(scale)
    info = ml_dtypes.finfo(dtype)
    # TVM keeps the exponent and the mantissa of what is too small for a normal number, and loses an
    # implied 1; what is less than half as large is 0.
    fraction, exponents = np.frexp(np.abs(values) / np.float32(info.smallest_normal))
    steps = 2**info.nmant
    mantissa = np.rint((2 * fraction - 1) * steps)
    exponents = np.where(values == 0, -9, exponents - 1 + (mantissa == steps))
    small = (mantissa.astype(np.int64) % steps) | np.where(np.signbit(values), 0x80, 0)
    small = np.where(exponents == -1, small, 0)
    cast = np.where(exponents < 0, small, round_to(values, dtype).view(np.uint8))
    return cast.astype(np.uint8).view(dtype), scale


def dequantize(words: np.ndarray, scale: np.ndarray, bits: int, group: int, columns: int):
    """`[rows, words]` and `[rows, groups]` back to float64."""
    per_word, max_int = 32 // bits, 2 ** (bits - 1) - 1
    integers = np.zeros((words.shape[0], words.shape[1] * per_word))
    for position in range(per_word):
        integers[:, position::per_word] = (words >> np.uint32(position * bits)) & (2**bits - 1)
    values = (integers - max_int) * np.repeat(scale.astype(np.float64), group, axis=1)
    return values[:, :columns]


def single_to_brain(values: np.ndarray) -> np.ndarray:
    """What tvmjs stores for float32: rounded half to even, cut beyond the largest bfloat16."""
    bits = values.view(np.uint32).astype(np.uint64)
    limit = np.float32(np.array([0x7F7F0000], np.uint32).view(np.float32)[0])
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.abs(values) < limit, rounded, bits >> 16).astype(np.uint16)


def scheme_of(quantization: str):
    """`q4bf16_1` to (model type, bits, group, transposed)."""
    if quantization in PER_TENSOR or quantization == BLOCK_SCALE:
        return (BF16 if quantization == BLOCK_SCALE else np.float16), 0, 0, False
    head, _, layout = quantization.partition("_")
    bits, model = int(head[1]), MODEL_TYPES[head[2:]]
    return model, bits, {0: 0, 3: 40, 4: 32}[bits], layout == "0"


def is_quantized(name: str, values: np.ndarray, quantization: str) -> bool:
    """Matrices called weight, but for gates, and for both ends of the model in some schemes."""
    if values.ndim == 1 or not name.endswith(".weight"):
        return False
    layer = name[: -len(".weight")]
    if layer.endswith("gate") and values.shape[0] <= 256:
        return False
    ends = ("head", "lm_head", "lm_head.linear", "embed_out")
    without_ends = quantization.endswith("_2") or quantization in PER_TENSOR
    return not (without_ends and (layer in ends or is_embedding(name)))


def is_embedding(name: str) -> bool:
    """Embeddings are stored as they come, also where linear layers are transposed."""
    names = ("embed_tokens", "embed_in", "embd", "wte", "wpe", "embeddings", "embedding")
    return name.endswith(tuple(end + ".weight" for end in names))


def expert_parts(name: str, layer: str, gate: str, up: str, config: Dict) -> List[str]:
    """Every expert's tensors that are stored with this one."""
    text = config.get("text_config", config)
    keys = ("num_local_experts", "num_experts", "n_routed_experts")
    count = next(text[key] for key in keys if text.get(key))
    parts = [gate, up] if f".{gate}." in name or f".{up}." in name else [layer]
    return [
        f"{name.split('.experts.')[0]}.experts.{expert}.{part}.weight"
        for expert in range(count)
        for part in parts
    ]


def family_parameters(name: str, config: Dict) -> List[Tuple[str, List[str]]]:
    """The parameters that a tensor of one of `families.FAMILIES` goes into."""
    if name.endswith(SCALE):
        weight = family_parameters(name[: -len(SCALE)], config)
        return [(target + SCALE, [source + SCALE for source in sources]) for target, sources in weight]
    kind = config["model_type"]
    if kind == "bert" and name.startswith("pooler."):
        return []
    if kind in ("gemma3", "ministral3", "llama4") and not name.startswith("language_model."):
        return []
    prefix, inner = "", name
    if kind in ("ministral3", "llama4"):
        prefix, inner = "language_model.", name[len("language_model.") :]
    if kind == "qwen3_5":
        if name.startswith(("mtp.", "model.visual.")):
            return []
        if name.startswith("model.language_model."):
            prefix, inner = "model.language_model.", name[len("model.language_model.") :]
    sources = [name]
    if ".experts." in inner and inner.endswith(".weight"):
        if ".w1." in inner or ".w2." in inner or ".w3." in inner:
            sources = expert_parts(name, "w2", "w1", "w3", config)
            target = "e2" if ".w2." in inner else "e1_e3"
        else:
            sources = expert_parts(name, "down_proj", "gate_proj", "up_proj", config)
            target = "moe_down_proj" if ".down_proj." in inner else "moe_gate_up_proj"
        module = inner.split(".experts.")[0].replace("block_sparse_moe", "moe")
        return [(f"{module}.{target}.weight", sources)]
    fused = [("gate_proj", "up_proj", "gate_up_proj"), ("w1", "w3", "gate_up_proj")]
    if kind == "qwen":
        fused = [("w1", "w2", "gate_up_proj")]
    if kind in ("cohere", "nemotron"):
        fused = []
    for first, second, target in fused:
        for part in (first, second):
            if f".{part}." in inner:
                sources = [prefix + inner.replace(f".{part}.", f".{each}.") for each in (first, second)]
                inner = inner.replace(f".{part}.", f".{target}.")
                return [(("model." if kind == "qwen3_5" else "") + inner, sources)]
    qkv = {"phi": "mixer.Wqkv", "bert": "attention.self.qkv"}
    for each in ("qwen2_moe", "qwen3_moe", "qwen3_5"):
        qkv[each] = "self_attn.c_attn"
    for each in ("deepseek", "internlm", "starcoder2", "minicpm"):
        qkv[each] = "self_attn.wqkv_pack"
    parts = ["attention.self.query", "attention.self.key", "attention.self.value"]
    if kind != "bert":
        parts = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"]
    separate = ("gemma3", "llama4", "deepseek_v2", "deepseek_v3")
    for part in parts if kind not in separate else []:
        if f".{part}." in inner:
            sources = [prefix + inner.replace(part, each) for each in parts]
            inner = inner.replace(part, qkv.get(kind, "self_attn.qkv_proj"))
    return [(family_name(target, kind), sources) for target in copies(inner, kind)]


def copies(name: str, kind: str) -> List[str]:
    """Most tensors become one parameter."""
    if kind == "gpt2" and name == "wte.weight":
        return ["lm_head.weight", name]
    if kind == "starcoder2" and name == "model.embed_tokens.weight":
        return ["lm_head.weight", name]
    if kind in ("deepseek_v2", "deepseek_v3") and name.endswith("kv_b_proj.weight"):
        layer = name[: -len("kv_b_proj.weight")]
        return [layer + "w_uk", layer + "w_uv", name]
    return [name]


def family_name(name: str, kind: str) -> str:
    """Upstream's name for a parameter."""
    if kind == "gpt2":
        return name if name == "lm_head.weight" else "transformer." + name
    if kind == "phi":
        name = name.replace("model.layers", "transformer.h").replace("input_layernorm", "ln")
        name = name.replace("self_attn.dense", "mixer.out_proj").replace("self_attn", "mixer")
        name = name.replace("mixer.mixer", "mixer").replace("model.embed_tokens", "transformer.embd")
        name = name.replace("lm_head.", "lm_head.linear.")
        return name.replace("model.final_layernorm", "lm_head.ln")
    if kind == "phi-msft":
        return name.replace("embd.wte", "embd")
    if kind == "mixtral":
        return name.replace("block_sparse_moe", "moe")
    if kind == "qwen3_5":
        name = name.replace("conv1d.weight", "conv1d_weight")
        return name if name.startswith("lm_head") else "model." + name
    if kind == "cohere":
        return name.replace("o_proj", "out_proj")
    if kind == "llama4":
        return name.replace("router.weight", "router.router.weight")
    if kind == "chatglm":
        return name.replace("embedding.word_embeddings", "embedding")
    if kind == "deepseek_v3":
        return name.replace("gate.e_score", "e_score")
    if kind in ("rwkv5", "rwkv6"):
        return name.replace("rwkv.", "model.")
    return name


def family_values(name: str, parts: List[np.ndarray], config: Dict, model) -> np.ndarray:
    """A parameter's values of one of `families.FAMILIES`, in its own type."""
    kind = config["model_type"]
    text = config.get("text_config", config)
    values = np.concatenate(parts, axis=0)
    if "moe_" in name or ".e1_e3." in name or ".e2." in name:
        count = len(parts) // (2 if "gate_up" in name or "e1_e3" in name else 1)
        values = values.reshape(count, -1, values.shape[-1])
    if kind == "gpt2" and name.endswith(".weight") and (".c_" in name):
        values = values.T
    if kind == "gemma3" and "norm.weight" in name.replace("layernorm", "norm"):
        values = values + values.dtype.type(1)
    if kind == "qwen3_5" and name.endswith("norm.weight") and "linear_attn" not in name:
        values = values.astype(np.float32) + np.float32(1)
    if kind == "internlm2" and "wqkv" in name:
        heads, keys = text["num_attention_heads"], text["num_key_value_heads"]
        shape, queries = values.shape, heads // keys
        grouped = values.reshape(keys, queries + 2, -1, shape[-1])
        split = (grouped[:, :queries], grouped[:, queries], grouped[:, queries + 1])
        values = np.concatenate([part.reshape(-1, shape[-1]) for part in split])
    if ".w_uk" in name or ".w_uv" in name:
        key = text["qk_nope_head_dim"]
        if name.endswith(SCALE):
            key //= config["quantization_config"]["weight_block_size"][0]
        by_head = values.reshape(text["num_attention_heads"], -1, values.shape[-1])
        values = by_head[:, :key].transpose(0, 2, 1) if ".w_uk" in name else by_head[:, key:]
    singles = ("e_score_correction_bias", "A_log", "dt_bias", "time_faaaa", "time_decay", SCALE)
    if name.endswith(singles) or ".ln_x." in name:
        model = np.float32
    if values.dtype == ml_dtypes.float8_e4m3fn:
        return values
    values = round_to(values, model)
    if kind == "rwkv5" and name.endswith("time_decay"):
        values = np.exp(-np.exp(values.astype(np.float64)).astype(np.float32).astype(np.float64))
        values = values.astype(np.float32)
    if kind in ("rwkv5", "rwkv6") and name.endswith(("feed_forward.value.weight", "attention.output.weight")):
        layer = int(name.split(".")[2])
        values = round_to(values.astype(np.float64) / 2 ** (layer // text["rescale_every"]), model)
    return values


def mlc_parameter(name: str, config: Dict) -> Tuple[str, List[str]]:
    """The parameter that a tensor goes into, and all tensors of it in order."""
    kind = config["model_type"]
    if kind == "phi3":
        target = name.replace("model.layers", "transformer.h")
        target = target.replace("self_attn.o_proj", "mixer.out_proj")
        target = target.replace("self_attn.qkv_proj", "mixer.qkv_proj")
        target = target.replace("input_layernorm", "ln")
        target = target.replace("model.norm", "transformer.norm")
        return target.replace("model.embed_tokens", "transformer.embd"), [name]
    prefix = "language_model." if kind == "gemma3_text" else ""
    fused = [("mlp", ["gate_proj", "up_proj"], "gate_up_proj")]
    if kind != "gemma3_text":
        target = "c_attn" if kind in ("qwen2", "qwen3") else "qkv_proj"
        fused.append(("self_attn", ["q_proj", "k_proj", "v_proj"], target))
    for module, parts, target in fused:
        for part in parts:
            key = f".{module}.{part}."
            if key in name:
                sources = [name.replace(key, f".{module}.{other}.") for other in parts]
                return prefix + name.replace(key, f".{module}.{target}."), sources
    return prefix + name, [name]


def is_ignored(name: str) -> bool:
    """Tensors that are known to be needless."""
    needless = ("inv_freq", "masked_bias", "attention.bias")
    return name.endswith(needless) and not name.startswith("transformer.rotary") or (
        name.startswith("h.") and name.endswith(".attn.bias")
    )


def combine(name: str, parts: List[np.ndarray], config: Dict) -> np.ndarray:
    """The parameter's values, in the checkpoint's type."""
    values = np.concatenate(parts, axis=0)
    if "gemma" in config["model_type"] and "norm.weight" in name.replace("layernorm", "norm"):
        values = values + values.dtype.type(1)
    if "query_key_value" in name:
        heads = config["num_attention_heads"]
        shape = values.shape
        by_head = values.reshape(heads, 3, shape[0] // heads // 3, -1)
        values = np.ascontiguousarray(by_head.transpose(1, 0, 2, 3)).reshape(shape)
    return values


def parameters(files: Loaded, config: Dict, order: List[Tuple[str, str]], model):
    """Names and values in upstream's order."""
    tensors = {name: array for _, content in files for name, array in content.items()}
    by_file: Dict[str, List[str]] = {}
    for name, file in order:
        by_file.setdefault(file, []).append(name)
    done = set()
    for names in by_file.values():
        for name in names:
            if is_ignored(name) or name.endswith("inv_freq"):
                continue
            if config["model_type"] in families.FAMILIES:
                for target, sources in family_parameters(name, config):
                    if target not in done:
                        done.add(target)
                        parts = [tensors[source] for source in sources]
                        yield target, sources, family_values(target, parts, config, model)
                continue
            target, sources = mlc_parameter(name, config)
            if target not in done:
                done.add(target)
                values = combine(target, [tensors[source] for source in sources], config)
                own = np.float32 if is_ffn_bias(target) or target.endswith(SCALE) else model
                if values.dtype == ml_dtypes.float8_e4m3fn:
                    own = values.dtype
                yield target, sources, round_to(values, own)


def is_ffn_bias(name: str) -> bool:
    """GPT-NeoX: these stay float32."""
    return name.endswith(("dense_h_to_4h.bias", "dense_4h_to_h.bias"))


def stored(name: str, values: np.ndarray, quantization: str):
    """The tensors that stand for a parameter."""
    if quantization in PER_TENSOR and is_quantized(name, values, quantization):
        words, scale = per_tensor_quantize(values, PER_TENSOR[quantization])
        stem = name[: -len("weight")]
        scales = [] if scale is None else [(stem + "q_scale", np.array([scale], np.float32))]
        return [(stem + "q_weight", words), *scales]
    model, bits, group, transposed = scheme_of(quantization)
    if bits == 0 or not is_quantized(name, values, quantization):
        return [(name, values)]
    turn = transposed and not is_embedding(name)
    words, scale = group_quantize(values.reshape(-1, values.shape[-1]), model, bits, group, turn)
    if values.ndim == 3:
        words, scale = (part.reshape(*values.shape[:2], -1) for part in (words, scale))
    stem = name[: -len("weight")]
    return [(stem + "q_weight", words), (stem + "q_scale", scale)]


class Shards:
    """Files of at most 32 MiB, as tvmjs fills them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.shards, self.records, self.data = [], [], b""

    def add(self, record: Dict, data: bytes) -> None:
        """Append a tensor."""
        record["nbytes"] = len(data)
        if len(self.data) + len(data) >= CAP:
            if 2 * len(data) >= CAP:
                record["byteOffset"] = 0
                self._write([record], data)
                return
            self.flush()
        record["byteOffset"] = len(self.data)
        self.records.append(record)
        self.data += data

    def flush(self) -> None:
        """Write what is pending."""
        if self.data:
            self._write(self.records, self.data)
            self.records, self.data = [], b""

    def _write(self, records: List[Dict], data: bytes) -> None:
        name = f"params_shard_{len(self.shards)}.bin"
        (self.directory / name).write_bytes(data)
        shard = {"dataPath": name, "format": "raw-shard", "nbytes": len(data), "records": records}
        shard["md5sum"] = hashlib.md5(data).hexdigest()
        self.shards.append(shard)


def load(source: Path) -> Tuple[Loaded, List[Tuple[str, str]]]:
    """All files, and the tensors in the order of the index, or else of the data."""
    index = source / "model.safetensors.index.json"
    if index.exists():
        weight_map = json.loads(index.read_text())["weight_map"]
        names = list(dict.fromkeys(weight_map.values()))
        return [(name, read_safetensors(source / name)) for name in names], list(weight_map.items())
    path = source / "model.safetensors"
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    header.pop("__metadata__", None)
    ordered = sorted(header, key=lambda name: header[name]["data_offsets"])
    return [(path.name, read_safetensors(path))], [(name, path.name) for name in ordered]


def counted_elements(files: Loaded, order: List[Tuple[str, str]], used: Iterator[List[str]]) -> int:
    """Upstream counts what it loads, and loads a file again that it dropped."""
    sizes = {
        file: sum(array.size for name, array in content.items() if not is_ignored(name))
        for file, content in files
    }
    where, total, kept = dict(order), 0, set()
    for sources in used:
        needed = {where[source] for source in sources}
        if needed - kept:
            kept &= needed
            total += sum(sizes[file] for file in needed - kept)
            kept |= needed
    return total


def convert(source: Path, quantization: str, output: Path) -> None:
    """Write the shards and their index."""
    output.mkdir(parents=True)
    config = json.loads((source / "config.json").read_text())
    files, order = load(source)
    shards, count, nbytes, used = Shards(output), 0, 0, []
    for name, sources, values in parameters(files, config, order, scheme_of(quantization)[0]):
        used.append(sources)
        for tensor, array in stored(name, values, quantization):
            count, nbytes = count + 1, nbytes + array.nbytes
            array = np.ascontiguousarray(array)
            data = single_to_brain(array) if array.dtype == np.float32 else array
            record = {"name": tensor, "shape": list(array.shape), "dtype": str(array.dtype)}
            shards.add({**record, "format": "f32-to-bf16"}, data.tobytes())
    shards.flush()
    elements = counted_elements(files, order, iter(used))
    metadata = {
        "ParamSize": count,
        "ParamBytes": float(nbytes),
        "BitsPerParam": nbytes * 8.0 / elements,
    }
    index = {"metadata": metadata, "records": shards.shards}
    (output / "tensor-cache.json").write_text(json.dumps(index, indent=4))
    singles = [r for s in shards.shards for r in s["records"] if r["dtype"] == "float32"]
    for record in singles:
        record.update(dtype="bfloat16", format="raw")
    if singles:
        (output / "tensor-cache-b16.json").write_text(json.dumps(index, indent=4))
