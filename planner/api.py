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
from planner.specs.plan import Plan


def job(model: str, gpus: int, **fields: Value) -> Job:
    """The job of a model on a number of GPUs; other fields by their names in [fields.md](fields.md), in the units given there.

    A field that is not given is that of its preset, else the default: H100 GPUs, Megatron-Core, 2,048 sequences per step. UnknownName for
    a field or a preset that does not exist, FieldError for a value that a field cannot take.
    """
    return resolve(EXAMPLE.with_all({"model": model, "gpus": gpus, **fields}))


def evaluate(job: Job, plan: Plan) -> Estimate:
    """Memory and time of a plan, or of columns of plans of equal length: a row for each.

    FieldError for a plan that breaks a rule of [rules.md](rules.md); columns of plans are not checked.
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
        broken = next(broken_rules(job, exactly(plan)), None)
        if broken is not None:
            raise FieldError("plan", f"the plan is not valid: {broken.text}")
    return plan
