"""fp8.py PROGRAM DIRECTORY: FP8 of whole parameters, beside what TVM compiles for it.

What MLC LLM says of the two quantizations is an expression of TVM's: the cast to a type that the
processor does not have is TVM's own. Every half-precision number goes through it, and weights of
all sizes.
"""

import subprocess
import sys
from pathlib import Path
from typing import List

import numpy as np
import tvm
from tvm import relax, te, tirx, topi
from tvm.contrib import tvmjs
from tvm.relax.frontend import nn

import checkpoints
import reference

SIZE = 256
DTYPES = {"e5m2_e5m2_f16": "float8_e5m2", "e4m3_e4m3_f16_max_calibrate": "float8_e4m3fn"}


def weights(shape, dtype: str, random: np.random.RandomState) -> np.ndarray:
    """Of the first square matrix, every finite number; of others, numbers of one size."""
    values = random.normal(size=shape) * 2.0 ** random.randint(-26, 12)
    if shape == (SIZE, SIZE) and not weights.every:
        halves = np.arange(2**16).astype(np.uint16).view(np.float16)
        weights.every = True
        values = random.permutation(np.where(np.isfinite(halves), halves, 0)).reshape(shape)
    return values.astype(checkpoints.DTYPES[dtype])


weights.every = False


class Quantizer(nn.Module):
    """One parameter's weights to FP8, and their scale where the type needs one."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def scale(self, weight: te.Tensor) -> te.Tensor:
        """The largest magnitude becomes 448, the largest number there is; each step in half precision."""
        largest = topi.max(topi.abs(weight)) / 448
        least = tirx.const(1 / (448 * 512), "float16")
        return topi.expand_dims(topi.maximum(largest, least).astype("float32"), axis=0)

    def cast(self, weight: te.Tensor, *scale: te.Tensor) -> te.Tensor:
        """The nearest number of the type, as TVM finds it."""

        def value(*at):
            number = weight(*at) / scale[0](0) if scale else weight(*at)
            return tirx.Cast(self.dtype, number)

        return te.compute(weight.shape, value)

    def main(self, weight: nn.Tensor):
        """Weights, and the scale."""
        if self.dtype == "float8_e5m2":
            return (nn.tensor_expr_op(self.cast, "cast", args=[weight]),)
        scale = nn.tensor_expr_op(self.scale, "scale", args=[weight])
        return nn.tensor_expr_op(self.cast, "cast", args=[weight, scale]), scale


def by_tvm(weight: np.ndarray, dtype: str) -> List[np.ndarray]:
    """What TVM makes of halves, on this machine."""
    spec = {"main": {"weight": nn.spec.Tensor(weight.shape, "float16")}}
    module, _ = Quantizer(dtype).export_tvm(spec=spec)
    program = relax.build(relax.transform.LegalizeOps()(module), target="llvm")
    result = relax.VirtualMachine(program, tvm.cpu())["main"](tvm.runtime.tensor(weight))
    return [tensor.numpy() for tensor in result]


def check(source: Path, output: Path, quantization: str) -> int:
    """Compare the bytes of weights, and scales as bfloat16; gives how many parameters there were."""
    tensors, _ = tvmjs.load_tensor_cache(str(output), tvm.cpu())
    files, order = reference.load(source)
    config = checkpoints.config("llama", SIZE, SIZE)
    checked = 0
    for name, _, values in reference.parameters(files, config, order, np.float16):
        stem = name[: -len("weight")]
        if stem + "q_weight" not in tensors:
            continue
        wanted, *scale = by_tvm(values, DTYPES[quantization])
        found = tensors[stem + "q_weight"].numpy()
        assert found.shape == wanted.shape and found.dtype.itemsize == 1, name
        differ = np.argwhere(found.view(np.uint8) != wanted.view(np.uint8))
        assert not len(differ), f"{quantization} {name}: {len(differ)} differ, {values[tuple(differ[0])]}"
        for single in scale:
            brain = single.astype(reference.BF16).astype(np.float32)
            assert np.array_equal(tensors[stem + "q_scale"].numpy(), brain), name
        checked += 1
    return checked


def main() -> None:
    """Convert, and compare."""
    program, scratch = sys.argv[1], Path(sys.argv[2])
    checkpoints.weights = weights
    source, output = scratch / "llama", scratch / "model"
    checkpoints.make(source, checkpoints.config("llama", SIZE, SIZE), "F16", 0, 7)
    assert weights.every
    for quantization in DTYPES:
        arguments = [program, "convert", source, "--quantization", quantization, "-o", output]
        # The largest halves are infinite in E5M2.
        subprocess.run(arguments + ["--allow-nonfinite", "--weights-only"], check=True, capture_output=True)
        checked = check(source, output, quantization)
        assert checked == 8, checked
        print(quantization, checked, "parameters")


if __name__ == "__main__":
    main()
