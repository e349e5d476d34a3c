"""`python -m mlc_llm gen_config` and `convert_weight`, with the arguments of the real ones.

STAND_IN_CONVERT      what to do instead: exit-1, no-output, half, hang, or slow, which goes on when
                      there is STAND_IN_GO; STAND_IN if unset
STAND_IN_GO           the file that is waited for
STAND_IN_CONVERSIONS  a file that gets a line of JSON a call
STAND_IN_WAITING      a file that gets the process id of who hangs
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import time

TOKENIZER_FILES = ["tokenizer.model", "tokenizer.json", "tokenizer_config.json"]


def parse():
    parser = argparse.ArgumentParser(prog="mlc_llm")
    parser.add_argument("verb", choices=["gen_config", "convert_weight"])
    parser.add_argument("config")
    parser.add_argument("--quantization", required=True)
    parser.add_argument("--model-type", default="auto")
    parser.add_argument("--output", "-o", required=True)
    if sys.argv[1] == "gen_config":
        parser.add_argument("--conv-template", required=True)
        parser.add_argument("--disaggregation", type=bool, default=None)
        for name in [
            "--context-window-size",
            "--sliding-window-size",
            "--prefill-chunk-size",
            "--attention-sink-size",
            "--tensor-parallel-shards",
            "--pipeline-parallel-stages",
            "--max-batch-size",
        ]:
            parser.add_argument(name, type=int, default=None)
    else:
        parser.add_argument("--device", default="auto")
        parser.add_argument("--source", default="auto")
        parser.add_argument(
            "--source-format",
            default="auto",
            choices=["auto", "huggingface-torch", "huggingface-safetensor", "awq"],
        )
        parser.add_argument("--lora-adapter", default=None)
    return parser.parse_args()


def gen_config(args, given):
    with open(os.path.join(args.config, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    there = [name for name in TOKENIZER_FILES if os.path.exists(os.path.join(args.config, name))]
    for name in there:
        shutil.copy(os.path.join(args.config, name), os.path.join(args.output, name))
    vocabulary = config["vocab_size"]
    write(args, "mlc-chat-config.json", {
        "model_type": config["model_type"] if args.model_type == "auto" else args.model_type,
        "quantization": args.quantization,
        "model_config": {"vocab_size": vocabulary},
        "vocab_size": vocabulary,
        "active_vocab_size": vocabulary,
        "context_window_size": args.context_window_size or 4096,
        "prefill_chunk_size": args.prefill_chunk_size or 128,
        "conv_template": {
            "name": args.conv_template,
            "system_template": "{system_message}",
            "system_message": "",
            "add_role_after_system_message": True,
            "roles": {"user": "user", "assistant": "assistant"},
            "messages": [],
            "seps": [" "],
            "role_content_sep": ": ",
            "role_empty_sep": ":",
            "stop_str": [],
            "stop_token_ids": [2],
        },
        "tokenizer_files": there,
        "given": given,
    })


def weights(args):
    """The file that is read, as the real one finds it; it notes an index beside it."""
    place = args.config if args.source == "auto" else args.source
    if args.source_format == "awq":
        # Of this format it is told which file.
        assert os.path.isfile(place), place
        return place
    if os.path.isfile(place):
        return place
    for name in ["pytorch_model.bin", "model.safetensors"]:
        path = os.path.join(place, name)
        if os.path.exists(path):
            index = path + ".index.json"
            if name == "model.safetensors" and not os.path.exists(index):
                with open(index, "w", encoding="utf-8") as file:
                    json.dump({"weight_map": {"w": name}}, file)
            return path
    raise ValueError("Fail to detect source weight format.")


def convert_weight(args, given, behaviour):
    with open(weights(args), "rb") as file:
        shard = hashlib.sha256(file.read()).digest() * 1024
    if args.lora_adapter is not None:
        with open(os.path.join(args.lora_adapter, "adapter_config.json"), "rb") as file:
            shard += hashlib.sha256(file.read()).digest()
    path = os.path.join(args.output, "params_shard_0.bin")
    with open(path, "wb") as file:
        file.write(shard[:-9] if behaviour in ("half", "hang") else shard)
    if behaviour in ("hang", "slow"):
        wait()
    tensor = {
        "name": "w",
        "shape": [len(shard)],
        "dtype": "int8",
        "format": "raw",
        "nbytes": len(shard),
        "byteOffset": 0,
    }
    record = {
        "dataPath": "params_shard_0.bin",
        "format": "raw-shard",
        "nbytes": len(shard),
        "records": [tensor],
        "md5sum": hashlib.md5(shard).hexdigest(),
    }
    cache = {"metadata": {"ParamSize": 1, "ParamBytes": len(shard), "BitsPerParam": 8.0}}
    write(args, "tensor-cache.json", {**cache, "records": [record], "given": given})


def write(args, name, value):
    with open(os.path.join(args.output, name), "w", encoding="utf-8") as file:
        json.dump(value, file)


def wait():
    if "STAND_IN_WAITING" in os.environ:
        with open(os.environ["STAND_IN_WAITING"] + ".new", "w", encoding="utf-8") as file:
            file.write(str(os.getpid()))
        os.rename(file.name, os.environ["STAND_IN_WAITING"])
    go = os.environ.get("STAND_IN_GO")
    caller = os.getppid()
    while not (go and os.path.exists(go)) and os.getppid() == caller:
        time.sleep(0.005)


def convert():
    args = parse()
    print(args.verb, "with", args.quantization)
    # Places differ from run to run.
    given = {
        name: value
        for name, value in vars(args).items()
        if name not in ("output", "config") and not str(value).startswith("/")
    }
    given["directory"] = os.listdir(".")
    if "STAND_IN_CONVERSIONS" in os.environ:
        call = {**vars(args), "directory": given["directory"], "files": os.listdir(args.config)}
        call["offline"] = os.environ.get("HF_HUB_OFFLINE")
        with open(os.environ["STAND_IN_CONVERSIONS"], "a", encoding="utf-8") as file:
            file.write(json.dumps(call) + "\n")
    behaviour = os.environ.get("STAND_IN_CONVERT", os.environ.get("STAND_IN"))
    if behaviour == "exit-1":
        print("Traceback (most recent call last):", file=sys.stderr)
        print("KeyError: 'hidden_size'", file=sys.stderr)
        sys.exit(1)
    if behaviour == "no-output":
        return
    if args.verb == "gen_config":
        gen_config(args, given)
    else:
        convert_weight(args, given, behaviour)
