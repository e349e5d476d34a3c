"""How much temporary memory a planned function takes at most."""

from typing import Dict

import tvm
from tvm import relax, tirx
from tvm.ir import Op
from tvm.relax.expr_functor import PyExprVisitor, visitor


def memory_usage(mod: tvm.IRModule, bounds: Dict[str, int]) -> Dict[str, int]:
    """Bytes by function, with every open dimension at its upper bound."""
    usage = {}
    for var, func in mod.functions_items():
        if isinstance(func, relax.Function):
            counter = _Counter(bounds)
            counter.visit_expr(func)
            usage[var.name_hint] = counter.nbytes
    return dict(sorted(usage.items()))


@visitor
class _Counter(PyExprVisitor):
    """Adds up the storages that the planner made, and the tensors it left alone."""

    def __init__(self, bounds: Dict[str, int]) -> None:
        self.bounds = bounds
        self.nbytes = 0
        self.storage = Op.get("relax.memory.alloc_storage")
        self.tensor = Op.get("relax.builtin.alloc_tensor")

    def visit_call_(self, call: relax.Call) -> None:
        """Count one call."""
        if call.op == self.storage:
            self.nbytes += self._size(call.args[0])
        elif call.op == self.tensor:
            dtype = tvm.DataType(call.args[1].value)
            self.nbytes += self._size(call.args[0]) * ((dtype.bits + 7) // 8) * dtype.lanes
        super().visit_call_(call)

    def _size(self, shape: relax.Expr) -> int:
        size = 1
        for dim in shape.values:
            size *= self._upper(dim)
        return size

    def _upper(self, dim: tirx.Expr) -> int:
        analyzer = tvm.sym.Analyzer()
        for var in tirx.analysis.undefined_vars(dim):
            analyzer.bind(var, tvm.ir.Range(1, self.bounds[var.name] + 1))
        return analyzer.const_int_bound(dim).max_value
