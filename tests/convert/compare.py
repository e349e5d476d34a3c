"""compare.py PROGRAM DIRECTORY: the program's directories and the reference's, byte by byte.

Every architecture in every type and quantization, and with tensors of two types, with sizes that
fill no groups; files with and without an index; then one model of several shards.
"""

import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import checkpoints
import families
import reference

QUANTIZATIONS = "q0f16 q0bf16 q0f32 q3f16_0 q3f16_1 q4f16_0 q4f16_1 q4f16_2 q4bf16_0 q4bf16_1 q4f32_1".split()


def differences(program: str, source: Path, quantization: str, scratch: Path) -> str:
    """What is not the same; nothing if all is."""
    if quantization.endswith("_0") and source.name.rpartition("-")[0] in WITH_EXPERTS:
        arguments = [program, "convert", source, "--quantization", quantization, "-o", scratch / "no"]
        run = subprocess.run(arguments + WEIGHTS_ONLY, capture_output=True, text=True, check=False)
        return "" if run.returncode == 11 and "experts" in run.stderr else "it is not refused"
    ours, theirs = scratch / "ours", scratch / "theirs"
    for directory in (ours, theirs):
        shutil.rmtree(directory, ignore_errors=True)
    reference.convert(source, quantization, theirs)
    arguments = [program, "convert", source, "--quantization", quantization, "-o", ours]
    if quantization in reference.PER_TENSOR:
        arguments.append("--allow-nonfinite")  # the largest halves are infinite in E5M2
    run = subprocess.run(arguments + WEIGHTS_ONLY, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        return run.stderr
    expected = {path.name: path.read_bytes() for path in theirs.iterdir()}
    found = {path.name: path.read_bytes() for path in ours.iterdir()}
    wrong = sorted(name for name in expected.keys() | found if expected.get(name) != found.get(name))
    return f"differ: {', '.join(wrong)}" if wrong else ""


WEIGHTS_ONLY = ["--weights-only"]
# Upstream's model.py: those that have FP8 of whole parameters, and in blocks.
WITH_PER_TENSOR = ("llama", "llama4", "mixtral", "nemotron", "olmo", "olmo2")
IN_BLOCKS = {"qwen3": (10, 16), "qwen3_moe": (2, 16), "deepseek_v3": (2, 4)}
# Upstream has no transposed layout of these.
WITH_EXPERTS = (
    "mixtral qwen2_moe qwen3_moe deepseek deepseek_v2 deepseek_v3 minicpm".split()
)


def main() -> None:
    """Compare; the exit code says whether all is the same."""
    program, scratch = sys.argv[1], Path(sys.argv[2])
    compared, failed = 0, 0
    cases = []
    for seed, (kind, dtype) in enumerate(
        itertools.product(checkpoints.ARCHITECTURES, checkpoints.DTYPES)
    ):
        source = scratch / f"{kind}-{dtype}"
        checkpoints.make(source, checkpoints.config(kind), dtype, seed % 4, seed)
        few = kind in families.FAMILIES and dtype != "BF16"
        cases += [(source, name) for name in (["q4f16_1", "q0f32"] if few else QUANTIZATIONS)]
        if kind in WITH_PER_TENSOR:
            cases += [(source, name) for name in reference.PER_TENSOR]
    for seed, (kind, blocks) in enumerate(IN_BLOCKS.items()):
        for files in (0, 2):
            source = scratch / f"{kind}-{files}-blocks"
            scheme = {
                "quant_method": "fp8",
                "activation_scheme": "dynamic",
                "fmt": "e4m3",
                "weight_block_size": list(blocks),
            }
            config = checkpoints.config(kind, quantization_config=scheme)
            checkpoints.make(source, config, "BF16", files, 300 + seed, blocks)
            cases += [(source, reference.BLOCK_SCALE)]
    for seed, kind in enumerate(checkpoints.ARCHITECTURES):
        source = scratch / f"{kind}-mixed"
        checkpoints.make(source, checkpoints.config(kind), "mixed", seed % 3, 200 + seed)
        cases += [(source, "q4f16_1")]
    tied = scratch / "tied"
    config = checkpoints.config("llama", num_key_value_heads=None, tie_word_embeddings=True)
    checkpoints.make(tied, config, "BF16", 0, 100)
    biased = scratch / "biased"
    checkpoints.make(biased, checkpoints.config("qwen3", attention_bias=True), "F16", 2, 101)
    qkv = scratch / "qkv-bias"
    checkpoints.make(qkv, checkpoints.config("stablelm", use_qkv_bias=True), "BF16", 2, 102)
    cases += [(source, name) for source in (tied, biased, qkv) for name in ("q4f16_1", "q0f16")]
    large = scratch / "large"
    config = checkpoints.config("llama", 1020, 2052, 9001)
    checkpoints.make(large, config, "BF16", 2, 103)
    cases += [(large, quantization) for quantization in ("q4f16_1", "q4f16_0", "q0f16", "q0f32")]
    for source, quantization in cases:
        wrong = differences(program, source, quantization, scratch)
        compared, failed = compared + 1, failed + bool(wrong)
        if wrong:
            print(f"{source.name} {quantization}: {wrong}")
    print(f"{compared} directories compared, {failed} differ")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
