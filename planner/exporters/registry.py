"""The registry of targets: what each is called, which plans it refuses and why, and the files it writes.

A module in this folder registers its Target when imported; to add one, add one file. What a framework cannot express is refused with a
sentence before anything is written, or, where it only changes speed or memory, said in a note: in the file, and on stderr.
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

OWN = ("registry",)  # modules of this folder that are no targets; shared pieces begin with an underscore


@dataclass(frozen=True)
class Request:
    """What is exported: a job, one plan of it, and the lines that say in words what it is and what tmplan predicts."""

    job: Job
    plan: Plan
    about: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exported:
    """The files of an export by name, the main one first, and what they do not say of the plan, in sentences."""

    files: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """Something a plan can be written for.

    refusals: sentences, one a reason why this plan cannot be written for it (empty: it can); each says what is wrong and what would be
    right. write: the files; called for plans without refusals alone. main: the name of the main file, with its real extension.
    """

    name: str
    title: str
    main: str
    version: str  # of the framework whose keys it writes
    refusals: Callable[[Request], list[str]]
    write: Callable[[Request], Exported]


class CannotExport(TmplanError):
    """A plan that a target cannot express."""


_targets: dict[str, Target] = {}


def register(target: Target) -> Target:
    """Make a target known by its name."""
    _targets[target.name] = target
    return target


def targets() -> Mapping[str, Target]:
    """Every target by name, in order of their names."""
    for module in pkgutil.iter_modules(planner.exporters.__path__):
        if module.name not in OWN and not module.name.startswith("_"):
            importlib.import_module(f"planner.exporters.{module.name}")
    return dict(sorted(_targets.items()))


def target(name: str) -> Target:
    """A target by name; UnknownName with the nearest if there is none."""
    known = targets()
    if name not in known:
        raise UnknownName("target", name, known)
    return known[name]


def export(name: str, request: Request) -> Exported:
    """The files of a plan for a target; CannotExport with every reason in one sentence where it cannot be expressed."""
    found = target(name)
    if reasons := found.refusals(request):
        raise CannotExport(f"this plan cannot be written for {found.title}: {'; '.join(reasons)}")
    return found.write(request)
