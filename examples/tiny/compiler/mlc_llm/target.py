"""Devices as TVM targets."""

import os

from tvm.target import Target

from .errors import CompileError

MACABI_ARCHS = ("arm64", "x86_64")


def device_target(device: str) -> Target:
    """The target of a device, with the host that calls its kernels."""
    if device == "cpu":
        return Target({"kind": "llvm"}, host={"kind": "llvm"})
    if device == "android":
        return Target({"kind": "opencl"}, host=_llvm("aarch64-linux-android"))
    if device == "iphone":
        return _metal("iphoneos", "arm64-apple-ios")
    return _metal("macosx", f"{_macabi_arch()}-apple-ios18.0-macabi")


def _macabi_arch() -> str:
    arch = os.environ.get("MLC_MACABI_ARCH", "").strip() or "arm64"
    if arch not in MACABI_ARCHS:
        raise CompileError(f"MLC_MACABI_ARCH must be {' or '.join(MACABI_ARCHS)}, found {arch!r}")
    return arch


def _llvm(triple: str) -> dict:
    return {"kind": "llvm", "mtriple": triple}


def _metal(sdk: str, triple: str) -> Target:
    return Target(
        {
            "kind": "metal",
            "max_threads_per_block": 256,
            "max_shared_memory_per_block": 32768,
            "thread_warp_size": 1,
            "libs": [sdk],
        },
        host=_llvm(triple),
    )
