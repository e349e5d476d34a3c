"""Arguments of `mlc_llm compile`. TVM is imported only once they are known to be good."""

import argparse
import re
import sys
from pathlib import Path
from typing import List

from . import __version__
from .config import load_config
from .errors import CompileError
from .flags import parse_opt, parse_overrides

DEVICES = ("android", "iphone", "macabi", "cpu")
CONFIG_NAME = "mlc-chat-config.json"


def _config_path(value: str) -> Path:
    path = Path(value)
    if path.is_dir():
        path = path / CONFIG_NAME
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{path} does not exist")
    return path


def _output_path(value: str) -> Path:
    path = Path(value)
    if path.suffix != ".tar":
        raise argparse.ArgumentTypeError(f"the name must end in .tar: {path}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"is a directory: {path}")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"directory does not exist: {path.parent}")
    return path


def _prefix(value: str) -> str:
    if value and not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", value):
        raise argparse.ArgumentTypeError(
            f"{value!r} may hold letters, digits and underscores only, and not begin with a digit"
        )
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mlc_llm", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("compile", help="compile a model library", allow_abbrev=False)
    verb.add_argument("model", type=_config_path, help=f"model directory or {CONFIG_NAME}")
    verb.add_argument("--opt", type=parse_opt, default="O2", help="O0 to O3, or k=v;k=v")
    verb.add_argument("--overrides", type=parse_overrides, default="", help="k=v;k=v")
    verb.add_argument("--device", choices=DEVICES, required=True)
    verb.add_argument("--output", "-o", type=_output_path, required=True, help="the .tar to write")
    verb.add_argument(
        "--system-lib-prefix",
        type=_prefix,
        default="auto",
        help="begins every symbol (default: model type and quantization)",
    )
    return parser


def main(argv: List[str]) -> int:
    """Run; the result is the exit code."""
    args = _parser().parse_args(argv)
    try:
        config = load_config(args.model, args.overrides)
        prefix = args.system_lib_prefix
        if prefix == "auto":
            prefix = f"{config.model_type}_{config.quantization}_".replace("-", "_")
        from .build import build  # TVM takes a second to load

        build(config, args.opt, args.device, prefix, args.output)
    except CompileError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
