"""What `planner` exports: names that are imported when used, in any order, and errors that say what is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

import planner
from planner.errors import FieldError, UnknownName
from planner.specs.plan import Plan

SMALL: dict[str, Any] = {"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64}
ORDERS = {
    "the function first": "from planner import search; import planner.search.lattice",
    "the package first": "import planner.search.lattice; from planner import search",
    "its module first": "import planner.search.search; from planner import search",
    "the module from the package": "from planner.search import search as module; from planner import search",
    "by attribute": "import planner; import planner.search.rules; search = planner.search",
}


def python(script: str) -> str:
    """What a script prints in a new process."""
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("order", ORDERS)
def test_search_is_the_function_whatever_was_imported_before(order: str) -> None:
    """`planner.search` names the function, though a package has that name too, and the package's modules can be imported."""
    script = f"{ORDERS[order]}\nimport planner, inspect, sys\nfrom planner.search.search import Result"
    assert python(f"{script}\nprint(inspect.isfunction(search), planner.search is search)") == "True True\n"


def test_importing_planner_and_its_presets_loads_no_numpy() -> None:
    """A shell that completes names of presets waits for no numpy."""
    assert python("import sys, planner; from planner import presets; presets.names('gpus'); print('numpy' in sys.modules)") == "False\n"


def test_every_name_exported_exists_and_is_listed() -> None:
    """Each name of __all__ can be used and is in dir(); another is refused as Python does."""
    assert set(planner.__all__) <= set(dir(planner))
    assert all(getattr(planner, name) is not None for name in planner.__all__)
    with pytest.raises(AttributeError, match="module 'planner' has no attribute 'serach'"):
        _ = planner.serach  # type: ignore[attr-defined]


def test_a_job_is_made_of_fields_in_one_call() -> None:
    """Fields by their names and in their units; a field, a preset or a value that is wrong is named, with the nearest."""
    job = planner.job(**SMALL, headroom=10)
    assert (job.model, job.cluster.gpus, job.headroom) == (planner.presets.model("llama-3.1-8b"), 16, 0.1)
    with pytest.raises(UnknownName, match="did you mean sequence"):
        planner.job(**SMALL, sequense=4096)
    with pytest.raises(UnknownName, match=r"did you mean llama-3\.1-70b"):
        planner.job("llama-3.1-70", 64)
    with pytest.raises(FieldError, match="gpus must be a whole number from 1"):
        planner.job("llama-3.1-70b", 0)


def test_a_plan_that_is_not_valid_is_refused() -> None:
    """A plan for another number of GPUs, or one against a rule, is refused by the rule; a valid one has an estimate and trees."""
    job = planner.job(**SMALL)
    for plan, why in ((Plan(tp=8), "must use every GPU|GPUs"), (Plan(tp=16, dp=1, micro_batch=3), "micro-batch|batch")):
        with pytest.raises(FieldError, match=why):
            planner.evaluate(job, plan)
        with pytest.raises(FieldError, match="the plan is not valid"):
            planner.explain(job, plan)
    plan = Plan(dp=16, dp_shard=16, zero=3)
    assert planner.explain(job, plan)["step_seconds"].value == pytest.approx(float(planner.evaluate(job, plan).step[0]))


def test_plans_and_estimates_are_short_when_printed() -> None:
    """A plan shows what is not its default and can be pasted back; an estimate shows memory, limit and step."""
    plan = Plan(tp=2, dp=8, dp_shard=8, zero=1)
    assert repr(plan) == "Plan(tp=2, dp=8, dp_shard=8, zero=1)" and eval(repr(plan)) == plan
    job = planner.job(**SMALL)
    one = planner.evaluate(job, plan)
    assert repr(one).startswith(f"Estimate(Plan(tp=2, dp=8, dp_shard=8, zero=1): {one.memory[0] / 2**30:.1f} of ")
    assert repr(one).endswith(f" GiB, {one.step[0]:.4g} s per step, {'fits' if one.fits[0] else 'does not fit'})")
    result = planner.search(job)
    several = result.estimate(result.order[:3])
    assert repr(several).startswith("Estimate(3 plans: ") and repr(several).endswith("s per step, 3 fit)")
    assert repr(several.plan) == "Plan(3 plans)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"micro_batch": 0}, "micro_batch must be a whole number from 1"),
        ({"recompute": 17}, "recompute must be a whole number from 0 to 3"),
        ({"recompute": "full"}, "not 'full'"),
        ({"zero": 1, "dp_shard": 3}, "dp_shard x dp_replicate must be dp 16, not 3 x 1"),
        ({"zero": 3, "dp_shard": 4, "dp_replicate": 2}, "dp_shard x dp_replicate must be dp 16, not 4 x 2"),
    ],
)
def test_a_value_that_no_plan_has_is_refused(changes: dict[str, Any], message: str) -> None:
    """A degree of 0, a choice that does not exist, and groups that do not make up dp are a FieldError, not numbers."""
    with pytest.raises(FieldError, match=re.escape(message)):
        planner.evaluate(planner.job(**SMALL), Plan(**({"dp": 16} | changes)))


def test_the_sharded_ranks_follow_from_dp() -> None:
    """A plan with ZeRO whose dp_shard was left at 1 is evaluated as that with dp_shard = dp / dp_replicate."""
    job = planner.job(**SMALL)
    for replicas in (1, 2):
        short, whole = (
            planner.evaluate(job, Plan(dp=16, zero=3, dp_replicate=replicas, **shard)) for shard in ({}, {"dp_shard": 16 // replicas})
        )
        assert short.memory.tolist() == whole.memory.tolist() and short.step.tolist() == whole.step.tolist()
