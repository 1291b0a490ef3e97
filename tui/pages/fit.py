"""The serving page: memory per GPU by dtype and context, the longest context, the fewest GPUs, and the largest preset that fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planner import presets
from planner.economics import serving as inference
from planner.economics.serving import Fit, MemoryBudget, Serving
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
BROAD = 66  # least width for a separate column of the weights


@dataclass(frozen=True)
class Row:
    """One dtype of the weights: the fit for each context and for the requested context, and the fewest GPUs for the latter."""

    cells: tuple[Fit, ...]
    requested: Fit
    fewest: int | None
    largest: Fit | None  # preset on the same GPUs


@dataclass(frozen=True)
class ServingTable:
    """Contents of the page: a model on the GPUs of a job."""

    model: Model
    gpu: str
    node: int  # GPUs per node
    serving: Serving
    room: MemoryBudget
    rows: tuple[Row, ...]
    steps: dict[str, Step]  # derivations for the row of `serving`
    left_out: tuple[str, ...] = ()  # a message for each preset that cannot be read

    @property
    def fits(self) -> bool:
        """Whether any entry of the table fits."""
        return any(cell.fits for row in self.rows for cell in (*row.cells, row.requested))


def serving_table(job: Job, serving: Serving, dtypes: Sequence[str] = DTYPES, contexts: Sequence[int] = ()) -> ServingTable:
    """The table of a job's model on its GPU; FieldError for a tensor-parallel degree that does not divide its heads.

    contexts: its columns; by default those of CONTEXTS up to the model's training context, or that context if it is shorter.
    """
    model, room = job.model, inference.memory_budget(job)
    inference.check_tp(model, serving.tp)
    contexts = contexts or [n for n in CONTEXTS if n <= model.max_positions] or [model.max_positions]
    (known, left_out), rows = models(), []
    for dtype in dtypes:
        variant = replace(serving, dtype=dtype)
        cells = tuple(inference.fit(model, room, replace(variant, context=context)) for context in contexts)
        largest = next(inference.largest_first(known, room, variant), None)
        rows.append(Row(cells, inference.fit(model, room, variant), inference.smallest_tp(model, room, variant), largest))
    steps = inference.explain(model, room, serving)
    return ServingTable(model, job.cluster.gpu.name, job.cluster.gpus_per_node, serving, room, tuple(rows), steps, left_out)


def models() -> tuple[list[Model], tuple[str, ...]]:
    """All models with a preset, and a message for each preset that cannot be read."""
    read, left_out = presets.every("models", presets.model)
    return [replace(model, name=name) for name, model in read.items()], left_out


def work(subject: Subject) -> ServingTable:
    """The table for the model and GPU of the document, at the plan's tensor parallelism if it divides the heads."""
    job, tp = subject.job, int(subject.plan.tp)
    tp = tp if tp in inference.degrees(job.model) else 1
    return serving_table(job, Serving(context=min(job.sequence, job.model.max_positions), tp=tp))


def draw(contents: ServingTable, width: int) -> list[Line]:
    """All lines: the summary, and the derivation trees for the requested dtype and context."""
    s = contents.serving
    head = writing.heading(f"derivation of the numbers: {s.dtype}, {s.context:,} tokens")
    lacking = [line for text in contents.left_out for line in sentence(text, width)]

    return [*summary(contents, width), *lacking, [], head, *trees(contents.steps.values(), width)]


def summary(contents: ServingTable, width: int) -> Iterator[Line]:
    """The model and GPUs, the table, its interpretation, and the largest presets."""
    yield from sentence(heading(contents), width, "strong")
    yield []
    yield from table(contents, width)
    yield []
    for text in sentences(contents):
        yield from sentence(text, width)
    yield []
    yield from presets_that_fit(contents, width)


def heading(contents: ServingTable) -> str:
    """The model, the GPUs and the batch."""
    s = contents.serving
    group = f"{s.tp:,} {contents.gpu}, TP {s.tp}" if s.tp > 1 else f"one {contents.gpu}"
    batch = f"{s.batch:,} concurrent sequences" if s.batch > 1 else "one sequence at a time"
    return f"serving {contents.model.name} ({write_size(contents.model)}) on {group}: {batch}, cache in {s.cache_dtype}"


def table(contents: ServingTable, width: int) -> Iterator[Line]:
    """Memory per GPU, a line for each dtype of the weights and a column for each context."""
    broad = width >= BROAD
    head = ["weights", *(["GiB"] if broad else []), *(written(cell.serving.context) for cell in contents.rows[0].cells), "longest", "TP"]
    lines = [head]
    for row in contents.rows:
        cells = [write_gib(cell.memory / GIB) + (" " if cell.fits else "!") for cell in row.cells]
        size = [write_gib(row.requested.weights / GIB)] if broad else []
        fewest = "-" if row.fewest is None else f"{row.fewest}"
        lines.append(
            [row.requested.serving.dtype, *size, *cells, f"{row.requested.longest:,.0f}" if row.requested.longest else "-", fewest]
        )
    yield from writing.table(lines, (0,), 1)


def written(context: int) -> str:
    """A number of tokens in its usual notation: 4k, 131,000."""
    return f"{context // 1024:,}k" if context % 1024 == 0 else f"{context:,}"


def sentences(contents: ServingTable) -> Iterator[str]:
    """Sentences on the contents and the assumptions of the table."""
    s, model = contents.serving, contents.model
    limit, rest = contents.room.limit_bytes / GIB, contents.room.context_bytes / GIB
    yield (
        f"GiB on each GPU: weights, {s.overhead_share:.0%} of them for the forward pass, the KV cache, {write_gib(rest)} for CUDA "
        f"context and libraries. ! marks more than the usable {write_gib(limit)}."
    )
    one = inference.fit(model, contents.room, replace(s, context=1, batch=1)).cache / 1024
    where = "on every GPU, as latents are not sharded" if model.kv_rank else "on each GPU"
    windows = f" up to the sliding window of {model.sliding_window:,}, less beyond it" if model.global_layers < model.layers else ""
    yield f"The cache takes {one:,.4g} KiB per token {where}{windows}."
    each = "the sequence" if s.batch == 1 else f"each of {s.batch:,} sequences"
    yield f"longest: tokens that fit in {each}; the preset allows {model.max_positions:,} positions."
    if max(cell.serving.context for cell in contents.rows[0].cells) > model.max_positions:
        yield f"! {model.name} was not trained for more than {model.max_positions:,} tokens."
    wide = [row.fewest for row in contents.rows if row.fewest and row.fewest > contents.node]
    nodes = f"; more than {contents.node} need several nodes" if wide else ""
    yield f"TP: the fewest GPUs that fit {s.context:,} tokens{nodes}."
    for row in contents.rows:
        if row.requested.fits and row.requested.batch > 1:
            yield f"{row.requested.serving.dtype}: at most {row.requested.batch:,.0f} concurrent sequences of {s.context:,} tokens."


def presets_that_fit(contents: ServingTable, width: int) -> Iterator[Line]:
    """The largest preset on the same GPUs, by dtype, with the requested context or the longest it was trained for."""
    s = contents.serving
    on = f"{s.tp} such GPUs" if s.tp > 1 else "one such GPU"
    yield [(f" largest preset on {on}, up to {s.context:,} tokens", "title")]
    lines = []
    for row in contents.rows:
        best = row.largest
        name, size = (best.model.name, write_size(best.model)) if best else ("none fits", "")
        lines.append([row.requested.serving.dtype, name, size])
    yield from ([(f" {line}"[:width], "text")] for line in aligned(lines, left=(0, 1, 2)))
