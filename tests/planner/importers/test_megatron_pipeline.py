"""The stages of a pipeline by Megatron-LM's options: read as layouts, and back from exports."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.document.inputs import Inputs, resolve
from planner.errors import FileError
from planner.exporters.registry import Request, export
from planner.importers import megatron
from planner.importers.formats import read
from planner.importers.imported import document_of, inputs_of
from planner.specs.plan import Plan

START = "--num-layers 8 --hidden-size 64 --num-attention-heads 8 --tensor-model-parallel-size 1 --pipeline-model-parallel-size 4"


def given(options: str) -> tuple[str, int]:
    """The layout and the virtual stages of a command line of eight layers on four ranks."""
    read = megatron.read(f"{START} {options}", "a.sh")
    return str(read.job.get("pipeline_layout", "")), int(read.plan.get("vpp", 1))


@pytest.mark.parametrize(
    ("options", "layout", "vpp"),
    [
        ("", "", 1),
        ("--pipeline-model-parallel-layout 'Et|(t,|)*6,tL'", "Et|(t|)*6tL", 2),
        ("--pipeline-model-parallel-layout E|tt|ttt|tttL", "E|tt|ttt|tttL", 1),
        ("--pipeline-model-parallel-layout $LAYOUT", "", 1),
        ("--decoder-first-pipeline-num-layers 1 --decoder-last-pipeline-num-layers 3", "Et|(t*2|)*2t*3L", 1),
        ("--decoder-first-pipeline-num-layers 2", "Et*2|(t*2|)*2t*2L", 1),
        ("--decoder-last-pipeline-num-layers 2", "Et*2|(t*2|)*2t*2L", 1),
        # ranks of 4, 0, 0 and 4 layers: two virtual stages of half as many each
        ("--decoder-first-pipeline-num-layers 4 --decoder-last-pipeline-num-layers 4 --num-virtual-stages-per-pipeline-rank 2",
         "Et*2|(|)*2(t*2|)*2(|)*2t*2L", 2),
        ("--num-layers 6 --account-for-embedding-in-pipeline-split --account-for-loss-in-pipeline-split", "Et|(t*2|)*2tL", 1),
        ("--num-layers 7 --account-for-loss-in-pipeline-split", "Et*2|(t*2|)*2tL", 1),
        ("--num-layers 15 --account-for-loss-in-pipeline-split --num-virtual-stages-per-pipeline-rank 2", "Et*2|(t*2|)*6tL", 2),
    ],
)  # fmt: skip
def test_options_give_the_layers_of_each_stage(options: str, layout: str, vpp: int) -> None:
    """As get_num_layers_to_build shares them out: the ends as given, the ranks between evenly, each over its virtual stages."""
    assert given(options) == (layout, vpp)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--pipeline-model-parallel-layout Et|tX", "option --pipeline-model-parallel-layout: pipeline_layout is written with"),
        ("--decoder-first-pipeline-num-layers 1", "7 layers are left for 3 of 4 ranks"),
        ("--decoder-first-pipeline-num-layers 9", "-1 layers are left for 3 of 4 ranks"),
        ("--decoder-first-pipeline-num-layers 1 --decoder-last-pipeline-num-layers 1 --num-virtual-stages-per-pipeline-rank 2",
         "1 layers of a pipeline rank do not divide over 2 virtual stages"),
    ],
)  # fmt: skip
def test_stages_that_do_not_divide_are_refused(options: str, reason: str) -> None:
    """In one sentence that names the options."""
    with pytest.raises(FileError, match=reason):
        given(options)


@pytest.mark.parametrize(
    ("layout", "plan", "stays"),
    [
        ("Et*15|t*17L", Plan(pp=2, dp=8, dp_shard=8, zero=1), True),
        ("E|t*16|(t*8|)*1t*8L", Plan(pp=2, vpp=2, dp=8, dp_shard=8, zero=1), True),
        ("Et*16|t*16L", Plan(pp=2, dp=8, dp_shard=8, zero=1), False),  # as the stack splits in any case
        ("", Plan(pp=2, vpp=2, dp=8, dp_shard=8, zero=1), False),
    ],
)
def test_a_layout_survives_export_and_import(layout: str, plan: Plan, stays: bool, tmp_path: Path) -> None:
    """The same plan and layout; one that changes nothing is not pinned, so that the search stays free."""
    job = resolve(Inputs({"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64, "pipeline_layout": layout}))
    path = tmp_path / "train.sh"
    path.write_text(export("megatron-lm", Request(job, plan, ())).files["train.sh"])
    imported = read(path)
    document = document_of(imported, inputs_of(imported, str(path)))
    assert document.plan == plan and not imported.not_understood
    assert resolve(document.inputs).pipeline_layout == (layout if stays else "")


def test_user_buffers_are_read_as_the_choice_they_are() -> None:
    """--tp-comm-overlap is a choice on Megatron-Core, whose backward pass alone hides communication; without TP it has no effect."""
    tensor = START.replace("tensor-model-parallel-size 1", "tensor-model-parallel-size 2")
    both = "--sequence-parallel --tp-comm-overlap"
    for options, expected in ((both, "products"), ("--tp-comm-overlap", None), ("--sequence-parallel", None)):
        assert megatron.read(f"{tensor} {options}", "a.sh").job.get("tp_overlap") == expected
    assert "tp_overlap" not in megatron.read(f"{START} --tp-comm-overlap", "a.sh").job
