"""The same job on two clusters: each side is a separate search, and the parts sum to the difference."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.document import planfile
from planner.document.inputs import EXAMPLE, resolve
from planner.document.other_cluster import against
from planner.document.planfile import Document
from planner.document.space import Space
from planner.errors import FieldError, TmplanError, UnknownName
from planner.presets.folders import SHIPPED
from planner.report.best import EvaluatedPlan, NoPlan
from planner.report.wording import STEP
from planner.search.search import search
from planner.whatif.versus import explain, versus

EIGHT = EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 64, "global_batch": 128, "sequence": 4096})


@pytest.mark.parametrize("other", ["dgx-b200", "a100-80gb-sxm", "gpus=32", "nic_gbit_s=25", "gb200-nvl72,gpus=144"])
def test_each_side_is_the_best_plan_of_its_cluster(other: str) -> None:
    """Steps are those of two searches within the same bounds; the parts sum to the difference, and the verdict names the faster cluster."""
    space, made = Space().with_("cp", "1"), against(EIGHT, other)
    pair = versus(EIGHT, space, made)
    assert pair.both is not None
    for inputs, evaluated in ((EIGHT, pair.both[0]), (made, pair.both[1])):
        result = search(resolve(inputs), space)
        assert evaluated.step == pytest.approx(float(result.step_seconds[result.order[0]]), rel=1e-12)
    ours, theirs = pair.both
    assert sum(there - here for _, here, there in pair.parts()) == pytest.approx(theirs.step - ours.step, rel=1e-6)
    names = pair.names()
    assert pair.verdict().startswith(f"{names[theirs.step < ours.step]} trains ")
    assert pair.gain() == pytest.approx(ours.step / theirs.step)


def test_the_reason_is_the_part_that_differs_most() -> None:
    """A slower network is reported by its traffic and the ratio of bandwidths; twice the GPUs by compute."""
    slow = versus(EIGHT, Space().with_("tp", "1").with_("pp", "1"), against(EIGHT, "nic_gbit_s=10"))
    part = max(slow.parts(), key=lambda row: row[2] - row[1])[0]
    assert (
        part == "dp" and f"{STEP['dp']} alone accounts for" in slow.verdict() and "40 times the total network bandwidth" in slow.verdict()
    )
    wide = versus(EIGHT, Space(), against(EIGHT, "gpus=128"))
    assert (
        "compute alone accounts for" in wide.verdict()
        and "2 times the total peak rate" in wide.verdict()
        and "A GPU of h100-sxm x128" in wide.verdict()
    )


def test_the_other_cluster_keeps_the_job_and_the_number_of_gpus() -> None:
    """Model, batch and options stay; figures set on the first cluster are reset; the number of GPUs stays unless it is given."""
    here = EIGHT.with_all({"nic_gbit_s": 100.0, "precision": "fp8", "headroom": 5.0})
    there = resolve(against(here, "dgx-b200"))
    assert there.cluster.gpus == 64 and there.cluster.gpu.name == "b200" and there.cluster.nic_bytes_s > 100 * 1.25e8
    assert (there.model, there.global_batch, there.precision, there.headroom) == (resolve(here).model, 128, "fp8", 0.0)
    assert resolve(against(here, "dgx-b200,gpus=16,hbm-gb-s=9000")).cluster.gpu.hbm_bytes_s == 9e12
    assert resolve(against(here, "gpus=16")).cluster.nic_bytes_s == 100 * 1.25e8


def test_a_plan_file_or_a_preset_file_can_be_the_other(tmp_path: Path) -> None:
    """A plan file supplies its recorded cluster and its GPUs; a TOML of a cluster or a GPU its figures."""
    plan = tmp_path / "theirs.toml"
    planfile.write(plan, Document(EXAMPLE.with_all({"model": "gpt3-175b", "cluster": "dgx-h200", "gpus": 256, "nic_gbit_s": 200.0})))
    there = resolve(against(EIGHT, str(plan)))
    assert (there.cluster.name, there.cluster.gpus, there.cluster.nic_bytes_s, there.model.name) == (
        "dgx-h200",
        256,
        200 * 1.25e8,
        "llama-3.1-8b",
    )
    folder = SHIPPED
    assert resolve(against(EIGHT, f"{folder / 'gpus' / 'b200.toml'}")).cluster.gpu.name == "b200"
    assert resolve(against(EIGHT, f"{folder / 'clusters' / 'dgx-a100.toml'},gpus=16")).cluster.gpus == 16


def test_a_side_without_a_plan_has_a_reason() -> None:
    """The verdict is the reason with the name of the cluster, without a ratio."""
    pair = versus(EXAMPLE, Space(), against(EXAMPLE, "rtx-4090,gpus=8"))
    assert isinstance(pair.ours, EvaluatedPlan) and isinstance(pair.theirs, NoPlan) and pair.both is None and not pair.parts()
    assert pair.verdict().startswith("On rtx-4090 x8: Nothing fits") and list(explain(pair)) == ["step"]


def test_the_trees_explain_the_ratio() -> None:
    """The derivation of the speed-up has both steps as subtrees, including their matrix products."""
    pair = versus(EIGHT, Space(), against(EIGHT, "dgx-b200"))
    trees = explain(pair)
    assert trees["speed_up"].value == pytest.approx(pair.gain(), rel=1e-9)
    assert [child.name for child in trees["speed_up"].children] == ["step_seconds", "other_seconds"]
    assert trees["speed_up"].find("gemm_seconds") is not None


@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [("", FieldError, "against is empty; it takes PRESET or FILE"),
     ("dgx-b201", UnknownName, "no cluster, GPU or file is called 'dgx-b201'"),
     ("dgx-b200,model=llama-3.1-8b", UnknownName, "no field of a cluster is called 'model'"),
     ("dgx-b200,8192", FieldError, "'8192' is none"),
     ("dgx-b200,gpus=many", FieldError, "gpus must be a whole number"), (".", TmplanError, "cannot be read")],
)  # fmt: skip
def test_what_names_no_cluster_is_refused(text: str, kind: type[TmplanError], sentence: str) -> None:
    """One sentence that states what is wrong and what would be right."""
    with pytest.raises(kind) as refusal:
        against(EIGHT, text)
    assert sentence in str(refusal.value)
