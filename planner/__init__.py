"""A planner for distributed LLM training: every valid plan of a job, with its memory and step time, explained. No screen, no network.

    import planner

    job = planner.job(model="llama-3.1-70b", gpus=64, global_batch=512)
    result = planner.search(job)
    print(result.estimate(result.order[:1]))

docs/api.md describes the names exported here; each is imported when it is first used, so that `import planner` loads no numpy.
`planner.search` is the function. Modules of the package of the same name are imported from it: `from planner.search.rules import RULES`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner import presets as presets
    from planner.api import evaluate as evaluate
    from planner.api import explain as explain
    from planner.api import job as job
    from planner.cost.records import Estimate as Estimate
    from planner.report.columns import records as records
    from planner.search.search import Result as Result
    from planner.search.search import search as search
    from planner.specs.hardware import Cluster as Cluster
    from planner.specs.hardware import Gpu as Gpu
    from planner.specs.job import Job as Job
    from planner.specs.job import Stack as Stack
    from planner.specs.model import Model as Model
    from planner.specs.plan import Plan as Plan

__all__ = (
    "Cluster", "Estimate", "Gpu", "Job", "Model", "Plan", "Result", "Stack", "evaluate", "explain", "job", "presets", "records", "search",
)  # fmt: skip
MODULES = {
    "Cluster": "specs.hardware", "Estimate": "cost.records", "Gpu": "specs.hardware", "Job": "specs.job", "Model": "specs.model",
    "Plan": "specs.plan", "Result": "search.search", "Stack": "specs.job", "evaluate": "api", "explain": "api", "job": "api",
    "records": "report.columns", "search": "search.search",
}  # fmt: skip

# Python binds a package to this module once, when the package is first imported: now, so that no later import puts it in place of the
# function.
import_module("planner.search")
del globals()["search"]


if not TYPE_CHECKING:  # to mypy a name that is not exported stays an error

    def __getattr__(name: str) -> object:
        """A name that is exported, imported when it is first used."""
        if name == "presets":
            return import_module("planner.presets")
        if name not in MODULES:
            raise AttributeError(f"module 'planner' has no attribute '{name}'")
        value = globals()[name] = getattr(import_module(f"planner.{MODULES[name]}"), name)
        return value


def __dir__() -> list[str]:
    """The names exported, and those of the module."""
    return sorted({*globals(), *__all__})
