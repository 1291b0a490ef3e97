"""Mixtures of experts on the screen: expert parallelism is pinned, bounded, sorted, filtered and explained like any degree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from planner.document import planfile
from planner.document.inputs import EXAMPLE
from planner.document.planfile import Document
from planner.specs.plan import Plan
from tests.tui.driving import SMALL, Driver, drive

SPARSE = Document(EXAMPLE.with_all({"model": "deepseek-v2-lite-16b", "gpus": 16, "global_batch": 64, "sequence": 4096}))
TITAN = Document(SPARSE.inputs.with_("stack", "torchtitan"))
OF_EXPERTS = ("experts_per_token", "expert_ffn", "shared_ffn", "dense_layers", "imbalance", "capacity", "overlap_experts", "ep", "etp")


def shown(it: Driver) -> set[str]:
    """The fields and axes that the forms show."""
    return {entry.key for form in it.forms.values() for entry in form.entries}


def plans(it: Driver) -> Plan:
    """The plans in the table, as columns."""
    assert it.table.result is not None
    return it.table.result.plans(it.table.rows)


@pytest.mark.parametrize(("bounds", "values"), [("8", {8}), ("<=2", {1, 2}), ("2..4", {2, 4}), ("1,16", {1, 16})])
def test_ep_is_pinned_and_bounded_like_any_degree(bounds: str, values: set[int]) -> None:
    """Every plan shown keeps to the bounds, every value within them is there, and * frees them again."""

    async def play(it: Driver) -> None:
        everything = len(it.table.rows)
        await it.field("ep", bounds)
        assert set(plans(it).ep.tolist()) == values
        await it.press("asterisk")
        assert len(it.table.rows) == everything

    drive(play, SPARSE)


def test_etp_and_the_schedule_are_pinned_too() -> None:
    async def play(it: Driver) -> None:
        await it.field("schedule", "zb-v,dualpipev")
        assert set(plans(it).schedule.tolist()) == {3, 4}
        assert "DualPipeV" in it.text()

    async def tensor(it: Driver) -> None:
        await it.field("etp", "2")
        assert set(plans(it).etp.tolist()) == {2}

    drive(play, TITAN, size=(200, 60))
    drive(tensor, SPARSE)


def test_ep_sorts_and_filters_the_table() -> None:
    """By the column from the list, either way round, and by a filter; the heading marks the column."""

    async def play(it: Driver) -> None:
        await it.press("s")
        await it.type("ep")
        assert it.program.ranking.view.sort == "ep" and "EP↑" in it.text()
        assert (np.diff(plans(it).ep) >= 0).all()
        await it.press("S")
        assert (np.diff(plans(it).ep) <= 0).all()
        await it.press("slash")
        await it.type("ep=8 etp=1")
        assert set(zip(plans(it).ep.tolist(), plans(it).etp.tolist(), strict=True)) == {(8, 1)}

    drive(play, SPARSE)


@pytest.mark.parametrize("bounds", ["0", "eight", "8..4"])
def test_a_wrong_ep_marks_its_field_and_stays(bounds: str) -> None:
    async def play(it: Driver) -> None:
        before = it.plans
        await it.field("ep", bounds)
        assert f"✗Expert ep        {bounds}" in it.text() and it.plans == before

    drive(play, SPARSE)


def test_a_dense_model_shows_no_field_of_experts_but_their_number() -> None:
    """The forms are as short as they can be; another model brings its fields, and a dense one takes them away again."""

    async def play(it: Driver) -> None:
        assert "experts" in shown(it) and not shown(it) & {*OF_EXPERTS, "mtp_layers", "kv_rank", "schedule"}
        await it.field("model", "deepseek-v2-lite-16b")
        assert {*OF_EXPERTS, "kv_rank"} <= shown(it) and "schedule" not in shown(it)
        await it.field("stack", "torchtitan")
        assert "schedule" in shown(it)
        await it.field("model", "llama-3.1-8b")
        assert not shown(it) & set(OF_EXPERTS)

    drive(play, SMALL)


def test_a_bound_stays_visible_where_it_does_not_apply() -> None:
    """A bound on ep outlives the model it was meant for; it is shown, so that it can be freed."""

    async def play(it: Driver) -> None:
        await it.field("ep", "8")
        await it.field("model", "llama-3.1-8b")
        assert "ep" in shown(it) and "etp" not in shown(it)
        assert "ep must divide the routed experts" in it.text()
        await it.press("3")
        it.active_form.go("ep")
        await it.press("asterisk")
        assert "ep" not in shown(it) and len(it.table.rows)

    drive(play, SPARSE)


def test_a_mixture_of_experts_is_typed_by_hand_on_a_dense_model() -> None:
    """Experts alone are refused with a sentence that marks what is missing; typed one after the other they give plans."""

    async def play(it: Driver) -> None:
        await it.field("experts", "8")
        assert "✗Experts/token" in it.text() and "8 experts needs experts_per_token and expert_ffn too" in it.text()
        assert "plans before the refused change" in it.text()
        await it.field("experts_per_token", "2")
        assert "✗Expert FFN" in it.text()
        await it.field("expert_ffn", "4k")
        assert "✗" not in it.text() and len(it.table.rows)
        assert {key: it.document.inputs.values[key] for key in ("experts", "experts_per_token", "expert_ffn")} == {
            "experts": 8, "experts_per_token": 2, "expert_ffn": 4096,
        }  # fmt: skip
        assert "active" in it.text()

    drive(play, SMALL)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_size_of_the_model_is_in_sight(size: tuple[int, int]) -> None:
    """All parameters and those that a token visits stand above the panes or over the model."""

    async def play(it: Driver) -> None:
        assert "15.7B, 2.7B active" in it.text()

    drive(play, SPARSE, size=size)


@pytest.mark.parametrize("document", [SPARSE, TITAN], ids=["one-schedule", "schedules"])
def test_the_detail_names_the_experts_and_its_parts_sum(document: Document) -> None:
    """The text of the plan has EP, its parts have experts and ep, both columns sum to their heads, and each stage to its device."""

    async def play(it: Driver) -> None:
        await it.press("5")
        detail = it.detail
        assert detail.estimate is not None and detail.plan is not None and detail.job is not None
        e, lines = detail.estimate, "\n".join(detail.lines())
        assert f"EP {detail.plan.ep} " in lines and f"ETP {detail.plan.etp}" in lines
        assert ("1F1B" in lines or "interleaved" in lines or "DualPipeV" in lines) == (document is TITAN)
        assert "experts " in lines and " ep " in lines and "(ep hidden)" in lines
        assert sum(float(part[0]) for part in e.memory_parts.named().values()) == pytest.approx(float(e.memory[0]))
        assert sum(float(np.ravel(part)[0]) for part in e.time_parts.named().values()) == pytest.approx(float(e.step[0]))
        assert e.memory_parts.named()["experts"][0] > 0

    drive(play, document, size=(200, 60))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_parts_of_a_stage_fit_the_pane_and_sum_to_its_memory(size: tuple[int, int]) -> None:
    """However narrow, the experts have a column, no line is cut, and the columns of a stage sum to its device memory."""

    async def play(it: Driver) -> None:
        await it.field("pp", "4")
        await it.press("5", *["down"] * 12)
        lines = it.detail.lines()
        head = next(i for i, line in enumerate(lines) if line.startswith("  stage layers"))
        assert "experts" in lines[head] and "…" not in lines[head]
        for line in lines[head + 1 : head + 3]:
            device, *parts = [float(word.strip("!")) for word in line.split()[3:]]
            assert sum(parts) == pytest.approx(device, abs=0.06 * len(parts))

    drive(play, SPARSE, size=size)


def test_a_plan_of_experts_is_written_and_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file holds ep, etp and schedule of the plan under the cursor, and puts the cursor on it when opened."""
    monkeypatch.chdir(tmp_path)

    async def play(it: Driver) -> None:
        await it.field("schedule", "dualpipev")
        await it.field("imbalance", "1.5")
        await it.press("4", *["down"] * 4, "w", "ctrl+u")
        plan = it.table.plan
        await it.type("there.toml")
        written = planfile.read("there.toml")
        assert written.plan == plan and plan is not None and plan.schedule == 4
        assert written.predictions is not None and written.predictions["memory_parts_gib"]["experts"] > 0
        await it.press("g", "o")
        await it.type("there.toml")
        assert it.table.plan == plan and it.document.inputs.values["imbalance"] == 1.5

    drive(play, TITAN)
