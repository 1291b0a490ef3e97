"""`tmplan verify`: the memory of a plan in its own framework, next to its prediction."""

from __future__ import annotations

from planner.document.planfile import Document
from planner.errors import FieldError
from planner.lab.comparison import COLUMNS, compared, stages_of
from planner.lab.runner import Runner
from planner.lab.scale import depths_of
from planner.report.columns import records
from planner.specs.validate import choice
from tui.cli.answer import Answer, narrate
from tui.cli.chosen_plan import Lacking, choose, report_misfit
from tui.cli.output import as_csv, as_json, printed
from tui.cli.plan import job_values
from tui.pages.verify import draw
from tui.settings.lab import cache_folder, interpreter


def verified(document: Document, *, pinned: bool, stage: str, depths: str | None, python: str | None, format: str, width: int) -> Answer:
    """The comparison of some stages as text, JSON or rows of CSV."""
    choice("format", format, ("text", "json", "csv"))
    chosen = depths_of(depths) if depths is not None else None
    if python is not None and not python.strip():
        raise FieldError("python", "--python takes the path of an interpreter, not an empty text")
    plan = choose(document, pinned=pinned, nearest=True)
    if isinstance(plan, Lacking):
        return plan.answer(format, {"job": job_values(document.inputs), "plan": None, "stages": []})
    report_misfit(plan)
    runner = Runner(cache_folder(), python or interpreter(), progress=lambda text: narrate(f"  {text}"))
    numbers = stages_of(stage, plan.job, plan.plan)
    comparisons = [compared(plan.job, plan.plan, number, runner, chosen, narrate) for number in numbers]
    if format == "csv":
        return Answer(as_csv(COLUMNS, [comparison.cells() for comparison in comparisons]))
    if format == "json":
        data = {"job": job_values(document.inputs), "plan": records(plan.estimate)[0]}
        return as_json(data | {"stages": [comparison.table() for comparison in comparisons]})
    return Answer(printed(draw(comparisons, width)))
