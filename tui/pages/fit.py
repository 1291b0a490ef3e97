"""Serving the model: memory on each GPU by weights and context, the longest context, the fewest GPUs, and the largest preset that fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planner import presets
from planner.economics import serving as inference
from planner.economics.serving import Fit, Room, Serving
from planner.report.number_text import write_gib, write_size
from planner.specs.hardware import GIB
from tui.draw import writing
from tui.draw.aligned import aligned
from tui.draw.step_tree import trees
from tui.draw.writing import sentence

if TYPE_CHECKING:
    from planner.formula.trace import Step
    from planner.specs.job import Job
    from planner.specs.model import Model
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

DTYPES = ("int4", "int8", "bf16", "fp32")
CONTEXTS = (4096, 8192, 32_768, 131_072)
BROAD = 66  # cells from which the weights have a column of their own


@dataclass(frozen=True)
class Row:
    """One dtype of the weights: a fit for each context, and at the context asked for; the fewest GPUs that hold that."""

    cells: tuple[Fit, ...]
    asked: Fit
    fewest: int | None
    largest: Fit | None  # preset on the same GPUs


@dataclass(frozen=True)
class Found:
    """What is drawn: a model on the GPUs of a job."""

    model: Model
    gpu: str
    node: int  # GPUs in one
    serving: Serving
    room: Room
    rows: tuple[Row, ...]
    steps: dict[str, Step]  # of the row of `serving`
    left_out: tuple[str, ...] = ()  # presets that cannot be read, a sentence each

    @property
    def fits(self) -> bool:
        """Whether anything of the table fits."""
        return any(cell.fits for row in self.rows for cell in (*row.cells, row.asked))


def found(job: Job, serving: Serving, dtypes: Sequence[str] = DTYPES, contexts: Sequence[int] = ()) -> Found:
    """The table of a job's model on its GPU; FieldError for a tensor-parallel degree that its heads cannot be divided by.

    contexts: its columns; where none are told, those of CONTEXTS that the model was trained for, or the longest it was.
    """
    model, room = job.model, inference.room_of(job)
    inference.check_tp(model, serving.tp)
    contexts = contexts or [n for n in CONTEXTS if n <= model.max_positions] or [model.max_positions]
    (known, left_out), rows = models(), []
    for dtype in dtypes:
        own = replace(serving, dtype=dtype)
        cells = tuple(inference.fit(model, room, replace(own, context=context)) for context in contexts)
        largest = next(inference.largest_first(known, room, own), None)
        rows.append(Row(cells, inference.fit(model, room, own), inference.smallest_tp(model, room, own), largest))
    steps = inference.explain(model, room, serving)
    return Found(model, job.cluster.gpu.name, job.cluster.gpus_per_node, serving, room, tuple(rows), steps, left_out)


def models() -> tuple[list[Model], tuple[str, ...]]:
    """Every model there is a preset for, and a sentence for each of those that cannot be read."""
    read, left_out = presets.every("models", presets.model)
    return [replace(model, name=name) for name, model in read.items()], left_out


def work(subject: Subject) -> Found:
    """The table for the model and GPU of the document, at the plan's tensor parallelism where the heads allow it."""
    job, tp = subject.job, int(subject.plan.tp)
    tp = tp if tp in inference.degrees(job.model) else 1
    return found(job, Serving(context=min(job.sequence, job.model.max_positions), tp=tp))


def draw(found: Found, width: int) -> list[Line]:
    """All lines: what is told, and the trees of the numbers at the dtype and context asked for."""
    s = found.serving
    head = writing.heading(f"where the numbers come from: {s.dtype}, {s.context:,} tokens")
    lacking = [line for text in found.left_out for line in sentence(text, width)]
    return [*told(found, width), *lacking, [], head, *trees(found.steps.values(), width)]


def told(found: Found, width: int) -> Iterator[Line]:
    """What is served on what, the table, what it says, the largest presets."""
    yield from sentence(heading(found), width, "strong")
    yield []
    yield from table(found, width)
    yield []
    for text in sentences(found):
        yield from sentence(text, width)
    yield []
    yield from presets_that_fit(found, width)


def heading(found: Found) -> str:
    """What is served on what."""
    s = found.serving
    group = f"{s.tp:,} {found.gpu}, TP {s.tp}" if s.tp > 1 else f"one {found.gpu}"
    batch = f"{s.batch:,} sequences at once" if s.batch > 1 else "one sequence at a time"
    return f"serving {found.model.name} ({write_size(found.model)}) on {group}: {batch}, cache in {s.cache_dtype}"


def table(found: Found, width: int) -> Iterator[Line]:
    """Memory of one GPU, a line for each dtype of the weights and a column for each context."""
    broad = width >= BROAD
    head = ["weights", *(["GiB"] if broad else []), *(written(cell.serving.context) for cell in found.rows[0].cells), "longest", "TP"]
    lines = [head]
    for row in found.rows:
        cells = [write_gib(cell.memory / GIB) + (" " if cell.fits else "!") for cell in row.cells]
        size = [write_gib(row.asked.weights / GIB)] if broad else []
        fewest = "-" if row.fewest is None else f"{row.fewest}"
        lines.append([row.asked.serving.dtype, *size, *cells, f"{row.asked.longest:,.0f}" if row.asked.longest else "-", fewest])
    yield from writing.table(lines, (0,), 1)


def written(context: int) -> str:
    """Tokens as people say them: 4k, 131,000."""
    return f"{context // 1024:,}k" if context % 1024 == 0 else f"{context:,}"


def sentences(found: Found) -> Iterator[str]:
    """What the table says, and what it is made of."""
    s, model = found.serving, found.model
    limit, rest = found.room.limit_bytes / GIB, found.room.context_bytes / GIB
    yield (
        f"GiB on each GPU: weights, {s.overhead_share:.0%} of them for the forward pass, the cache, and {write_gib(rest)} for context and "
        f"libraries. ! marks more than the {write_gib(limit)} that may be used."
    )
    one = inference.fit(model, found.room, replace(s, context=1, batch=1)).cache / 1024
    where = "on every GPU, for latents are not divided" if model.kv_rank else "on each GPU"
    windows = f" until the {model.sliding_window:,} of a window, fewer from there" if model.global_layers < model.layers else ""
    yield f"The cache takes {one:,.4g} KiB a token {where}{windows}."
    each = "the sequence" if s.batch == 1 else f"each of {s.batch:,} sequences"
    yield f"longest: tokens that fit in {each}; the preset says {model.max_positions:,} positions at most."
    if max(cell.serving.context for cell in found.rows[0].cells) > model.max_positions:
        yield f"! {model.name} was not trained for more than {model.max_positions:,} tokens."
    wide = [row.fewest for row in found.rows if row.fewest and row.fewest > found.node]
    nodes = f"; more than {found.node} are several nodes" if wide else ""
    yield f"TP: the fewest GPUs that hold {s.context:,} tokens{nodes}."
    for row in found.rows:
        if row.asked.fits and row.asked.batch > 1:
            yield f"{row.asked.serving.dtype}: at most {row.asked.batch:,.0f} sequences of {s.context:,} tokens at once."


def presets_that_fit(found: Found, width: int) -> Iterator[Line]:
    """The largest preset on the same GPUs, by dtype: with the context asked for, or the longest it was trained for."""
    s = found.serving
    on = f"{s.tp} such GPUs" if s.tp > 1 else "one such GPU"
    yield [(f" largest preset on {on}, up to {s.context:,} tokens", "title")]
    lines = []
    for row in found.rows:
        best = row.largest
        name, size = (best.model.name, write_size(best.model)) if best else ("none fits", "")
        lines.append([row.asked.serving.dtype, name, size])
    yield from ([(f" {line}"[:width], "text")] for line in aligned(lines, left=(0, 1, 2)))
