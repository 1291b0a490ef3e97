"""The layers of pipeline stages by Megatron-LM's options, in the notation of a layout.

Options and their meaning: megatron/training/arguments.py and megatron/core/transformer/transformer_block.py, get_num_layers_to_build
(Megatron-LM d98e8a64dd).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from planner.cost.pipeline_split import virtual_layers
from planner.document.inputs import Inputs
from planner.errors import FieldError, FileError
from planner.importers.megatron_options import Options
from planner.specs.job import Job
from planner.specs.pipeline_layout import KEY, compact, layout_of, plain
from planner.specs.plan import Plan

LAYOUT = "pipeline-model-parallel-layout"
PER_STAGE = "num-layers-per-virtual-pipeline-stage"
FIRST, LAST = "decoder-first-pipeline-num-layers", "decoder-last-pipeline-num-layers"
EMBEDDING, LOSS = "account-for-embedding-in-pipeline-split", "account-for-loss-in-pipeline-split"


def stages_of(options: Options, model: Mapping[str, Any], plan: Mapping[str, Any]) -> tuple[dict[str, int], str]:
    """The virtual stages per rank, where an option says them, and the layout of the pipeline, empty where layers divide evenly.

    FileError for a layout outside the notation, or for layers that do not divide as the options say.
    """
    pp, layers = int(plan.get("pp", 1)), int(model.get("layers", 0))
    if text := options.joined(LAYOUT):
        if "$" in text:  # an unset variable
            return {}, ""
        try:
            return {"vpp": max(1, layout_of(text).stages // pp)}, plain(text)
        except FieldError as error:
            raise FileError(f"option --{LAYOUT}: {error}", where=options.where) from None
    per_stage = options.integer(PER_STAGE)
    vpp = int(plan.get("vpp", 1))
    if per_stage and layers:
        vpp = max(1, layers // (pp * per_stage))
    given = {"vpp": vpp} if per_stage and layers else {}
    ranks = _uneven(options, layers, pp) if layers and pp > 1 else []
    if not ranks:
        return given, ""
    if wrong := [count for count in ranks if count < 0 or count % vpp]:
        number = f"{wrong[0]:,} layers of a pipeline rank do not divide over {vpp} virtual stages"
        raise FileError(f"options --{FIRST} and --{LAST}: {number}", where=options.where)
    return given, _noted([count // vpp for _ in range(vpp) for count in ranks], options, int(model.get("mtp_layers", 0)))


def _uneven(options: Options, layers: int, pp: int) -> list[int]:
    """Layer slots of each pipeline rank with fewer or more on the first and the last; empty where no option says so."""
    first, last = options.integer(FIRST), options.integer(LAST)
    if EMBEDDING in options or LOSS in options:
        slots = layers + (EMBEDDING in options) + (LOSS in options)
        return [slots // pp] * pp if slots % pp == 0 else []
    if first is None and last is None:
        return []
    ends = [count for count in (first, last) if count is not None]
    middle, rest = pp - len(ends), layers - sum(ends)
    if (middle and rest % middle) or (not middle and rest) or rest < 0:
        number = f"{rest:,} layers are left for {middle} of {pp} ranks"
        raise FileError(f"options --{FIRST} and --{LAST}: {number}", where=options.where)
    between = [rest // middle] * middle if middle else []
    return [*([first] if first is not None else []), *between, *([last] if last is not None else [])]


def _noted(stages: Sequence[int], options: Options, ahead: int) -> str:
    """The notation of stages with these layer slots; the options may give one to the embedding and one to the loss."""
    counts = list(stages)
    counts[0] -= EMBEDDING in options
    counts[-1] -= LOSS in options
    letters = ["t" * max(0, count) for count in counts]
    return compact(["E" + letters[0], *letters[1:-1], letters[-1] + "m" * ahead + "L"])


def without_usual_layout(inputs: Inputs, job: Job, plan: Plan) -> Inputs:
    """The inputs without a layout that places the layers as the stack splits them in any case."""
    layout = job.layout
    if layout is None or layout.stages != plan.pp * plan.vpp or layout.ahead_stage != layout.stages - 1:
        return inputs
    usual = virtual_layers(replace(job, pipeline_layout=""), plan)
    return inputs.with_(KEY, None) if usual.tolist() == list(layout.layers) else inputs
