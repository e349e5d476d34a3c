"""Weights: made from a seed, quantized, and stored in shards with tensor-cache.json."""

import copy
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np

from .files import write_json

GROUP = 32
PER_WORD = 8
MAX_INT = 7


@dataclass
class Parameter:
    """A float32 parameter and how it is to be stored."""

    name: str
    values: np.ndarray
    dtype: str = "float16"
    quantized: bool = False


def make(name: str, shape: Tuple[int, ...], seed: str) -> np.ndarray:
    """Values that keep activations near unit size; a function of name, shape and seed alone."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    # RandomState's stream is frozen: the same on every version of NumPy.
    unit = np.random.RandomState(int.from_bytes(digest[:4], "little")).uniform(-1, 1, shape)
    if name.endswith("bias"):
        unit = 0.1 * unit
    elif "norm" in name:
        unit = 1 + 0.1 * unit
    else:
        unit = unit * math.sqrt(3 / shape[-1])
    return unit.astype(np.float32)


def quantize(values: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """float [rows, columns] to 4-bit words and one scale a group of 32, all in half precision."""
    rows, columns = values.shape
    half = values.astype(np.float16).reshape(rows, columns // GROUP, GROUP)
    scale = np.abs(half).max(axis=-1) / np.float16(MAX_INT)
    stored = np.rint(half / scale[..., None] + np.float16(MAX_INT))
    stored = np.clip(stored, 0, 2 * MAX_INT).astype(np.uint32)
    stored = stored.reshape(rows, columns // PER_WORD, PER_WORD)
    words = np.bitwise_or.reduce(stored << np.arange(0, 32, 4, dtype=np.uint32), axis=-1)
    return words.astype(np.uint32), scale.astype(np.float16)


def bfloat16(values: np.ndarray) -> np.ndarray:
    """float32 to the bits of bfloat16, rounding half to even."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + ((bits >> 16) & 1) + 0x7FFF) >> 16).astype(np.uint16)


def _stored(parameter: Parameter) -> List[Tuple[str, str, Tuple[int, ...], bytes]]:
    """(name, dtype, shape, bytes) of what stands for one parameter."""
    if parameter.quantized:
        words, scale = quantize(parameter.values)
        base = parameter.name.removesuffix("weight")
        return [
            (f"{base}q_weight", "uint32", words.shape, words.astype("<u4").tobytes()),
            (f"{base}q_scale", "float16", scale.shape, scale.astype("<f2").tobytes()),
        ]
    if parameter.dtype == "float32":
        data = bfloat16(parameter.values).astype("<u2").tobytes()
    else:
        data = parameter.values.astype("<f2").tobytes()
    return [(parameter.name, parameter.dtype, parameter.values.shape, data)]


class _Shards:
    """Packs tensors into files below a cap."""

    def __init__(self, directory: Path, cap: int) -> None:
        self.directory = directory
        self.cap = cap
        self.shards: List[Dict[str, Any]] = []
        self.records: List[Dict[str, Any]] = []
        self.data = b""

    def add(self, record: Dict[str, Any], data: bytes) -> None:
        if self.data and len(self.data) + len(data) >= self.cap:
            self.flush()
        self.records.append({**record, "nbytes": len(data), "byteOffset": len(self.data)})
        self.data += data

    def flush(self) -> None:
        name = f"params_shard_{len(self.shards)}.bin"
        (self.directory / name).write_bytes(self.data)
        self.shards.append(
            {
                "dataPath": name,
                "format": "raw-shard",
                "nbytes": len(self.data),
                "records": self.records,
                "md5sum": hashlib.md5(self.data).hexdigest(),
            }
        )
        self.records, self.data = [], b""


def write_tensors(directory: Path, parameters: List[Parameter], shard_cap: int) -> None:
    """Write the shards and their index."""
    shards = _Shards(directory, shard_cap)
    size = {"uint32": 4, "float32": 4, "float16": 2}
    count = nbytes = 0
    for parameter in parameters:
        for name, dtype, shape, data in _stored(parameter):
            # float32 is stored as bfloat16 but counts as four bytes, as MLC counts it.
            count, nbytes = count + 1, nbytes + math.prod(shape) * size[dtype]
            # MLC writes this format for every tensor; it says something of float32 only.
            record = {"name": name, "shape": list(shape), "dtype": dtype, "format": "f32-to-bf16"}
            shards.add(record, data)
    shards.flush()
    elements = sum(parameter.values.size for parameter in parameters)
    metadata = {
        "ParamSize": count,
        "ParamBytes": float(nbytes),
        "BitsPerParam": nbytes * 8.0 / elements,
    }
    index = {"metadata": metadata, "records": shards.shards}
    write_json(directory / "tensor-cache.json", index, indent=4)
    if any(parameter.dtype == "float32" for parameter in parameters):
        write_json(directory / "tensor-cache-b16.json", _as_bfloat16(index), indent=4)


def _as_bfloat16(index: Dict[str, Any]) -> Dict[str, Any]:
    """The same index for readers that know bfloat16: it names the type that is in the file."""
    index = copy.deepcopy(index)
    for shard in index["records"]:
        for record in shard["records"]:
            if record["dtype"] == "float32":
                record.update(dtype="bfloat16", format="raw")
    return index
