"""Ablation of the time model: scores without each term."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from planner.calibration.fit import Runs, Values, predicted, with_values
from planner.cost import communication, compute, schedule, tensor_parallel
from planner.runs.configure import Row, cell
from planner.runs.score import COLUMNS, Score, score
from planner.specs.job import Job

Change = Callable[[Job], Job]


@dataclass(frozen=True)
class Term:
    """A term of the model, by the formulas that are 0 without it, or by the change of a job."""

    name: str
    formulas: tuple[tuple[ModuleType, str], ...] = ()
    change: Change | None = None


def _flops_alone(job: Job) -> Job:
    """Matrix products at a constant rate: no padding, launch overhead or memory traffic."""
    gpu = job.cluster.gpu
    gemm = replace(gpu.gemm, overhead_s=0.0, pad_m=0.0, pad_n=0.0, pad_k=0.0, bytes_s=1e30)
    return replace(job, cluster=replace(job.cluster, gpu=replace(gpu, gemm=gemm)))


def _no_latency(job: Job) -> Job:
    zero = dict.fromkeys(("link_latency", "node_latency", "node_doubling", "node_hop", "send_latency"), 0.0)
    return replace(job, constants=replace(job.constants, **zero))


def _no_overlap(job: Job) -> Job:
    return replace(job, stack=replace(job.stack, dp_overlap=0.0, gather_overlap=0.0))


TERMS: tuple[Term, ...] = (
    Term("attention", ((compute, "attention_forward"), (compute, "attention_backward"))),
    Term("element-wise work, norms", ((compute, "elementwise_forward"), (compute, "elementwise_backward"))),
    Term("GEMM shapes (FLOPs only)", change=_flops_alone),
    Term("LM head and loss", ((compute, "head_seconds"),)),
    Term("recomputation", ((schedule, "stage_repeat"),)),
    Term("host and launches", ((schedule, "stage_host"), (compute, "repeat_host"))),
    Term("fixed cost per step", ((schedule, "fixed_seconds"),)),
    Term("tensor-parallel traffic", ((tensor_parallel, "tp_forward"),)),
    Term("context-parallel traffic", ((communication, "cp_forward"),)),
    Term("pipeline sends", ((communication, "pp_seconds"),)),
    Term("pipeline bubble", ((schedule, "bubble_seconds"),)),
    Term("data-parallel traffic", ((communication, "dp_seconds"),)),
    Term("overlap of data-parallel traffic", change=_no_overlap),
    Term("latency of collectives", change=_no_latency),
    Term("optimizer step", ((communication, "optimizer_seconds"),)),
    Term("stragglers", ((schedule, "straggler_seconds"),)),
)


def _zero(formula: Callable[..., Any]) -> Callable[..., Any]:
    def zero(*arguments: Any) -> Any:
        return formula(*arguments) * 0.0

    return zero


@contextmanager
def dropped(term: Term) -> Iterator[None]:
    """A context in which the term's formulas return 0."""
    originals = [(module, name, getattr(module, name)) for module, name in term.formulas]
    for module, name, formula in originals:
        setattr(module, name, _zero(formula))
    try:
        yield
    finally:
        for module, name, formula in originals:
            setattr(module, name, formula)


def scored(rows: Sequence[Row], data: Runs, seconds: Any) -> Score:
    """The scores of predicted step times; seconds, one per run."""
    chosen = [dict.fromkeys(COLUMNS, "") | dict(rows[int(i)]) for i in data.rows]
    ids = [cell(row, "id") for row in chosen]
    return score(chosen, {name: {"step_seconds": float(s)} for name, s in zip(ids, seconds, strict=True)})


def ablation(rows: Sequence[Row], data: Runs, values: Values) -> Iterator[tuple[str, Score]]:
    """The scores with every term, and without each, with unchanged constants."""
    jobs = with_values([b.job for b in data.batches], values)
    yield "every term", scored(rows, data, predicted(data, values))
    for term in TERMS:
        changed_jobs = [term.change(job) if term.change else job for job in jobs]
        changed = replace(data, batches=tuple(replace(b, job=job) for b, job in zip(data.batches, changed_jobs, strict=True)))
        with dropped(term):
            yield f"without {term.name}", scored(rows, changed, predicted(changed, {}))
