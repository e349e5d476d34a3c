"""From the model's graph to what TVM's virtual machine runs."""

from typing import Any, Dict, List, Union

import tvm
from tvm import relax, tirx
from tvm.relax import transform
from tvm.s_tir import Schedule, ScheduleError, dlight
from tvm.target import Target

from .flags import OptFlags
from .metadata import AttachMetadata


@tvm.transform.module_pass(opt_level=0, name="AttachBounds")
class _AttachBounds:
    """Tells the memory planner how large each open dimension may become."""

    def __init__(self, bounds: Dict[str, int]) -> None:
        self.bounds = bounds

    def transform_module(self, mod: tvm.IRModule, _ctx: tvm.transform.PassContext) -> tvm.IRModule:
        """Entry point."""
        for var, func in mod.functions_items():
            if isinstance(func, relax.Function):
                func = func.with_attr("tir_var_upper_bound", self.bounds)
                mod[var] = func.with_attr("relax.memory_plan_dynamic_func_output", True)
        return mod


class _Attempt(dlight.base.ScheduleRule):
    """A rule that passes over what it cannot schedule, where some rules err or overreach."""

    def __init__(self, rule: dlight.base.ScheduleRule) -> None:
        super().__init__()
        self.rule = rule

    def apply(
        self, func: tirx.PrimFunc, target: Target, tunable: bool
    ) -> Union[None, Schedule, List[Schedule]]:
        """Entry point."""
        try:
            schedule = self.rule.apply(func, target, tunable)
        except ScheduleError:
            return None
        if isinstance(schedule, Schedule) and _has_open_local_memory(schedule):
            return None
        return schedule


def _has_open_local_memory(schedule: Schedule) -> bool:
    """Memory of a work group must have a size that is known now; softmax has none."""
    buffers = schedule.get(schedule.get_sblock("root")).alloc_buffers
    sizes = [size for buffer in buffers if buffer.scope() != "global" for size in buffer.shape]
    return not all(isinstance(size, tirx.IntImm) for size in sizes)


def _schedules(target: Target, opt: OptFlags) -> List[dlight.base.ScheduleRule]:
    """The rules that turn loops into kernels, the most particular first."""
    if target.kind.name == "llvm":
        return [dlight.cpu.GEMV()] if opt.cublas_gemm else []
    rules: List[dlight.base.ScheduleRule] = []
    if opt.cublas_gemm:
        if target.kind.name != "metal":  # its matrix units make this TVM crash
            rules.append(dlight.gpu.Matmul())
        rules.append(dlight.gpu.GEMV())
    if opt.flashinfer:
        rules += [dlight.gpu.Reduction(), dlight.gpu.GeneralReduction()]
    return [*(_Attempt(rule) for rule in rules), dlight.gpu.Fallback()]


def make_pipeline(
    target: Target, opt: OptFlags, metadata: Dict[str, Any], bounds: Dict[str, int]
) -> tvm.transform.Pass:
    """The passes. What the flags switch:

    cutlass      fuse operators into one kernel
    cublas_gemm  schedule matrix products by their own rules
    flashinfer   schedule reductions (softmax, norms) by their own rules
    """
    fusion = [transform.FuseOps(), transform.FuseTIR()] if opt.cutlass else []
    rules = _schedules(target, opt)
    return tvm.transform.Sequential(
        [
            _AttachBounds(bounds),
            tirx.transform.BindTarget(target),
            transform.LegalizeOps(),
            transform.AnnotateTIROpPattern(),
            transform.FoldConstant(),
            *fusion,
            transform.DeadCodeElimination(),
            *([dlight.ApplyDefaultSchedule(*rules)] if rules else []),
            tirx.transform.ForceNarrowIndexToInt32(),
            transform.RewriteDataflowReshape(),
            transform.ToNonDataflow(),
            transform.RemovePurityChecking(),
            transform.CallTIRRewrite(),
            transform.StaticPlanBlockMemory(),
            AttachMetadata(metadata, bounds),
            transform.LowerAllocTensor(),
            transform.KillAfterLastUse(),
            transform.LowerRuntimeBuiltin(),
            transform.ComputePrimValue(),
            transform.VMShapeLower(),
            transform.AttachGlobalSymbol(),
        ]
    )
