"""Releases of stacks: what came when, what held before, and the release that a user chooses."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner import presets
from planner.errors import FieldError, FileError
from planner.presets.releases import first_month


def earlier(month: str) -> str:
    """The month before."""
    year, number = map(int, month.split("-"))
    return f"{year - (number == 1)}-{(number - 2) % 12 + 1:02}"


def test_a_stack_is_that_of_its_release() -> None:
    """Before 2026-07 torchtitan computed the loss in one piece; a date before every release gives the oldest."""
    assert presets.stack("torchtitan").loss_kernel == presets.stack_at("torchtitan", "2026-07-15").loss_kernel == "chunked"
    assert [presets.stack_at("torchtitan", date).loss_kernel for date in ("2026-06-30", "")] == ["plain", "plain"]
    assert [presets.release("torchtitan", date) for date in ("2026-07", "2026-06", "2024-05")] == ["2026-07", "2026-06", ""]
    assert first_month(presets.releases("torchtitan"), "") == ""
    assert presets.stack_at("internevo", "") == presets.stack("internevo")


@pytest.mark.parametrize("name", presets.names("stacks"))
def test_every_release_of_a_stack_has_a_source(name: str) -> None:
    """The stack of each month is valid and differs from that of the month before; what came has its source; the last is the preset."""
    releases = presets.releases(name)
    for release in releases:
        assert release.came and release.source and release.before and release.month > presets.known_since(name) > ""
        assert presets.stack_at(name, earlier(release.month)) != presets.stack_at(name, release.month)
    assert presets.stack_at(name, releases[-1].month if releases else "") == presets.stack(name)


@pytest.mark.parametrize(
    ("name", "month", "key", "before", "since"),
    [
        ("megatron-core", "2023-12", "attention", "flash-2", "flash-3"), ("megatron-core", "2023-12", "dp_overlap", 0.0, 0.8),
        ("megatron-core", "2024-02", "unfused", ("rotary", "activation", "permute"), ("permute",)),
        ("megatron-core", "2024-04", "dispatcher", "allgather", "alltoall"),
        ("megatron-core", "2024-08", "loss_kernels", ("plain",), ("plain", "fused")),
        ("megatron-core", "2025-05", "dispatchers", ("alltoall", "allgather"), ("alltoall", "allgather", "deepep")),
        ("megatron-core", "2025-10", "cuda_graphs", ("none", "layers"), ("none", "layers", "full")),
        ("nemo", "2023-12", "dp_overlap", 0.8, 0.8), ("nemo-tuned", "2025-05", "dispatcher", "alltoall", "deepep"),
        ("torchtitan", "2025-12", "dispatchers", ("alltoall",), ("alltoall", "deepep")),
        ("deepspeed", "2025-02", "tensor_parallel", False, True), ("nanotron", "2025-03", "context_parallel", False, True),
        ("maxtext", "2024-06", "pipeline_zero_most", -1, 3), ("pytorch-fsdp", "2024-01", "attention", "flash-1", "flash-2"),
        ("transformers", "2025-09", "foreach", True, False),
    ],
)  # fmt: skip
def test_facts_of_releases(name: str, month: str, key: str, before: object, since: object) -> None:
    """What a stack did before a month and since then: as its repository has it; NeMo overlapped gradients before Megatron-Core did."""
    assert (getattr(presets.stack_at(name, earlier(month)), key), getattr(presets.stack_at(name, month), key)) == (before, since)


def test_a_chosen_release_is_in_the_title() -> None:
    """A stack of a month says so; without one it is the preset; a month before the first known one is refused with that month."""
    assert presets.stack_of_release("megatron-core", "2024-09").title == "Megatron-Core of 2024-09"
    assert presets.stack_of_release("megatron-core", "2024-09").dated == "megatron-core of 2024-09"
    assert presets.stack_of_release("megatron-core", "") == presets.stack("megatron-core")
    with pytest.raises(FieldError, match="megatron-core is known from 2023-06 on, 2023-05 is earlier"):
        presets.stack_of_release("megatron-core", "2023-05")


def test_tables_of_releases_are_checked(tmp_path: Path) -> None:
    """A heading other than a month and a release without a source are refused; a stack has those of the one it is built on."""
    text = (presets.SHIPPED / "stacks" / "internevo.toml").read_text(encoding="utf-8")
    mine = tmp_path / "mine.toml"
    for table, words in (("[before.May]", "months such as"), ("[before.2025-05]", "what came and its source")):
        mine.write_text(f"{text}\n{table}\ndropout = true\n", encoding="utf-8")
        with pytest.raises(FileError, match=words):
            presets.releases(str(mine))
    mine.write_text(f'built_on = "nanotron"\n{text}', encoding="utf-8")
    assert [release.month for release in presets.releases(str(mine))] == ["2024-07"]
