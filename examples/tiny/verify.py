#!/usr/bin/env python3
"""Is the compiled model the model? Compiles both for this machine and compares with NumPy.

    python verify.py            needs the venv of requirements.txt, and cc to link

The objects are linked and loaded as an app does it: through TVM's table of system libraries.
"""

import ctypes
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List

import numpy as np

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True

import tvm  # noqa: E402
import tvm_ffi  # noqa: E402
from tvm import relax  # noqa: E402

from reference import forward  # noqa: E402

PROMPT = [7, 42, 300, 19, 255, 8, 120]
FOLLOWING = [3, 99, 271]
TOLERANCE = 0.02


def load_weights(directory: Path) -> Dict[str, np.ndarray]:
    """Every tensor, as tensor-cache.json describes it."""
    weights = {}
    for shard in json.loads((directory / "tensor-cache.json").read_text())["records"]:
        data = (directory / shard["dataPath"]).read_bytes()
        for record in shard["records"]:
            raw = data[record["byteOffset"] :][: record["nbytes"]]
            if record["dtype"] == "float32":  # stored as bfloat16
                values = (np.frombuffer(raw, "<u2").astype("uint32") << 16).view("float32")
            else:
                values = np.frombuffer(raw, record["dtype"])
            weights[record["name"]] = values.reshape(record["shape"])
    return weights


def compile_and_load(model: Path, prefix: str, directory: Path) -> relax.VirtualMachine:
    """Compile for the CPU, link, load."""
    library = directory / f"{prefix}.tar"
    start = time.monotonic()
    command = [sys.executable, "-B", "-m", "mlc_llm", "compile", str(model), "--device", "cpu"]
    command += ["--output", str(library), "--system-lib-prefix", prefix]
    subprocess.run(command, check=True, cwd=HERE / "compiler", stderr=subprocess.DEVNULL)
    print(f"{model.name}: compiled in {time.monotonic() - start:.1f} s")

    objects = directory / prefix
    objects.mkdir()
    subprocess.run(["tar", "xzf", library, "-C", objects], check=True)
    shared = directory / f"{prefix}.so"
    subprocess.run(["cc", "-shared", "-o", shared, *objects.glob("*.o"), "-lm"], check=True)
    ctypes.CDLL(str(shared), ctypes.RTLD_GLOBAL)
    return relax.VirtualMachine(tvm.runtime.system_lib(prefix), tvm.cpu())


def run(vm: relax.VirtualMachine, weights: Dict[str, np.ndarray]) -> List[np.ndarray]:
    """Logits after the prompt, then after each following token."""
    metadata = json.loads(str(vm["_metadata"]()))
    params = [tvm.runtime.tensor(weights[param["name"]]) for param in metadata["params"]]

    def embed(ids: List[int]) -> "tvm.runtime.Tensor":
        rows = vm["embed"](tvm.runtime.tensor(np.array(ids, "int32")), params).numpy()
        return tvm.runtime.tensor(rows[None])

    logits, cache = vm["prefill"](embed(PROMPT), params)
    results = [logits.numpy()]
    for number, token in enumerate(FOLLOWING):
        name = "batch_decode" if number % 2 else "decode"
        logits, cache = vm[name](embed([token]), cache, params)
        results.append(logits.numpy())
    return results


def main() -> int:
    """Check both models; 1 if one of them is wrong."""
    ctypes.CDLL(tvm_ffi.libinfo.find_libtvm_ffi(), ctypes.RTLD_GLOBAL)
    failed = False
    with tempfile.TemporaryDirectory() as directory:
        for model in sorted((HERE / "models").iterdir()):
            prefix = model.name.replace("-", "_") + "_"
            weights = load_weights(model)
            results = run(compile_and_load(model, prefix, Path(directory)), weights)
            config = json.loads((model / "mlc-chat-config.json").read_text())
            expected = forward(config, weights, PROMPT + FOLLOWING)
            worst = max(
                float(np.abs(result.ravel() - expected[len(PROMPT) - 1 + number]).max())
                for number, result in enumerate(results)
            )
            failed |= not worst < TOLERANCE
            scale = float(np.abs(expected).max())
            print(f"  {len(results)} logit vectors, |logit| <= {scale:.2f}, off by {worst:.4f}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
