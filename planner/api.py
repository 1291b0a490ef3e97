"""What `planner` offers to Python programs beyond its classes and its search: a job from fields, and plans that are checked first."""

from __future__ import annotations

from planner.cost import evaluate as cost
from planner.cost.records import Estimate
from planner.document.inputs import EXAMPLE, Value, resolve
from planner.document.space import exactly
from planner.errors import FieldError
from planner.formula.trace import Step
from planner.report import explain as trees
from planner.search.broken_rules import broken_rules
from planner.specs.job import Job
from planner.specs.plan import Plan, columns_of, whole


def job(model: str, gpus: int, **fields: Value) -> Job:
    """The job of a model on a number of GPUs; other fields by their names in [fields.md](fields.md), in the units given there.

    A field that is not given is that of its preset, else the default: H100 GPUs, Megatron-Core, 2,048 sequences per step. UnknownName for
    a field or a preset that does not exist, FieldError for a value that a field cannot take.
    """
    return resolve(EXAMPLE.with_all({"model": model, "gpus": gpus, **fields}))


def evaluate(job: Job, plan: Plan) -> Estimate:
    """Memory and time of a plan, or of columns of plans of equal length: a row for each.

    `dp_shard` may be left at 1: it follows from dp and dp_replicate. FieldError for a plan that breaks a rule of [rules.md](rules.md) or
    has a value that no plan has; columns of plans are not checked.
    """
    return cost.evaluate(job, _checked(job, plan))


def explain(job: Job, plan: Plan) -> dict[str, Step]:
    """Every number of a plan as a tree of the formulas that give it, by the keys of [columns.md](columns.md).

    FieldError for a plan that breaks a rule of [rules.md](rules.md).
    """
    return trees.explained(job, _checked(job, plan))


def _checked(job: Job, plan: Plan) -> Plan:
    """The plan; FieldError where it breaks a rule."""
    if not hasattr(plan.tp, "__len__"):
        plan = _with_shard(plan)
        broken = next(broken_rules(job, exactly(plan)), None)
        if broken is not None:
            raise FieldError("plan", f"the plan is not valid: {broken.text}")
    return plan


def _with_shard(plan: Plan) -> Plan:
    """The plan with dp_shard as it follows from dp and dp_replicate where it was left at 1; FieldError for a value that no plan has."""
    for key, value in columns_of(plan).items():
        whole(key, value)
    dp, replicas, shard = int(plan.dp), int(plan.dp_replicate), int(plan.dp_shard)
    if not plan.zero or replicas * shard == dp:
        return plan
    if shard == 1 and dp % replicas == 0:
        return plan.with_(dp_shard=dp // replicas)
    raise FieldError("dp_shard", f"dp_shard x dp_replicate must be dp {dp:,}, not {shard:,} x {replicas:,}", where="plan")
