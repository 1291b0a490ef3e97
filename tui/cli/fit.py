"""`tmplan fit`: whether a model can be served on a GPU, and the largest models and contexts that fit."""

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
from tui.cli.inputs import report_left_out
from tui.cli.output import as_json, printed
from tui.draw.aligned import aligned
from tui.draw.step_tree import printed_trees
from tui.pages import fit as page

TOKENS = 8192  # default context, unless a model was trained for a shorter one


def fit(
    document: Document, *, serving: dict[str, Any], contexts: tuple[int, ...], tp: int | None, explain: bool, largest: bool, format: str,
    width: int,
) -> Answer:  # fmt: skip
    """The table of a model on a GPU, or with `largest` the presets that fit it.

    serving: the fields of Serving that were given; without `tp` the fewest GPUs that fit are used.
    """
    choice("format", format, ("table", "json"))
    job = resolve(document.inputs)
    usual = TOKENS if largest else min(TOKENS, job.model.max_positions)
    requested = Serving(**serving, context=contexts[0] if contexts else usual, tp=tp or 1)
    if largest:
        return listed(job, requested, format)
    if tp is None:
        fewest = inference.smallest_tp(job.model, inference.memory_budget(job), requested)
        requested = replace(requested, tp=fewest or inference.degrees(job.model)[-1])
        narrate(
            f"tmplan: TP {requested.tp}, {'the fewest GPUs that fit it' if fewest else 'the most its heads allow, which is not enough'}"
        )
    dtypes = (requested.dtype,) if "dtype" in serving else page.DTYPES
    table = page.serving_table(job, requested, dtypes, contexts)
    report_left_out(table.left_out)
    code = DONE if table.fits else NO_PLAN
    if format == "json":
        return as_json(contract(table), code)
    return Answer(printed(page.summary(table, width)) + (f"\n{printed_trees(table.steps)}" if explain else ""), code)


def cell(fit: Fit) -> dict[str, Any]:
    """One entry as plain values."""
    return {
        "context": fit.serving.context, "weights_gib": fit.weights / GIB, "overhead_gib": fit.overhead / GIB,
        "cache_gib": fit.cache / GIB, "context_gib": fit.room.context_bytes / GIB, "memory_gib": fit.memory / GIB, "fits": fit.fits,
        "longest_context": int(fit.longest), "trained_context": fit.model.max_positions, "largest_batch": int(fit.batch),
    }  # fmt: skip


def contract(table: page.ServingTable) -> dict[str, Any]:
    """The table as one object."""
    s = table.serving
    weights = [
        {
            "dtype": row.requested.serving.dtype, "fewest_gpus": row.fewest, "largest_preset": row.largest and row.largest.model.name,
            "asked": cell(row.requested), "contexts": [cell(one) for one in row.cells],
        }
        for row in table.rows
    ]  # fmt: skip
    return {
        "model": table.model.name, "gpu": table.gpu, "tp": s.tp, "batch": s.batch,
        "cache_dtype": s.cache_dtype, "overhead": s.overhead_share, "memory_limit_gib": table.room.limit_bytes / GIB, "weights": weights,
        "steps": {name: step.as_dict() for name, step in table.steps.items()}, "advice": lacking(table),
    }  # fmt: skip


def lacking(table: page.ServingTable) -> list[str]:
    """A sentence on the entry nearest to fitting if none fits; else nothing."""
    if table.fits:
        return []
    near = min((cell for row in table.rows for cell in (*row.cells, row.requested)), key=lambda cell: float(cell.memory))
    nearest, limit = near.serving, table.room.limit_bytes / GIB
    return [
        f"nothing fits: in {nearest.dtype} with {nearest.context:,} tokens each GPU needs {near.memory / GIB:.2f} GiB of {limit:.2f} GiB"
    ]


def listed(job: Job, requested: Serving, format: str) -> Answer:
    """The presets that fit in some dtype, largest first, with the longest context that fits, up to their training context."""
    room, (known, left_out) = inference.memory_budget(job), page.models()
    report_left_out(left_out)
    by_dtype = {
        dtype: {fit.model.name: fit for fit in inference.largest_first(known, room, replace(requested, dtype=dtype))}
        for dtype in page.DTYPES
    }
    names = [model.name for model in sorted(known, key=total_parameters, reverse=True) if any(model.name in f for f in by_dtype.values())]
    code = DONE if names else NO_PLAN
    if format == "json":
        records = [{"name": name} | {dtype: (fits[name].usable if name in fits else None) for dtype, fits in by_dtype.items()}
                   for name in names]  # fmt: skip
        head = {"gpu": job.cluster.gpu.name, "tp": requested.tp, "batch": requested.batch, "cache_dtype": requested.cache_dtype}
        none = f"no preset fits {requested.tp} {job.cluster.gpu.name} at {requested.context:,} tokens or its training context"
        return as_json(head | {"context": requested.context, "models": records, "advice": [] if names else [none]}, code)
    sizes = {model.name: write_parameters(total_parameters(model)) for model in known}
    batch = "one sequence" if requested.batch == 1 else f"{requested.batch:,} sequences"
    narrate(
        f"tmplan: presets that fit {requested.tp} {job.cluster.gpu.name} with {batch} of {requested.context:,} tokens or their training "
        "context if shorter, with the longest context that fits up to the training context, by dtype of the weights"
    )
    if not names:
        return Answer(code=code)
    lines = [["model", "size", *page.DTYPES]]
    lines += [[name, sizes[name], *(f"{f[name].usable:,}" if name in f else "-" for f in by_dtype.values())] for name in names]
    return Answer("".join(f"{line}\n" for line in aligned(lines, left=(0,))), code)


def tokens(text: str) -> int:
    """Parse a context: 8192, 8k, 128k."""
    from planner.document.inputs import parse

    try:
        return int(parse("sequence", text))
    except FieldError as error:
        raise FieldError("context", str(error).replace("sequence", "context", 1)) from error
