"""Edits of a document and the texts of its fields."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.document.inputs import EXAMPLE, Value, resolve
from planner.document.planfile import Document
from planner.document.space import Space
from planner.errors import FieldError
from planner.specs.job import RECOMPUTES
from planner.specs.plan import Plan
from tests.tui.driving import SMALL
from tui.state.edits import ENTRIES, adopted, free, listed, set_text, size, texts

MIXTURE = Document(EXAMPLE.with_("model", "mixtral-8x7b"))
PLAN = Plan(tp=2, pp=2, dp=4, dp_shard=2, dp_replicate=2, zero=3, micro_batch=2, recompute=RECOMPUTES.index("first"), recompute_layers=3)


def test_a_field_that_is_freed_has_its_preset_again() -> None:
    """The field reads as the preset has it and is not marked as set by the user; so does an optional field without text."""
    changed = set_text(SMALL, "layers", "30")
    assert texts(changed)["layers"] == ("30", True)
    assert texts(free(changed, "layers"))["layers"] == ("32", False) and free(changed, "layers") == SMALL
    assert texts(set_text(SMALL, "board_w", "600"))["board_w"] == ("600", True)
    assert set_text(set_text(SMALL, "board_w", "600"), "board_w", "") == SMALL


def test_a_bounded_axis_is_marked_and_can_be_freed() -> None:
    """An axis is set by the user while it is bounded; free, it is left to the search."""
    changed = set_text(SMALL, "tp", "2,4")
    assert texts(changed)["tp"] == ("2,4", True) and texts(SMALL)["tp"] == ("*", False)
    assert free(changed, "tp") == SMALL
    with pytest.raises(FieldError):
        set_text(SMALL, "tp", "two")


def test_an_adopted_plan_bounds_every_axis_it_has() -> None:
    """Each axis has the one value of the plan; replicas are free without sharding, and layers where not the first are recomputed."""
    job = resolve(SMALL.inputs)
    space = adopted(SMALL, job, PLAN).space
    assert {axis: space[axis].only for axis in ("tp", "dp_replicate", "zero", "micro_batch", "recompute_layers")} == {
        "tp": (2,), "dp_replicate": (2,), "zero": (3,), "micro_batch": (2,), "recompute_layers": (3,),
    }  # fmt: skip
    assert space["ep"].free and space["etp"].free and adopted(SMALL, job, PLAN).plan == PLAN
    assert adopted(SMALL, job, replace(PLAN, zero=0, dp_replicate=1)).space["dp_replicate"].free
    assert adopted(SMALL, job, replace(PLAN, recompute=2, recompute_layers=0)).space["recompute_layers"].free


def test_lines_that_do_not_apply_are_left_out_unless_the_user_set_them() -> None:
    """A dense model has no line for expert parallelism; one that was bounded stays, so that it can be freed."""

    def keys(document: Document) -> set[str]:
        return {entry.key for entry in listed(document, texts(document))["batch"]}

    assert "ep" in keys(MIXTURE) and "ep" not in keys(SMALL)
    assert "ep" in keys(set_text(SMALL, "ep", "2"))
    assert keys(SMALL) < {entry.key for entry in ENTRIES["batch"]}


def test_lines_of_adapters_are_listed_where_they_are_trained() -> None:
    """The rank and the targets of adapters apply to a LoRA, and not where every weight is trained."""

    def adapters(document: Document) -> set[str]:
        return {entry.key for entries in listed(document, texts(document)).values() for entry in entries if entry.key.startswith("lora")}

    assert adapters(SMALL) == set() and adapters(set_text(SMALL, "tuning", "lora")) == {"lora_rank", "lora_targets"}


def test_the_size_of_a_model_is_empty_while_it_is_not_valid() -> None:
    """A dense model has one number with its noun, a mixture of experts two; a model that is none has no size."""
    assert size(SMALL) == "8.0B parameters" and "active" in size(MIXTURE)
    assert size(set_text(SMALL, "model", "llama-3.1-8b")) == size(SMALL)
    assert size(Document(SMALL.inputs.with_("heads", 7))) == ""


def test_an_option_is_listed_where_it_has_an_effect() -> None:
    """A field is listed with the values of the field or axis on which its effect depends, and where the user set it."""

    def lines(**changes: Value) -> set[str]:
        document = Document(EXAMPLE.with_all(changes))
        return {entry.key for entry in listed(document, texts(document))["options"]}

    assert "fp8_parameters" not in lines() and "fp8_parameters" in lines(precision="fp8")
    assert "offload_nvme" not in lines() and "offload_nvme" in lines(offload_optimizer=True)
    assert "offload_nvme" in lines(offload_nvme=False)
    assert {"recompute_modules", "recompute_every", "offload_checkpoints"} <= lines()
    pinned = Document(EXAMPLE, Space().with_("recompute", "selective"))
    keys = {entry.key for entry in listed(pinned, texts(pinned))["options"]}
    assert "recompute_modules" in keys and not keys & {"recompute_every", "offload_checkpoints"}
