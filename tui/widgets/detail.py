"""The plan under the cursor: memory and time by part, memory by stage, and the trees of the numbers.

Lines are made only as far down as the pane shows, so that moving over the table pays for two columns of bars and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from planner.report.choice_text import recompute_code, schedule_code, sharding_code, write_recompute, write_schedule, write_sharding
from planner.report.columns import BY_KEY
from planner.report.number_text import write_figure, write_gib
from planner.specs.hardware import GIB
from planner.specs.job import Job
from tui.draw.lines import Line, Run, fit, rule
from tui.draw.step_tree import tree
from tui.draw.writing import alike_stages, one
from tui.settings.bindings import key_of
from tui.state.axes import idle
from tui.widgets.page_pane import PagePane

if TYPE_CHECKING:
    from planner.cost.evaluate import StageMemory
    from planner.cost.parts import Parts
    from planner.cost.records import Estimate
    from planner.dimensions import Bytes, Seconds
    from planner.formula.trace import Step
    from planner.specs.plan import Plan

COLUMN = 38  # cells from which memory and time stand side by side
SMALL_PARTS = ("logits", "buffers", "workspace", "slack", "context")  # shown as one part by stage
STAGE, PART = 29, 8  # cells of a line by stage before its parts, and of each part


def bar(share: float, width: int) -> str:
    """A bar of `share` of `width` cells, whole ones: finer steps would be sent again at every move. What is there shows."""
    return "█" * round(min(max(share, 0.0), 1.0) * width) or ("▏" if share > 0 else "")


def sentence(job: Job, plan: Plan) -> tuple[str, str]:
    """One plan as text: its degrees, and the rest. Each has a fixed place, so that from plan to plan only digits change."""
    silent = idle(job.model.experts > 0, job.stack)
    pipeline = f"{plan.pp}x{plan.vpp}" if plan.vpp > 1 else str(plan.pp)
    schedule = f"{write_schedule(schedule_code(plan)):<12}" if "schedule" not in silent else ""
    experts = "".join(f"{axis.upper()} {getattr(plan, axis):<3} " for axis in ("ep", "etp") if axis not in silent)
    sharding = write_sharding(sharding_code(plan))
    recompute = write_recompute(recompute_code(plan))
    return (
        f"TP {plan.tp:<3} {'SP' if plan.sequence_parallel else '  '} PP {pipeline:<6} {schedule}CP {plan.cp:<3} DP {plan.dp:<5} {experts}",
        f"{sharding:<9} micro-batch {plan.micro_batch:<3} recompute {recompute}",
    )


class Detail(PagePane):
    """A scrolled view of one plan, or the page that is open in its place."""

    def __init__(self) -> None:
        super().__init__("detail")
        self.job: Job | None = None
        self.plan: Plan | None = None
        self.estimate: Estimate | None = None
        self.cheap = True  # only the bars are in view: cheap enough to follow the cursor at once
        self._stages: list[StageMemory] | None = None
        self._trees: dict[str, Step] | None = None

    @property
    def shortcut(self) -> str:
        return key_of("detail", "")

    def show(self, job: Job | None, plan: Plan | None, estimate: Estimate | None = None) -> None:
        """Show a plan of a job, from where the pane is scrolled to; None: nothing. `estimate`: its numbers, where they are known."""
        if (job, plan) == (self.job, self.plan):
            return
        self.job, self.plan, self._stages, self._trees = job, plan, None, None
        self.estimate = estimate
        self.redraw()

    def move(self, by: int) -> None:
        """Scroll by lines, never beyond the last page."""
        if self.page:
            super().move(by)
            return
        top = max(0, self.top + by)
        count = sum(1 for _ in islice(self._content(self.size.width), top + self.body))
        self.top = max(0, min(top, count - self.body))
        self.redraw()

    def every(self, width: int) -> Sequence[Line]:
        return super().every(width) if self.page else list(self._content(width))

    def draw(self, width: int, height: int) -> Iterable[Line]:
        if self.page:
            yield from super().draw(width, height)
            return
        if self.titled:
            note = self.job.cluster.calibration if self.job else ""
            yield rule(self.shortcut, "detail", note, self.current, width)
        yield from islice(self._content(width), self.top, self.top + height)

    def _content(self, width: int) -> Iterator[Line]:
        if self.plan is None or self.job is None:
            return
        from planner.cost.evaluate import evaluate

        self.estimate = self.estimate or evaluate(self.job, self.plan)
        words = sentence(self.job, self.plan)
        lines: list[Line] = [[(f" {line}", "text")] for line in (words if len("".join(words)) > width - 2 else ["".join(words)])]
        lines += self._bars(self.estimate, width)
        self.cheap = self.top + self.body <= len(lines) + 1
        yield from lines
        host = one(self.estimate.host)
        if host:
            room, used = self.job.cluster.host_memory_bytes / GIB, host / GIB
            yield [(f" host memory {write_gib(used)} of {write_gib(room)} GiB per node", "bad" if used > room else "text")]
        yield []
        yield from self._by_stage(width)
        yield []
        yield from self._explained(width)

    def _bars(self, estimate: Estimate, width: int) -> Iterator[Line]:
        limit, step = one(estimate.memory_limit), one(estimate.step)
        memory = [(name, value, value / limit, "memory", write_gib(value / GIB)) for name, value in _parts(estimate.memory_parts)]
        total = one(estimate.memory)
        state = BY_KEY["fit"].texts(estimate)[0].strip()
        over = f"{write_gib((total - limit) / GIB)} too much" if total > limit else ""
        head = f"memory {write_gib(total / GIB)} of {write_gib(limit / GIB)} GiB, {over or state}"
        digits = 1 if step >= 100 else 2 if step >= 1 else 3
        time = [(name, value, value / step, "figure", f"{value:.{digits}f}") for name, value in _parts(estimate.time_parts)]
        time += [(f"({name} hidden)", value, value / step, "dim", f"{value:.{digits}f}") for name, value in _parts(estimate.hidden)]
        low, high = (write_figure(step * edge) for edge in (estimate.step_band.low, estimate.step_band.high))
        heads = [(head, "bad" if over else "title"), (f"step {write_figure(step)} s, 80 % {low} to {high}", "title")]
        two = width >= 2 * COLUMN
        room = width // 2 if two else width
        left, right = [_part(*row, room) for row in memory], [_part(*row, room) for row in time]
        left.insert(0, [(f" {heads[0][0]}", heads[0][1])])
        right.insert(0, [(f" {heads[1][0]}", heads[1][1])])
        if not two:
            yield from (*left, *right)
            return
        for i in range(max(len(left), len(right))):
            yield fit(left[i] if i < len(left) else [], room) + (right[i] if i < len(right) else [])

    def _by_stage(self, width: int) -> Iterator[Line]:
        from planner.cost.evaluate import stages

        assert self.job is not None and self.plan is not None
        self._stages = self._stages or stages(self.job, self.plan)
        shown = _merged(self._stages, (width - STAGE) // PART)
        parts = list(shown[0].parts)
        yield [(" memory by stage, GiB", "title")]
        yield [(f" {'stage':>6} {'layers':>6} {'flight':>6} {'device':>7}" + "".join(f" {name[:7]:>7}" for name in parts), "dim")]
        for first, last, stage in alike_stages(shown):
            name = f"{first}" if first == last else f"{first}-{last}"
            numbers = "".join(f" {write_gib(stage.parts[part] / GIB):>7}" for part in parts)
            over = stage.device > self.job.memory_limit
            device = f" {write_gib(stage.device / GIB):>6}{'!' if over else ' '}"
            head = f" {name:>6} {stage.layers:>6} {stage.in_flight:>6.1f}"
            yield [(head, "text"), (device, "bad" if over else "memory"), (numbers, "text")]

    def _explained(self, width: int) -> Iterator[Line]:
        from planner.report.explain import headlines

        assert self.job is not None and self.plan is not None
        self._trees = self._trees or headlines(self.job, self.plan)
        yield [(" where the numbers come from", "title")]
        seen: set[int] = set()
        for step in self._trees.values():
            yield from tree(step, width, 0, seen)


def _part(name: str, value: float, share: float, role: str, text: str, width: int) -> list[Run]:
    label = f" {name[:15]:<15} {text if value else '-':>6} "
    return [(label, "dim" if role == "dim" else "text"), (bar(share, width - len(label) - 1), role)]


def _parts(parts: Parts[Bytes] | Parts[Seconds]) -> list[tuple[str, float]]:
    """The parts by name, those that are nothing too: from plan to plan each keeps its line."""
    return [(name, one(value)) for name, value in parts.named().items()]


class StageLine(NamedTuple):
    """A line by stage: layers, micro-batches in flight, bytes on the device, and of the parts that have a column."""

    layers: int
    in_flight: float
    device: float
    parts: Mapping[str, float]


def _merged(stages: Sequence[StageMemory], room: int) -> list[StageLine]:
    """Memory by stage with the small parts as one, and the least of the others with them until no more than `room` are left."""
    held = [{name: float(value) for name, value in stage.parts.named().items()} for stage in stages]
    most = {name: max(parts[name] for parts in held) for name in held[0] if name not in SMALL_PARTS}
    least = sorted(most, key=lambda name: most[name])[: max(0, len(most) + 1 - max(room, 2))]
    small = {*SMALL_PARTS, *least}
    return [
        StageLine(
            stage.layers,
            stage.in_flight,
            stage.device,
            {name: value for name, value in parts.items() if name not in small} | {"other": sum(parts.get(name, 0.0) for name in small)},
        )
        for stage, parts in zip(stages, held, strict=True)
    ]
