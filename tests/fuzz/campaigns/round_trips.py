"""Campaign: plans of random jobs exported to the frameworks that can be read back: the same plan, batch and GPUs, nothing left over."""

from __future__ import annotations

import shutil
from random import Random

from planner.document.inputs import Inputs, resolve
from planner.exporters import registry
from planner.importers import formats
from planner.importers.imported import document_of, inputs_of
from planner.report.best import best_fitting
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.fuzz.campaign import Bench, Campaign, Case, need, register
from tests.fuzz.campaigns.numbers import space_of
from tests.fuzz.jobs import bounds, values
from tui.state import export_files

# Target -> stacks whose plans it can express, whether its files contain the model's sizes, the kinds of recompute they distinguish, and the
# axes they do not contain (as the notes of an export state).
TARGETS: dict[str, tuple[tuple[str, ...], bool, tuple[int, ...], tuple[str, ...]]] = {
    "megatron-lm": (("megatron-core", "nemo"), True, (0, 1, 2, 3), ()),
    "torchtitan": (("torchtitan",), True, (0, 1, 2), ()),
    "deepspeed": (("deepspeed",), False, (0, 2), ("recompute", "recompute_layers", "sequence_parallel")),
    "accelerate": (("pytorch-fsdp", "torchtitan"), False, (0, 2), ("recompute", "recompute_layers", "sequence_parallel")),
}


def draw(rng: Random) -> Case:
    """A job on a stack that a target takes."""
    target = rng.choice(sorted(TARGETS))
    job = {key: value for key, value in values(rng).items() if key not in ("layers", "mtp_layers")}
    return {"target": target, "inputs": job | {"stack": rng.choice(TARGETS[target][0])}, "space": bounds(rng)}


def check(case: Case, bench: Bench) -> None:
    """What is exported is refused, or read back as the plan it was."""
    job = resolve(Inputs().with_all(case["inputs"]))
    result = best_fitting(job, space_of(case["space"]))
    if result is None or result.plan.recompute not in TARGETS[case["target"]][2]:
        return
    exported = registry.export(case["target"], export_files.request(job, result.plan, "0.1.0"))
    folder = bench.folder / "exported"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file, text in exported.files.items():
        (folder / file).write_text(text, encoding="utf-8")
    _read_back(case["target"], str(folder / next(iter(exported.files))), job, result.plan)


def _read_back(target: str, path: str, job: Job, plan: Plan) -> None:
    """The import of a file names the same plan, batch and GPUs."""
    _, shows_model, _, untold = TARGETS[target]
    result = formats.read(path)
    inputs = inputs_of(result, path, "" if shows_model else job.model.name)
    if not result.gpus:
        inputs = inputs.with_("gpus", job.cluster.gpus)
    document = document_of(result, inputs)
    assert document.plan is not None
    before, after = plan.named(), document.plan.named()
    differ = {key: (before[key], after[key]) for key in after if after[key] != before[key] and key not in untold}
    need(not differ, f"an export to {target} reads back as another plan", differ)
    need(not result.not_understood, f"an export to {target} is not understood", list(result.not_understood))
    again = resolve(document.inputs)
    need(again.global_batch == job.global_batch, f"an export to {target} reads back with another batch", again.global_batch)
    need(again.cluster.gpus == job.cluster.gpus, f"an export to {target} reads back with other GPUs", again.cluster.gpus)


register(Campaign("round-trips", "exports read back by import", draw, check, weight=1.0, shrinks=("inputs", "space"), limit=90.0))
