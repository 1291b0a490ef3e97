"""The registry of export targets: their names, the plans they refuse and why, and the files they write.

A module of this package registers its Target on import; a new target is a new file. Whatever a framework cannot express is refused in a
sentence before anything is written or, where it affects only speed or memory, reported in a note: in the file and on stderr.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import planner.exporters
from planner.errors import TmplanError, UnknownName
from planner.specs.job import Job
from planner.specs.plan import Plan

OTHER = ("registry",)  # modules that are not targets; shared modules begin with an underscore


@dataclass(frozen=True)
class Request:
    """An export: a job, a plan of it, and lines that describe both and the predictions."""

    job: Job
    plan: Plan
    about: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exported:
    """The files of an export by name, the main file first, and notes on what they do not express."""

    files: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """A framework or launcher to which plans are exported.

    refusals: a sentence per reason why a plan cannot be exported, with what would be right; empty where it can. write: the files; called
    only for plans without refusals. main: the name of the main file.
    """

    name: str
    title: str
    main: str
    version: str  # version of the framework whose keys it writes
    refusals: Callable[[Request], list[str]]
    write: Callable[[Request], Exported]


class CannotExport(TmplanError):
    """A plan that a target cannot express."""


_targets: dict[str, Target] = {}


def register(target: Target) -> Target:
    """Register a target under its name and return it."""
    _targets[target.name] = target
    return target


def targets() -> Mapping[str, Target]:
    """Every target by name, sorted."""
    for module in pkgutil.iter_modules(planner.exporters.__path__):
        if module.name not in OTHER and not module.name.startswith("_"):
            importlib.import_module(f"planner.exporters.{module.name}")
    return dict(sorted(_targets.items()))


def target(name: str) -> Target:
    """The target of a name; UnknownName with the closest match if there is none."""
    known = targets()
    if name not in known:
        raise UnknownName("target", name, known)
    return known[name]


def export(name: str, request: Request) -> Exported:
    """The files of a plan for a target; CannotExport with all reasons in one sentence where it is refused."""
    destination = target(name)
    if request.job.wide:
        raise CannotExport(f"files are written for 16 bits and fewer, not for {request.job.precision}; set precision to bf16")
    if reasons := destination.refusals(request):
        raise CannotExport(f"this plan cannot be written for {destination.title}: {'; '.join(reasons)}")
    return destination.write(request)
