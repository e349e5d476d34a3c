"""load.py PROGRAM DIRECTORY: a converted directory in TVM's own runtime.

TVM loads every tensor as tensor-cache.json says, and what was quantized comes back within the
scheme's bound of the checkpoint.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import tvm
from tvm.contrib import tvmjs

import checkpoints
import reference


def loaded(directory: Path):
    """All tensors, by TVM, and the metadata."""
    tensors, metadata = tvmjs.load_tensor_cache(str(directory), tvm.cpu())
    return {name: tensor.numpy() for name, tensor in tensors.items()}, metadata


def numbers(array: np.ndarray, dtype: str) -> np.ndarray:
    """As float64; TVM may give the bits of bfloat16."""
    if dtype == "bfloat16" and array.dtype == np.uint16:
        array = array.view(reference.BF16)
    return array.astype(np.float64)


def check(source: Path, output: Path, quantization: str) -> int:
    """Compare all values; gives how many tensors there were."""
    tensors, metadata = loaded(output)
    assert metadata["ParamSize"] == len(tensors), metadata
    index = json.loads((output / "tensor-cache.json").read_text())
    dtypes = {r["name"]: r["dtype"] for shard in index["records"] for r in shard["records"]}
    model, bits, group, transposed = reference.scheme_of(quantization)
    config = json.loads((source / "config.json").read_text())
    files, order = reference.load(source)
    # Relative errors of the types that scales, steps and plain tensors are rounded to.
    epsilon = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-8}
    for name, _, values in reference.parameters(files, config, order, np.float64):
        stem = name[: -len("weight")]
        if name in tensors:
            found, exact = numbers(tensors[name], dtypes[name]), values.astype(np.float64)
            bound = np.abs(exact) * epsilon[dtypes[name]] + 2.0**-24
        else:
            words, scale = tensors[stem + "q_weight"], tensors[stem + "q_scale"]
            scale = numbers(scale, dtypes[stem + "q_scale"])
            is_embedding = "embed" in name and not name.startswith("embed_out")
            if transposed and not is_embedding:
                words, scale = words.T, scale.T
            exact = values.astype(np.float64)
            found = reference.dequantize(words, scale, bits, group, exact.shape[1])
            step = np.repeat(scale, group, axis=1)[:, : exact.shape[1]]
            # Half a step, and what rounding loses of values up to max_int steps.
            loss = 4 * epsilon[np.dtype(model).name]
            bound = step * (0.5 + 2 ** (bits - 1) * loss) + 2.0**-22
        assert found.shape == exact.shape, name
        worst = np.max(np.abs(found - exact) - bound)
        assert worst <= 0, f"{quantization} {name}: {worst} over the bound"
    return len(tensors)


def main() -> None:
    """Convert and load."""
    program, scratch = sys.argv[1], Path(sys.argv[2])
    for kind in ("llama", "gpt_neox"):
        source = scratch / kind
        # Values of one size: where a scale vanishes, no bound holds.
        checkpoints.weights = lambda shape, dtype, random: (
            random.uniform(-1, 1, shape).astype(checkpoints.DTYPES[dtype])
        )
        checkpoints.make(source, checkpoints.config(kind), "F32", 2, 5)
        for quantization in ("q0f16", "q0bf16", "q0f32", "q3f16_0", "q3f16_1", "q4f16_0"):
            convert(program, source, scratch, quantization)
        for quantization in ("q4f16_1", "q4bf16_0", "q4bf16_1", "q4f32_1"):
            convert(program, source, scratch, quantization)


def convert(program: str, source: Path, scratch: Path, quantization: str) -> None:
    """By the program, and back by TVM."""
    output = scratch / "model"
    arguments = [program, "convert", source, "--quantization", quantization, "-o", output]
    subprocess.run([*arguments, "--weights-only"], check=True, capture_output=True)
    print(source.name, quantization, check(source, output, quantization), "tensors")


if __name__ == "__main__":
    main()
