"""`python -m mlc_llm gen_config` and `convert_weight`, with the arguments of the real ones.

STAND_IN    what to do instead: exit-1, no-output, hang
"""

import argparse
import json
import os
import sys
import time


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
        parser.add_argument("--source-format", default="auto")
        parser.add_argument("--lora-adapter", default=None)
    return parser.parse_args()


def convert():
    args = parse()
    print(args.verb, "with", args.quantization)
    behaviour = os.environ.get("STAND_IN")
    if behaviour == "exit-1":
        print("Traceback (most recent call last):", file=sys.stderr)
        print("KeyError: 'hidden_size'", file=sys.stderr)
        sys.exit(1)
    if behaviour == "hang":
        time.sleep(600)
    if behaviour == "no-output":
        return
    given = {name: value for name, value in vars(args).items() if name != "output"}
    given["directory"] = os.listdir(".")
    if args.verb == "convert_weight":
        name = "tensor-cache.json"
    else:
        name = "mlc-chat-config.json"
        with open(os.path.join(args.config, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
        given = {
            "model_type": config["model_type"],
            "quantization": args.quantization,
            "model_config": {"vocab_size": config["vocab_size"]},
            "context_window_size": args.context_window_size or 4096,
            "tokenizer_files": ["tokenizer.model", "tokenizer.json"],
            "given": given,
        }
    with open(os.path.join(args.output, name), "w", encoding="utf-8") as file:
        json.dump(given, file)
