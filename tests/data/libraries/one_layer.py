"""A model library of one linear layer, for a device: python one_layer.py <device> <prefix> <output.tar>"""
import sys
from pathlib import Path
from tvm import relax
from tvm.ir.transform import PassContext
from tvm.relax.frontend import nn
from tvm.support import tar
from mlc_llm.pipeline import make_pipeline
from mlc_llm.flags import OptFlags
from mlc_llm.target import device_target
import mlc_llm.flags as F
device, prefix, output = sys.argv[1], sys.argv[2], Path(sys.argv[3])
class Model(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(16, 16, bias=False, dtype="float16")
    def decode(self, x: nn.Tensor):
        return self.layer(x)
target = device_target(device)
with target:
    mod, params = Model().export_tvm(spec={"decode": {"x": nn.spec.Tensor([1, 16], "float16"), "$": {"param_mode": "packed", "effect_mode": "none"}}})[:2]
metadata = {"model_type": "linear", "quantization": "q0f16", "context_window_size": 128, "sliding_window_size": -1,
 "attention_sink_size": -1, "prefill_chunk_size": 1, "tensor_parallel_shards": 1, "pipeline_parallel_stages": 1,
 "disaggregation": False, "kv_state_kind": "none", "max_batch_size": 1, "active_vocab_size": 16, "model_task": "chat",
 "params": [{"name": n, "shape": [int(s) for s in p.shape], "dtype": str(p.dtype), "preprocs": [], "pipeline_stages": [0]} for n, p in params],
 "kv_cache": {"num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 16}}
with PassContext(opt_level=3):
    library = relax.build(mod.with_attr("system_lib_prefix", prefix), target=target,
        relax_pipeline=make_pipeline(target, F.OptFlags(), metadata, {}), system_lib=False)
library.export_library(str(output), fcompile=tar.tar)
