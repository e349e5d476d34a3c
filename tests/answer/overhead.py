#!/usr/bin/env python3
"""How long `mlc-package try` takes, and what its driver (`src/answer/driver.py`) adds to TVM's runtime.

    export PYTHONPATH=examples/tiny/compiler
    target/venv/bin/python tests/answer/overhead.py target/release/mlc-package [MODEL]

It runs on Linux, with a Python that has TVM. `try` is run with everything cached. Then one process
answers the driver's requests, and another makes the same calls of `tvm.runtime` with the tokens known
beforehand, reading no logits: a prefill of 8 tokens and 104 tokens one by one. Both are alternated, and
medians of their CPU time are printed: it counts on a busy machine too. It fails if the driver adds
more than it may.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples/tiny/models/tiny-llama-q4f16_1"
DRIVER = ROOT / "src/answer/driver.py"
ROUNDS = 7
PROMPT = list(range(3, 11))
STEPS = 104
MOST = 1.2


def cpu_of(pid: int) -> float:
    """The seconds of CPU time that a process has taken, as Linux has a clock of each."""
    return time.clock_gettime((~pid << 3) | 2)


def tried(program: str, model: Path, cache: Path) -> Tuple[float, float]:
    """The seconds that `try` takes, and those of CPU time in it and in what it starts."""
    before, began = os.times(), time.monotonic()
    command = [program, "try", str(model), "--tokens", "12", "--max-perplexity", "1000"]
    command += ["--python", sys.executable, "--cache-dir", str(cache)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    took, after = time.monotonic() - began, os.times()
    user = after.children_user - before.children_user
    return took, user + after.children_system - before.children_system


def linked(cache: Path, directory: Path) -> Dict[str, Any]:
    """The cached library as one that can be opened, and how it is opened."""
    (archive,) = [path for path in cache.glob("libs/*/*") if tarfile.is_tarfile(path)]
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        tar.extractall(directory)
    library = directory / "model.so"
    objects = [str(directory / name) for name in names]
    subprocess.run(["cc", "-shared", "-o", str(library), *objects, "-lm"], check=True)
    prefixes = [Path(name).name[: -len("devc.o")] for name in names if name.endswith("devc.o")]
    return {"library": str(library), "prefix": prefixes[0] if prefixes else None}


class Process:
    """A process that answers requests, a line each."""

    def __init__(self, arguments: List[str], directory: Path):
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=directory,
            text=True,
        )
        self.line()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def ask(self, request: Dict[str, Any]) -> Dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer: Dict[str, Any] = json.loads(self.line())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def end(self) -> None:
        self.process.communicate()


def prepared(process: Process, opened: Dict[str, Any], model: Path, config: Dict[str, Any]) -> None:
    """Has a process load everything."""
    process.ask({"do": "find", "device": "cpu"})
    said = process.ask({"do": "open", **opened})
    metadata = json.loads(said["metadata"])
    names = [param["name"] for param in metadata["params"]]
    process.ask({"do": "load", "model": str(model), "params": names})
    paged = any("paged" in name for name in said["functions"])
    window = metadata.get("sliding_window_size", -1)
    process.ask(
        {
            "do": "begin",
            "context": config["context_window_size"] if paged else None,
            "chunk": config["prefill_chunk_size"],
            "window": window if window > 0 else None,
            "sink": max(metadata.get("attention_sink_size", 0), 0),
        }
    )


def by_driver(process: Process) -> Tuple[float, List[int]]:
    """The CPU time of all steps, and the tokens that they give."""
    began = cpu_of(process.process.pid)
    tokens = [process.ask({"do": "greedy", "tokens": PROMPT})["token"]]
    for _ in range(STEPS):
        tokens.append(process.ask({"do": "greedy", "tokens": tokens[-1:]})["token"])
    return cpu_of(process.process.pid) - began, tokens


# Added to the driver's own `Model`, which opens and loads: the calls of a step and nothing around them.
ALONE = '''
def alone(self, prompt, tokens):
    paged, functions, params = self.paged, self.functions, self.params
    ShapeTuple, began = runtime.ShapeTuple, time.process_time()
    if paged:
        builtin("kv_state_add_sequence")(self.cache, SEQUENCE)
        if self.window is not None:
            builtin("attention_kv_cache_enable_sliding_window_for_seq")(
                self.cache, SEQUENCE, self.window, self.sink)
    to_device = tvm_ffi.get_global_func("runtime.TVMTensorCopyFromBytes")
    run = functions["prefill"]
    for fed in [prompt, *([token] for token in tokens)]:
        ids = runtime.empty((len(fed),), "int32", self.device)
        values = array.array("i", fed)
        to_device(ids, ctypes.c_void_p(values.buffer_info()[0]), 4 * len(fed))
        embedded = functions["embed"](ids, params)
        shape = ShapeTuple([1, len(fed), embedded.shape[-1]])
        embedded = self.reshape(embedded, shape)
        if paged:
            self.begin_forward(self.cache, ShapeTuple([SEQUENCE]), ShapeTuple([len(fed)]))
            run(embedded, self.cache, params)
            self.end_forward(self.cache)
        else:
            past = () if fed is prompt else (self.cache,)
            self.cache = run(embedded, *past, params)[1]
        run = functions["decode"]
    return {"seconds": time.process_time() - began}

Model.alone = alone
'''


def main() -> None:
    program, model = os.path.abspath(sys.argv[1]), Path(*sys.argv[2:] or [MODEL]).resolve()
    config = json.loads((model / "mlc-chat-config.json").read_text())
    driver = DRIVER.read_text()
    serving = driver.rindex("\nmain()")
    bare = "import time\n" + driver[:serving] + ALONE + driver[serving:]
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        cache, objects, empty = (directory / name for name in ("cache", "objects", "empty"))
        objects.mkdir()
        empty.mkdir()
        tried(program, model, cache)
        times = [tried(program, model, cache) for _ in range(ROUNDS)]
        opened = linked(cache, objects)
        pairs = []
        for _ in range(ROUNDS):
            process = Process(["-c", driver], empty)
            prepared(process, opened, model, config)
            with_driver, tokens = by_driver(process)
            process.end()
            process = Process(["-c", bare], empty)
            prepared(process, opened, model, config)
            request = {"do": "alone", "prompt": PROMPT, "tokens": tokens[:STEPS]}
            pairs.append((with_driver, process.ask(request)["seconds"]))
            process.end()
        shutil.rmtree(cache)
    median: Callable[[Any], float] = statistics.median
    wall, cpu = (median(column) for column in zip(*times))
    with_driver, alone = (median(column) for column in zip(*pairs))
    load, _, _ = os.getloadavg()
    print(f"{model.name}, medians of {ROUNDS} runs at a load of {load:.0f}")
    print(f"try, everything cached: {wall:.2f} s, {cpu:.2f} s of CPU time")
    print(f"8 tokens and {STEPS} one by one, CPU time: {1e3 * with_driver:.0f} ms by the driver")
    print(f"the same calls of tvm.runtime alone: {1e3 * alone:.0f} ms")
    print(f"ratio: {with_driver / alone:.2f}, and at most {MOST} is allowed")
    sys.exit(with_driver > MOST * alone)


if __name__ == "__main__":
    main()
