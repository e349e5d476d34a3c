"""forward.py PROGRAM DIRECTORY: a converted model takes steps in TVM as its checkpoint does in numpy.

A small llama with random weights is converted by PROGRAM, compiled for this machine by the compiler
of examples/tiny, and run: a prompt, then single tokens. The logits are those that numpy gets from
the checkpoint itself, quantized by reference.py where the scheme asks for it.
"""

import ctypes
import json
import subprocess
import sys
from pathlib import Path
from typing import Dict

import numpy as np
import tvm_ffi

import checkpoints
import reference

# Of the largest logit: every step rounds to f16. What four bits lose is several times that.
TOLERANCE = 0.03
TINY = Path(__file__).resolve().parents[2] / "examples" / "tiny"


def tiny(name: str):
    """A module of examples/tiny, which has a reference.py too."""
    ours = sys.modules.pop("reference")
    sys.path.insert(0, str(TINY))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(TINY))
        sys.modules["reference"] = ours


verify = tiny("verify")


def weights(shape, dtype: str, random: np.random.RandomState) -> np.ndarray:
    """Norms near 1, and matrices that keep the size of what they are applied to."""
    values = random.normal(size=shape)
    scaled = 1 + 0.1 * values if len(shape) == 1 else values / np.sqrt(shape[1])
    return scaled.astype(checkpoints.DTYPES[dtype])


def expected_weights(source: Path, quantization: str) -> Dict[str, np.ndarray]:
    """The checkpoint's values under MLC's names, as the scheme leaves them."""
    model, bits, group, transposed = reference.scheme_of(quantization)
    config = json.loads((source / "config.json").read_text())
    files, order = reference.load(source)
    found = {}
    for name, _, values in reference.parameters(files, config, order, np.float32):
        if group and values.ndim == 2:
            words, scale = reference.group_quantize(values, model, bits, group, transposed)
            scale = scale.astype(np.float64)
            values = reference.dequantize(words, scale, bits, group, values.shape[1])
        found[name] = values.astype(np.float32)
    return found


def main() -> None:
    """Convert, compile, run, compare."""
    program, scratch = sys.argv[1], Path(sys.argv[2])
    ctypes.CDLL(tvm_ffi.libinfo.find_libtvm_ffi(), ctypes.RTLD_GLOBAL)
    source = scratch / "llama"
    checkpoints.weights = weights
    checkpoints.make(source, checkpoints.config("llama", 128, 256, 320), "F32", 2, 5)
    for quantization in ("q0f16", "q4f16_1"):
        output = scratch / quantization
        arguments = [program, "convert", source, "--quantization", quantization, "-o", output]
        subprocess.run([*arguments, "--conv-template", "LM"], check=True, capture_output=True)
        machine = verify.compile_and_load(output, f"{quantization}_", scratch)
        results = verify.run(machine, verify.load_weights(output))
        config = json.loads((output / "mlc-chat-config.json").read_text())
        tokens = verify.PROMPT + verify.FOLLOWING
        expected = verify.forward(config, expected_weights(source, quantization), tokens)
        assert len(results) == 1 + len(verify.FOLLOWING)
        for number, result in enumerate(results):
            wanted = expected[len(verify.PROMPT) - 1 + number]
            worst = float(np.abs(result.ravel() - wanted).max())
            scale = float(np.abs(wanted).max())
            print(f"{quantization}: |logit| <= {scale:.2f}, off by {worst:.4f}")
            assert result.size == wanted.size and scale > 1
            assert worst < TOLERANCE * scale, worst


if __name__ == "__main__":
    main()
