"""`tmplan fit`: whether a model can be served on a GPU, and what is the most that can."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from planner.document.inputs import resolve
from planner.document.planfile import Document
from planner.economics import serving as inference
from planner.economics.serving import Fit, Serving
from planner.errors import FieldError
from planner.report.number_text import write_parameters
from planner.specs.hardware import GIB
from planner.specs.job import Job
from planner.specs.parameters import total_parameters
from planner.specs.validate import choice
from tui.cli.answer import DONE, NO_PLAN, Answer, narrate
from tui.cli.inputs import tell_left_out
from tui.cli.output import as_json, printed
from tui.draw.aligned import aligned
from tui.draw.step_tree import printed_trees
from tui.pages import fit as page

TOKENS = 8192  # the context that is asked for where none is named, or the longest that a model was trained for


def fit(
    document: Document, *, serving: dict[str, Any], contexts: tuple[int, ...], tp: int | None, explain: bool, largest: bool, format: str,
    width: int,
) -> Answer:  # fmt: skip
    """The table of a model on a GPU, or with `largest` the presets that fit it.

    serving: the fields of Serving that were given; without `tp` the fewest GPUs that fit are taken.
    """
    choice("format", format, ("table", "json"))
    job = resolve(document.inputs)
    usual = TOKENS if largest else min(TOKENS, job.model.max_positions)
    asked = Serving(**serving, context=contexts[0] if contexts else usual, tp=tp or 1)
    if largest:
        return listed(job, asked, format)
    if tp is None:
        fewest = inference.smallest_tp(job.model, inference.room_of(job), asked)
        asked = replace(asked, tp=fewest or inference.degrees(job.model)[-1])
        narrate(f"tmplan: TP {asked.tp}, {'the fewest GPUs that hold it' if fewest else 'the most its heads allow, and not enough'}")
    dtypes = (asked.dtype,) if "dtype" in serving else page.DTYPES
    found = page.serving_table(job, asked, dtypes, contexts)
    tell_left_out(found.left_out)
    code = DONE if found.fits else NO_PLAN
    if format == "json":
        return as_json(contract(found), code)
    return Answer(printed(page.summary(found, width)) + (f"\n{printed_trees(found.steps)}" if explain else ""), code)


def cell(fit: Fit) -> dict[str, Any]:
    """One fit as plain values."""
    return {
        "context": fit.serving.context, "weights_gib": fit.weights / GIB, "overhead_gib": fit.overhead / GIB,
        "cache_gib": fit.cache / GIB, "context_gib": fit.room.context_bytes / GIB, "memory_gib": fit.memory / GIB, "fits": fit.fits,
        "longest_context": int(fit.longest), "trained_context": fit.model.max_positions, "largest_batch": int(fit.batch),
    }  # fmt: skip


def contract(found: page.ServingTable) -> dict[str, Any]:
    """The table as one object."""
    s = found.serving
    weights = [
        {
            "dtype": row.requested.serving.dtype, "fewest_gpus": row.fewest, "largest_preset": row.largest and row.largest.model.name,
            "asked": cell(row.requested), "contexts": [cell(one) for one in row.cells],
        }
        for row in found.rows
    ]  # fmt: skip
    return {
        "model": found.model.name, "gpu": found.gpu, "tp": s.tp, "batch": s.batch,
        "cache_dtype": s.cache_dtype, "overhead": s.overhead_share, "memory_limit_gib": found.room.limit_bytes / GIB, "weights": weights,
        "steps": {name: step.as_dict() for name, step in found.steps.items()}, "advice": lacking(found),
    }  # fmt: skip


def lacking(found: page.ServingTable) -> list[str]:
    """Why nothing of the table fits, by what comes nearest, in a sentence; nothing where something does."""
    if found.fits:
        return []
    near = min((cell for row in found.rows for cell in (*row.cells, row.requested)), key=lambda cell: float(cell.memory))
    told, limit = near.serving, found.room.limit_bytes / GIB
    return [f"nothing fits: in {told.dtype} with {told.context:,} tokens each GPU needs {near.memory / GIB:.2f} GiB of {limit:.2f} GiB"]


def listed(job: Job, asked: Serving, format: str) -> Answer:
    """The presets that fit in some dtype, the largest first, with the longest context that fits and that they were trained for."""
    room, (known, left_out) = inference.room_of(job), page.models()
    tell_left_out(left_out)
    by_dtype = {
        dtype: {fit.model.name: fit for fit in inference.largest_first(known, room, replace(asked, dtype=dtype))} for dtype in page.DTYPES
    }
    names = [model.name for model in sorted(known, key=total_parameters, reverse=True) if any(model.name in f for f in by_dtype.values())]
    code = DONE if names else NO_PLAN
    if format == "json":
        records = [{"name": name} | {dtype: (fits[name].usable if name in fits else None) for dtype, fits in by_dtype.items()}
                   for name in names]  # fmt: skip
        head = {"gpu": job.cluster.gpu.name, "tp": asked.tp, "batch": asked.batch, "cache_dtype": asked.cache_dtype}
        none = f"no preset fits {asked.tp} {job.cluster.gpu.name} with {asked.context:,} tokens, or as many as it was trained for"
        return as_json(head | {"context": asked.context, "models": records, "advice": [] if names else [none]}, code)
    sizes = {model.name: write_parameters(total_parameters(model)) for model in known}
    batch = "one sequence" if asked.batch == 1 else f"{asked.batch:,} sequences"
    narrate(
        f"tmplan: presets that fit {asked.tp} {job.cluster.gpu.name} with {batch} of {asked.context:,} tokens or as many as they were "
        "trained for, and the longest context that fits of those they were trained for, by dtype of the weights"
    )
    if not names:
        return Answer(code=code)
    lines = [["model", "size", *page.DTYPES]]
    lines += [[name, sizes[name], *(f"{f[name].usable:,}" if name in f else "-" for f in by_dtype.values())] for name in names]
    return Answer("".join(f"{line}\n" for line in aligned(lines, left=(0,))), code)


def tokens(text: str) -> int:
    """A context from what was typed: 8192, 8k, 128k."""
    from planner.document.inputs import parse

    try:
        return int(parse("sequence", text))
    except FieldError as error:
        raise FieldError("context", str(error).replace("sequence", "context", 1)) from error
