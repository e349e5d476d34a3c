# Runs `python -m mlc_llm` so that Metal kernels stay source: the callback that would compile
# them with `xcrun metal` is never registered, and without it TVM stores what it generated.
import os
import runpy
import sys

import tvm_ffi

# `-m` puts the working directory first, `-c` an empty name for it.
sys.path[:1] = [os.getcwd()] if sys.path[:1] == [""] else sys.path[:1]
register = tvm_ffi.register_global_func


def register_others(func_name, f=None, override=False):
    if func_name != "tvm_callback_metal_compile":
        return register(func_name, f, override)
    return (lambda function: function) if f is None else f


# Both names, since modules import either.
tvm_ffi.register_global_func = tvm_ffi.registry.register_global_func = register_others
runpy.run_module("mlc_llm", run_name="__main__", alter_sys=True)
