#!/usr/bin/env python3
"""Two builds of mlc-package side by side: scripts/bench-two.py OLD NEW [RUNS]

The two take turns, so that what else the machine does slows both. Wall time and processor time are
medians, and so is their ratio of each turn. `fsync` is the time that a preloaded library without it saves.
"""

import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = os.environ.get("MLC_PACKAGE_TEST_PYTHON", ROOT / "target/venv/bin/python")
NO_SYNC = """
int fsync(int f) { return 0; }
int fdatasync(int f) { return 0; }
int sync_file_range(int f, long a, long b, unsigned c) { return 0; }
int syncfs(int f) { return 0; }
"""


def timed(command, environment, directory):
    """Wall and processor seconds of one run."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{command}: exit {done.returncode}\n{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def checkpoint(directory):
    """A checkpoint of 64 MiB in the shape of a Llama."""
    directory.mkdir()
    hidden, inner, vocabulary, layers = 512, 1536, 8192, 8
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": hidden,
        "intermediate_size": inner, "num_attention_heads": 8, "num_key_value_heads": 8,
        "num_hidden_layers": layers, "vocab_size": vocabulary, "rms_norm_eps": 1e-5,
        "max_position_embeddings": 2048, "tie_word_embeddings": False,
    }
    shapes = {
        "model.embed_tokens.weight": [vocabulary, hidden], "lm_head.weight": [vocabulary, hidden],
        "model.norm.weight": [hidden],
    }
    for layer in range(layers):
        begin = f"model.layers.{layer}."
        for name in "qkvo":
            shapes[f"{begin}self_attn.{name}_proj.weight"] = [hidden, hidden]
        shapes |= {
            f"{begin}mlp.gate_proj.weight": [inner, hidden],
            f"{begin}mlp.up_proj.weight": [inner, hidden],
            f"{begin}mlp.down_proj.weight": [hidden, inner],
            f"{begin}input_layernorm.weight": [hidden],
            f"{begin}post_attention_layernorm.weight": [hidden],
        }
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 2
        for dimension in shape:
            size *= dimension
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    # Any bytes whose exponent is not all ones are numbers.
    values = (b"\x12\x34\x56\x2c" * 4096) * (at // 16384 + 1)
    (directory / "model.safetensors").write_bytes(
        len(text).to_bytes(8, "little") + text + values[:at]
    )
    (directory / "config.json").write_text(json.dumps(config))
    tokens = {"<s>": 0, "a": 1}
    tokenizer = {"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": tokens,
                 "merges": []}}
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer))


def main():
    programs = [pathlib.Path(path).resolve() for path in sys.argv[1:3]]
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 31
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as temporary:
        home = pathlib.Path(temporary)
        shutil.copytree(ROOT / "examples/tiny", home / "tiny")
        checkpoint(home / "raw")
        environment = {
            "PATH": os.environ["PATH"], "HOME": temporary,
            "PYTHONPATH": str(home / "tiny/compiler"),
        }
        library = home / "nosync.so"
        (home / "nosync.c").write_text(NO_SYNC)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, home / "nosync.c"], check=True)
        unsynced = environment | {"LD_PRELOAD": str(library)}
        config = str(home / "tiny/android/mlc-package-config.json")

        def build(side):
            return ["build", "--no-binding", "--package-config", config, "--python", str(PYTHON),
                    "--cache-dir", str(home / f"cache{side}"), "--output", str(home / f"dist{side}")]

        cases = {
            "cached `build`, without `fsync`": (build, unsynced),
            "cached `build`": (build, environment),
            "`plan`": (lambda side: ["plan", *build(side)[1:]], environment),
            "`check`": (lambda _: ["check", config], environment),
            "`report`": (lambda side: ["report", "--manifest", str(home / f"dist{side}")], environment),
            "`inspect`": (lambda side: ["inspect", str(home / f"dist{side}/lib/libmodel_android.a")],
                          environment),
            "`convert`, 71 MB, without `fsync`": (
                lambda side: ["convert", str(home / "raw"), "--quantization", "q4f16_1",
                              "--conv-template", "llama-3", "-o", str(home / f"converted{side}")],
                unsynced,
            ),
        }
        print(f"| medians of {runs} turns | old | new | new : old | processor time, new : old |")
        print("|---|--:|--:|--:|--:|")
        for name, (arguments, variables) in cases.items():
            commands = [[program, *arguments(side)] for side, program in enumerate(programs)]
            for command in commands:
                timed(command, variables, home)
            turns = []
            for turn in range(runs):
                order = (0, 1) if turn % 2 == 0 else (1, 0)
                measured = {side: timed(commands[side], variables, home) for side in order}
                turns.append((measured[0], measured[1]))
            median = [statistics.median(turn[side][0] for turn in turns) for side in (0, 1)]
            wall = statistics.median(new[0] / old[0] for old, new in turns)
            cpu = statistics.median(new[1] / old[1] for old, new in turns if old[1] > 0)
            print(f"| {name} | {median[0] * 1e3:.1f} ms | {median[1] * 1e3:.1f} ms "
                  f"| {wall:.2f} | {cpu:.2f} |", flush=True)


main()
