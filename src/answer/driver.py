# Runs a compiled model for mlc-package: a request in JSON on each line of standard input, an answer
# in JSON on each line of standard output. Tokens and text, what is right and what is not are the
# other side's. The order of calls is that of MLC LLM's own runtime (cpp/serve/function_table.cc and
# cpp/serve/model.cc); TVM's runtime is all that is needed.
import array
import ctypes
import json
import math
import operator
import os
import sys

# Libraries print to standard output, which is for answers alone.
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
# `-c` puts the working directory first. It is an empty one of ours.
sys.path[:] = [entry for entry in sys.path if entry]

import tvm_ffi  # noqa: E402
from tvm import runtime  # noqa: E402

PAGE_SIZE = 16
POOLED = 2
SEQUENCE = 0


def builtin(name):
    return tvm_ffi.get_global_func("vm.builtin." + name)


class Model:
    """One library, its parameters, and one sequence of tokens."""

    def find(self, device):
        """Looks for the device."""
        self.device = runtime.device(device)
        return {"exists": bool(getattr(self.device, "exist", True))}

    def open(self, library, prefix):
        """Loads the library; says what it holds."""
        # Its initializers look for what only TVM's libraries have.
        ctypes.CDLL(tvm_ffi.libinfo.find_libtvm_ffi(), ctypes.RTLD_GLOBAL)
        if prefix is None:
            self.library = runtime.load_module(library)
        else:
            ctypes.CDLL(library, ctypes.RTLD_GLOBAL)
            self.library = runtime.system_lib(prefix)
        self.vm = self.library["vm_load_executable"]()
        kind, number = self.device.dlpack_device_type(), self.device.index
        self.vm["vm_initialization"](kind, number, POOLED, runtime.cpu().dlpack_device_type(), 0, POOLED)
        names = (
            "create_tir_paged_kv_cache create_flashinfer_paged_kv_cache create_rnn_state embed "
            "image_embed prefill decode extend"
        ).split()
        self.functions = {name: self.function(name) for name in names}
        return {
            "metadata": str(self.vm["_metadata"]()),
            "functions": [name for name, function in self.functions.items() if function],
        }

    def function(self, name):
        try:
            return self.vm[name]
        except AttributeError:
            return None

    def load(self, model, params):
        """Loads the weights; says what each parameter is."""
        builtin("tensor_cache.load")(model, self.device.dlpack_device_type(), self.device.index)
        self.params = builtin("param_array_from_cache_by_name")(params)
        builtin("tensor_cache.clear")()
        return {
            "params": [
                {"shape": [int(size) for size in param.shape], "dtype": str(param.dtype)}
                for param in self.params
            ]
        }

    def begin(self, context, chunk, window, sink):
        """Makes the state for one sequence. `context` is none where the state grows by itself."""
        self.chunk = chunk
        self.window, self.sink = window, sink
        self.cache = None
        self.paged = context is not None
        if self.paged:
            create = self.functions["create_flashinfer_paged_kv_cache"]
            if create is None or window is not None:
                create = self.functions["create_tir_paged_kv_cache"]
            sizes = (1, context, chunk, PAGE_SIZE, int(window is not None))
            self.cache = create(*(runtime.ShapeTuple([size]) for size in sizes))
            self.begin_forward = builtin("kv_state_begin_forward")
            self.end_forward = builtin("kv_state_end_forward")
        self.reshape = builtin("reshape")
        self.is_empty = True
        self.logits = array.array("f")
        return {}

    def reset(self):
        """Forgets the sequence."""
        if self.paged:
            builtin("kv_state_clear")(self.cache)
        else:
            self.cache = None
        self.is_empty = True
        return {}

    def feed(self, tokens):
        """Appends tokens to the sequence; keeps the logits after the last one."""
        if self.paged and self.is_empty:
            builtin("kv_state_add_sequence")(self.cache, SEQUENCE)
            if self.window is not None:
                enable = builtin("attention_kv_cache_enable_sliding_window_for_seq")
                enable(self.cache, SEQUENCE, self.window, self.sink)
        while tokens:
            # A cache that `prefill` makes is one that only `decode` goes on with.
            count = self.chunk if self.paged or self.is_empty else 1
            self.step(tokens[:count])
            tokens = tokens[count:]
            self.is_empty = False

    def step(self, tokens):
        count = len(tokens)
        ids = runtime.empty((count,), "int32", self.device)
        copy("FromBytes", ids, array.array("i", tokens))
        embedded = self.functions["embed"](ids, self.params)
        embedded = self.reshape(embedded, runtime.ShapeTuple([1, count, int(embedded.shape[-1])]))
        if self.is_empty:
            run = self.functions["prefill"]
        elif count == 1:
            run = self.functions["decode"]
        else:
            run = self.functions["extend"] or self.functions["prefill"]
        if self.paged:
            lengths = runtime.ShapeTuple([count])
            self.begin_forward(self.cache, runtime.ShapeTuple([SEQUENCE]), lengths)
            result = run(embedded, self.cache, self.params)
            self.end_forward(self.cache)
        else:
            past = [] if self.is_empty else [self.cache]
            result = run(embedded, *past, self.params)
            self.cache = result[1]
        self.logits = floats(result[0])

    def greedy(self, tokens):
        """The most likely token after these, and whether all logits are numbers."""
        self.feed(tokens)
        logits = self.logits
        # A sum has an end only if each of its parts has.
        if not math.isfinite(sum(logits)):
            return {"token": None}
        return {"token": max(range(len(logits)), key=logits.__getitem__)}

    def score(self, tokens, following):
        """The log-likelihoods of tokens, each after all before it."""
        self.feed(tokens)
        scores = []
        for token in following:
            logits = self.logits
            if not math.isfinite(sum(logits)):
                return {"scores": None}
            highest = max(logits)
            total = sum(math.exp(logit - highest) for logit in logits)
            scores.append(logits[token] - highest - math.log(total))
            self.feed([token])
        return {"scores": scores}

    def compare(self, tokens, split):
        """Logits after all tokens at once, and after a part at once and the rest one by one."""
        self.reset()
        self.feed(tokens)
        whole = self.logits
        self.reset()
        self.feed(tokens[:split])
        for token in tokens[split:]:
            self.feed([token])
        if not (math.isfinite(sum(whole)) and math.isfinite(sum(self.logits))):
            return {"largest": None, "difference": None}
        return {
            "largest": max(map(abs, whole)),
            "difference": max(map(abs, map(operator.sub, whole, self.logits))),
        }


def copy(how, tensor, values):
    """Between a tensor on any device and an array here of the same size."""
    address, count = values.buffer_info()
    function = tvm_ffi.get_global_func("runtime.TVMTensorCopy" + how)
    function(tensor, ctypes.c_void_p(address), count * values.itemsize)


def floats(tensor):
    """The values of a float32 tensor."""
    if str(tensor.dtype) != "float32":
        raise RuntimeError("the logits are %s, and float32 was expected" % tensor.dtype)
    values = array.array("f", bytes(4 * math.prod(map(int, tensor.shape))))
    copy("ToBytes", tensor, values)
    return values


def main():
    model = Model()
    answers.write("mlc-package: ready\n")
    answers.flush()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(model, request.pop("do"))(**request)
        except Exception as error:
            import traceback

            traceback.print_exc()
            answer = {"error": str(error) or type(error).__name__}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


main()
