"""`python -m mlc_llm compile`, with the arguments of the real one.

STAND_IN_LIBRARIES   the directory of the compiled libraries
STAND_IN_CALLS       a file that gets a line of JSON a call
STAND_IN             what to do instead of compiling, see MISBEHAVIOURS
STAND_IN_ONLY        the model_lib that STAND_IN is about; all if unset
STAND_IN_WAIT        a file to wait for, or for the end of the process that called
STAND_IN_WAITING     a file that gets the process ids of who waits
"""

import argparse
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time


def parse():
    parser = argparse.ArgumentParser(prog="mlc_llm")
    parser.add_argument("verb", choices=["compile"])
    parser.add_argument("model")
    parser.add_argument("--opt", required=True)
    parser.add_argument("--overrides", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--host", default="auto")
    parser.add_argument("--output", required=True)
    parser.add_argument("--system-lib-prefix", default="auto")
    return parser.parse_args()


def compile_metal():
    """What the real one does with kernels for Apple: a callback of its own compiles them, and TVM
    calls the callback that it finds."""
    from tvm_ffi import get_global_func, register_global_func

    @register_global_func("tvm_callback_metal_compile", override=True)
    def compile_metal(src, target):
        subprocess.run(["xcrun", "-sdk", "iphoneos", "metal", "-c", "-"], input=src, check=True)

    callback = get_global_func("tvm_callback_metal_compile", allow_missing=True)
    if callback is not None:
        callback(b"kernel void f() {}", None)


PHONES = ["android", "iphone", "macabi"]
# The first bytes of what is loaded, not linked.
SHARED = {".so": b"\x7fELF", ".dylib": b"\xcf\xfa\xed\xfe", ".wasm": b"\0asm", ".dll": b"MZ"}


def library(args):
    kind = {"one_layer_": "", "other_layer_": "other-"}[args.system_lib_prefix]
    arch = os.environ.get("MLC_MACABI_ARCH", "arm64") if args.device == "macabi" else "arm64"
    suffix = "" if arch == "arm64" else "-" + arch
    return os.path.join(os.environ["STAND_IN_LIBRARIES"], f"{kind}{args.device}{suffix}.tar")


def write(args, data):
    with open(args.output, "wb") as file:
        file.write(data)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def fail(args):
    print("Traceback (most recent call last):")
    print('  File "compile.py", line 1, in <module>')
    print("ValueError: Cannot find quantization: q5", file=sys.stderr)
    sys.exit(1)


def die(args):
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(args):
    """With a child that does not listen to SIGTERM."""
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", ignore])
    write(args, b"half a libr")
    note_waiting(child.pid)
    time.sleep(600)


def flood(args):
    line = b"x" * 99 + b"\n"
    for _ in range(1000):
        sys.stdout.buffer.write(line * 1000)
    sys.stdout.buffer.flush()
    print("the last line")
    wait()
    sys.exit(1)


def truncate(args):
    write(args, read(library(args))[:-5000])


def old_tvm(args):
    """The symbol that the blob had before 2026, in the place of today's."""
    data = gzip.decompress(read(library(args)))
    today = args.system_lib_prefix.encode() + b"__tvm_ffi__library_bin\0"
    old = b"__tvm_dev_mblob\0"
    write(args, data.replace(today, old.ljust(len(today), b"\0")))


def broken_kernel(args):
    """A kernel that uses what nobody declared."""
    write(args, gzip.decompress(read(library(args))).replace(b"x_ptr[", b"y_ptr["))


def other(args, **changed):
    for name, value in changed.items():
        setattr(args, name, value)
    shutil.copyfile(library(args), args.output)


def params(config):
    """The weights of the model that a config describes, as the library of MLC LLM lists them."""
    if "given" in config:  # what convert.py made
        return [("w", [32 * 1024], "int8")]
    model, quantization = config["model_config"], config["quantization"]
    hidden, inner = model["hidden_size"], model["intermediate_size"]
    heads, kv_heads = model["num_attention_heads"], model["num_key_value_heads"]
    head_dim = model.get("head_dim") or hidden // heads
    plain = "float32" if quantization.endswith("f32") else "float16"

    def matrix(name, rows, columns):
        if quantization.startswith("q0"):
            return [(name + ".weight", [rows, columns], plain)]
        words, groups = -(-columns // 8), -(-columns // 32)
        return [
            (name + ".q_weight", [rows, words], "uint32"),
            (name + ".q_scale", [rows, groups], "float16"),
        ]

    listed = matrix("model.embed_tokens", "vocab_size", hidden)
    for number in range(model["num_hidden_layers"]):
        layer = f"model.layers.{number}."
        qkv = (heads + 2 * kv_heads) * head_dim
        listed += matrix(layer + "self_attn.qkv_proj", qkv, hidden)
        if config["model_type"] == "qwen2":
            listed.append((layer + "self_attn.qkv_proj.bias", [qkv], plain))
        listed += matrix(layer + "self_attn.o_proj", hidden, heads * head_dim)
        listed += matrix(layer + "mlp.gate_up_proj", 2 * inner, hidden)
        listed += matrix(layer + "mlp.down_proj", hidden, inner)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            listed.append((f"{layer}{norm}.weight", [hidden], plain))
    listed.append(("model.norm.weight", [hidden], plain))
    if not model.get("tie_word_embeddings"):
        listed += matrix("lm_head", "vocab_size", hidden)
    return listed


def as_asked(args):
    """A library that says to be for the model it was asked for, with its weights. Only what it says
    of itself is changed; the room for more comes from the end of its kernels, so that the blob is as
    long as before."""
    wait()
    with open(args.model, "rb") as file:
        config = json.load(file)
    data = gzip.decompress(read(library(args)))
    start = data.rindex(b"{", 0, data.index(b'"model_type": "linear"'))
    text = data[start:].decode("latin-1")
    said, length = json.JSONDecoder().raw_decode(text)
    said.update({field: config[field] for field in ("model_type", "quantization")})
    names = ("name", "shape", "dtype")
    said["params"] = [dict(zip(names, param), preprocs=[]) for param in params(config)]
    after = json.dumps(said, separators=(",", ":")).encode()
    after = after.ljust(length)
    write(args, grown(data, start, length, after))


def grown(data, start, length, after):
    """The file with a constant of its program exchanged for a longer one."""
    more = len(after) - length
    kind, mark = (b"opencl", b"// Function: ") if b"// Function: " in data else (
        b"metal", b"#include <metal_stdlib>")
    program = data.index((0xD225DE2F4214151E).to_bytes(8, "little")) - 8
    payload = data.index(len(kind).to_bytes(8, "little") + kind) + 8 + len(kind)
    source = (data.index(mark) if kind == b"opencl" else data.rindex(mark)) - 8

    def number(at):
        return int.from_bytes(data[at : at + 8], "little")

    end = source + 8 + number(source)
    assert number(start - 8) == length and program < start < payload < source
    assert end == payload + 8 + number(payload) and more < number(source), more
    changed = bytearray(data)
    for at, by in ((program, more), (start - 8, more), (payload, -more), (source, -more)):
        changed[at : at + 8] = (number(at) + by).to_bytes(8, "little")
    head, tail = changed[:start], changed[start + length : end - more]
    return bytes(head + after + tail + changed[end:])


MISBEHAVIOURS = {
    "as-asked": as_asked,
    "exit-1": fail,
    "die": die,
    "hang": hang,
    "flood": flood,
    "no-output": lambda args: None,
    "empty": lambda args: write(args, b""),
    "garbage": lambda args: write(args, b"garbage" * 1000),
    "truncated": truncate,
    "old-tvm": old_tvm,
    "broken-kernel": broken_kernel,
    "other-device": lambda args: other(args, device="iphone"),
    "other-prefix": lambda args: other(args, system_lib_prefix="other_layer_"),
    "directory": lambda args: os.mkdir(args.output),
}


def note_waiting(*others):
    # A name of its own: two may wait.
    new = f"{os.environ['STAND_IN_WAITING']}.{os.getpid()}"
    with open(new, "w", encoding="utf-8") as file:
        file.write(" ".join(map(str, (os.getpid(), *others))))
    os.rename(new, os.environ["STAND_IN_WAITING"])


def wait():
    if "STAND_IN_WAIT" not in os.environ:
        return
    caller = os.getppid()
    note_waiting()
    while not os.path.exists(os.environ["STAND_IN_WAIT"]) and os.getppid() == caller:
        time.sleep(0.005)


def main():
    if sys.argv[1:2] in (["gen_config"], ["convert_weight"]):
        from .convert import convert

        convert()
        return
    args = parse()
    with open(args.model, encoding="utf-8") as file:
        config = json.load(file)
    call = {
        "program": os.path.relpath(sys.argv[0], os.path.dirname(os.path.dirname(__file__))),
        "arguments": sys.argv[1:],
        "active_vocab_size": config["active_vocab_size"],
        "directory": os.listdir("."),
    }
    with open(os.environ["STAND_IN_CALLS"], "a", encoding="utf-8") as file:
        file.write(json.dumps(call) + "\n")
    print("compiling", args.system_lib_prefix, "for", args.device)
    print("::error::not a command of ours")
    behaviour = os.environ.get("STAND_IN")
    only = os.environ.get("STAND_IN_ONLY")
    if behaviour and only in (None, args.system_lib_prefix[:-1]):
        MISBEHAVIOURS[behaviour](args)
        return
    if only in (None, args.system_lib_prefix[:-1]):
        wait()
    if args.device in ("iphone", "macabi"):
        compile_metal()
    if args.device in PHONES:
        shutil.copyfile(library(args), args.output)
        return
    start = SHARED[os.path.splitext(args.output)[1]]
    write(args, start + f" {args.device} {args.host} {args.overrides}".encode())


main()
