"""Layouts of a pipeline in Megatron's notation: read, written, refused."""

from __future__ import annotations

import pytest

from planner.errors import FieldError
from planner.specs.pipeline_layout import MOST, compact, layout_of, plain
from tests.planner.jobs import example, small

DEEPSEEK = {"model": "deepseek-v3-671b", "stack": "megatron-core", "mtp_layers": 1}


@pytest.mark.parametrize(
    ("text", "layers", "ahead", "ahead_stage"),
    [
        ("EttL", (2,), 0, 0),
        ("Et*3|(tt|)*29,m|L", (3, *[2] * 29, 0, 0), 1, 30),  # the example of Megatron-LM: DeepSeek-V3 on PP 16 with 2 virtual stages
        ("Et*4|(t*4|)*14tmL", (*[5 - 1] * 15, 1), 1, 15),
        ("Et|(tt|)*30mL", (1, *[2] * 30, 0), 1, 31),
        ("E|t|tt||L", (0, 1, 2, 0, 0), 0, 4),
        ("E t*2 | (t|)*2, mm L", (2, 1, 1, 0), 2, 3),
        ("E|*3t*2L", (0, 0, 0, 2), 0, 3),  # a bar may be repeated like a letter
        ("E(t|t)*2|L", (1, 2, 1, 0), 0, 3),  # t|tt|t
        ("Et(t|)*0|L", (1, 0), 0, 1),
    ],
)
def test_a_layout_has_the_layers_of_each_stage(text: str, layers: tuple[int, ...], ahead: int, ahead_stage: int) -> None:
    """Written out by hand: x*n repeats a letter, (...)*n a part, | ends a stage; commas and spaces only separate."""
    layout = layout_of(text)
    assert layout == (layers, ahead, ahead_stage) and layout.stages == len(layers)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "one E, then all t"), ("ttL", "one E, then all t"), ("Ett", "one E, then all t"), ("EtEL", "one E, then all t"),
        ("EtmtL", "one E, then all t"), ("EtL|t", "one E, then all t"), ("Etm|mL", "all m in one stage, not in 2"),
        ("Et*x|L", "is written with"), ("E(t|L", "is written with"), ("E(tt|)L", "is written with"), ("Et2|L", "is written with"),
        ("E((t|)*2)*2L", "is written with"), ("edddl", "is written with"),
        ("Et*99999L", f"at most {MOST:,}"), ("E(t*9999|)*9999L", f"at most {MOST:,}"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_layout_is_refused_in_one_sentence(text: str, reason: str) -> None:
    """As Megatron-LM refuses it, and before it is written out where it would be long."""
    with pytest.raises(FieldError, match=reason) as refused:
        layout_of(text)
    assert refused.value.key == "pipeline_layout"


def test_stages_are_written_in_short() -> None:
    """Equal stages and letters are counted, and the notation reads back to the same layout."""
    stages = ["Ettt", *["tt"] * 29, "m", "L"]
    assert compact(stages) == "Et*3|(t*2|)*29m|L"
    assert layout_of(compact(stages)) == layout_of("Et*3|(tt|)*29,m|L")
    assert compact(["EtL"]) == "EtL" and compact(["E", "", "", "ttL"]) == "E|(|)*2t*2L"
    assert plain(" Et*3 | (tt|)*29, m|L") == "Et*3|(tt|)*29m|L"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (DEEPSEEK | {"pipeline_layout": "Et*60|mL"}, "has 60 t, and deepseek-v3-671b has layers 61: make them equal"),
        (DEEPSEEK | {"pipeline_layout": "Et*60|tL"}, "has 0 m, and deepseek-v3-671b has mtp_layers 1: make them equal"),
        ({"pipeline_layout": "Et*32|mL", "model": "llama-3.1-8b"}, "has 1 m, and llama-3.1-8b has mtp_layers 0"),
        ({"pipeline_layout": "Et*32|L", "model": "llama-3.1-8b", "stack": "torchtitan"}, "takes no layout of its pipeline; leave"),
    ],
)
def test_a_job_refuses_a_layout_of_another_model(changes: dict[str, object], reason: str) -> None:
    """All layers of the model, those of multi-token prediction too, and a framework with layouts."""
    with pytest.raises(FieldError, match=reason) as refused:
        example(**changes)
    assert refused.value.key == "pipeline_layout"


def test_another_model_or_stack_drops_the_layout() -> None:
    """A layout is of one model on one framework: choosing another frees it, as it does other values of that kind."""
    job = small(pipeline_layout="E t*16 | t*16 L")
    assert job.pipeline_layout == "Et*16|t*16L" and job.layout is not None and job.layout.layers == (16, 16)
    assert small().layout is None
    from planner.document.inputs import Inputs

    inputs = Inputs({"model": "llama-3.1-8b", "pipeline_layout": "Et*16|t*16L"})
    assert "pipeline_layout" not in inputs.with_("model", "qwen2.5-7b").values
    assert "pipeline_layout" not in inputs.with_("stack", "torchtitan").values
