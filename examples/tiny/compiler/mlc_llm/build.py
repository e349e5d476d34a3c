"""One model, one device, one library."""

import os
import sys
from pathlib import Path

from tvm import relax
from tvm.ir.transform import PassContext
from tvm.support import tar, xcode
from tvm_ffi import register_global_func

from .config import ModelConfig
from .flags import OptFlags
from .metadata import describe
from .models import create_model
from .pipeline import make_pipeline
from .target import device_target


def register_metal_compiler() -> None:
    """TVM calls what is registered under this name, as in MLC LLM; without it, kernels stay
    source."""

    @register_global_func("tvm_callback_metal_compile", override=True)
    def compile_metal(source, target):
        return xcode.compile_metal(source, sdk=str(target.attrs["libs"][0]))


def build(config: ModelConfig, opt: OptFlags, device: str, prefix: str, output: Path) -> None:
    """Compile to `output`, which appears only when it is complete."""
    target = device_target(device)
    if target.kind.name == "metal":
        register_metal_compiler()
    model = create_model(config)
    print(f"compiling {config.model_type} {config.quantization} for {device}", file=sys.stderr)
    print(f"  target {target}\n  opt {opt}\n  prefix {prefix!r}\n  {config}", file=sys.stderr)
    with target:
        mod, params = model.export_tvm(spec=model.spec())[:2]
        mod = model.add_cache(mod, target)
    bounds = {
        "batch_size": config.max_batch_size,
        "seq_len": config.prefill_chunk_size,
        # The token that decode appends has to fit the window too.
        "past_len": max(config.context_window_size - 1, 1),
        "vocab_size": config.vocab_size,
    }
    pipeline = make_pipeline(target, opt, describe(config, params), bounds)
    with PassContext(opt_level=3):
        library = relax.build(
            mod.with_attr("system_lib_prefix", prefix),
            target=target,
            relax_pipeline=pipeline,
            # The attribute alone makes it a system library. system_lib=True does no more than
            # look whether it is there, and fails on prefixes of less than eight bytes.
            system_lib=False,
        )
    partial = output.with_name(f".{output.stem}.{os.getpid()}.tar")
    try:
        library.export_library(str(partial), fcompile=tar.tar)
        os.replace(partial, output)
    finally:
        partial.unlink(missing_ok=True)
    print(f"wrote {output}", file=sys.stderr)
