"""The two small languages of the command line: `--opt` and `--overrides`."""

import argparse
import dataclasses
from dataclasses import dataclass
from typing import Any, Dict, Optional

ALLREDUCE = ("NONE", "ONESHOT", "TWOSHOT", "AUTO")
# For these, -1 means "off".
MAY_BE_OFF = ("sliding_window_size", "attention_sink_size")


def _pairs(source: str, known: Dict[str, Any]) -> Dict[str, str]:
    """Split `k=v;k=v`, refusing what is unknown, repeated or not a pair."""
    found: Dict[str, str] = {}
    for item in source.split(";"):
        if not item:
            continue
        key, equals, value = item.partition("=")
        if not equals:
            raise argparse.ArgumentTypeError(f"expected key=value, found {item!r}")
        if key not in known:
            raise argparse.ArgumentTypeError(f"unknown key {key!r} (known: {', '.join(known)})")
        if key in found:
            raise argparse.ArgumentTypeError(f"{key!r} is given twice")
        found[key] = value
    return found


@dataclass(frozen=True)
class OptFlags:
    """Optimisation flags.

    The names are those of CUDA libraries that no phone has. Three of them switch what stands
    for the library on other devices (see pipeline.py); the others change nothing here.
    """

    flashinfer: bool = True
    cublas_gemm: bool = False
    faster_transformer: bool = False
    cudagraph: bool = False
    cutlass: bool = False
    ipc_allreduce_strategy: str = "NONE"

    def __str__(self) -> str:
        values = dataclasses.asdict(self)
        return ";".join(f"{k}={int(v) if v in (0, 1) else v}" for k, v in values.items())


PRESETS = {
    "O0": OptFlags(flashinfer=False),
    "O1": OptFlags(flashinfer=False, cublas_gemm=True, faster_transformer=True, cutlass=True),
    "O2": OptFlags(cublas_gemm=True, cudagraph=True, cutlass=True),
    "O3": OptFlags(
        cublas_gemm=True,
        faster_transformer=True,
        cudagraph=True,
        cutlass=True,
        ipc_allreduce_strategy="AUTO",
    ),
}


def parse_opt(source: str) -> OptFlags:
    """Read `O0`..`O3`, or `k=v;...` over the defaults."""
    if source in PRESETS:
        return PRESETS[source]
    known = {field.name: field for field in dataclasses.fields(OptFlags)}
    values: Dict[str, Any] = {}
    for key, value in _pairs(source, known).items():
        if key == "ipc_allreduce_strategy":
            if value not in ALLREDUCE:
                raise argparse.ArgumentTypeError(f"{key} must be one of {', '.join(ALLREDUCE)}")
            values[key] = value
        elif value in ("0", "1"):
            values[key] = value == "1"
        else:
            raise argparse.ArgumentTypeError(f"{key} must be 0 or 1, found {value!r}")
    return OptFlags(**values)


@dataclass(frozen=True)
class Overrides:
    """Values that replace those of mlc-chat-config.json; None leaves a value alone."""

    context_window_size: Optional[int] = None
    sliding_window_size: Optional[int] = None
    prefill_chunk_size: Optional[int] = None
    attention_sink_size: Optional[int] = None
    max_batch_size: Optional[int] = None
    tensor_parallel_shards: Optional[int] = None
    pipeline_parallel_stages: Optional[int] = None
    disaggregation: Optional[bool] = None

    def given(self) -> Dict[str, Any]:
        """The values that were given."""
        return {k: v for k, v in dataclasses.asdict(self).items() if v is not None}


def parse_overrides(source: str) -> Overrides:
    """Read `k=v;...`."""
    known = {field.name: field for field in dataclasses.fields(Overrides)}
    values: Dict[str, Any] = {}
    for key, value in _pairs(source, known).items():
        if key == "disaggregation":
            if value.lower() not in ("true", "false", "1", "0", "yes", "no"):
                raise argparse.ArgumentTypeError(f"{key} must be true or false, found {value!r}")
            values[key] = value.lower() in ("true", "1", "yes")
            continue
        try:
            number = int(value)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{key} must be an integer, found {value!r}") from None
        if number < 1 and not (key in MAY_BE_OFF and number in (-1, 0)):
            raise argparse.ArgumentTypeError(f"{key} must be positive, found {number}")
        values[key] = number
    return Overrides(**values)
