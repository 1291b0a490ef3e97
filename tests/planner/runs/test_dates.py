"""The date of a run's software, from its column or the name of its framework."""

from __future__ import annotations

import pytest

from planner.errors import TmplanError
from planner.runs.configure import configured
from planner.runs.dates import NEWEST, VERSIONS, dated, stated
from tests.planner.runs.test_configure import row


@pytest.mark.parametrize(
    ("framework", "month"),
    [
        ("Megatron-Core r0.8.0", "2024-08"), ("Megatron Core v0.12.1", "2025-05"), ("NeMo 23.09", "2023-09"),
        ("NVIDIA NeMo Framework Release 24.04", "2024-04"), ("PyTorch NVIDIA Release 23.09", "2023-09"), ("nanotron v0.5", "2024-04"),
        ("Megatron-LM (2024-01-01)", "2024-01"), ("Megatron-Bridge 0.4.1", "2026-04"), ("torchtitan 0.2.2", "2026-02"),
        ("torchtitan 0.2.0", "2025-10"), ("Megatron-LM 23e00ed + TransformerEngine 2.11", "2025-12"), ("Paxml", ""),
        ("Megatron-LM (285068c8)", ""), ("NeMo 2.0", ""), ("Megatron-Core 9.9", ""),
    ],
)  # fmt: skip
def test_a_version_in_the_name_gives_its_month(framework: str, month: str) -> None:
    """Versions of repositories have the month of their tag, containers of NVIDIA that of their number; the column counts first."""
    assert stated({"framework": framework}) == month
    assert stated({"framework": framework, "released": "2025-06"}) == "2025-06"
    assert dated({"framework": framework}, "megatron-core") == (month or NEWEST)


def test_versions_are_in_the_order_of_their_months() -> None:
    """A later version of a framework never has an earlier month."""
    for _, months in VERSIONS:
        assert list(months.values()) == sorted(months.values())


@pytest.mark.parametrize(
    ("framework", "released", "attention", "unfused"),
    [
        ("NeMo 23.09", "", "flash-2", ("rotary", "permute")),
        ("NeMo (Megatron-Core)", "2024-06", "flash-3", ("permute",)),
        ("Megatron-Core r0.4.0", "", "flash-3", ("rotary", "activation", "permute")),
        ("Megatron-Bridge", "", "flash-3", ()),
        ("Megatron-Core", "2026-08", "flash-3", ()),
    ],
)
def test_a_run_has_the_stack_of_its_date(framework: str, released: str, attention: str, unfused: tuple[str, ...]) -> None:
    """A run's stack is that of the month of its software; without one it is the newest."""
    job = configured(row(framework=framework, released=released, gpu="h100-sxm")).job
    assert (job.attention, job.stack.unfused) == (attention, unfused)


def test_the_dispatcher_of_a_row_is_not_refused() -> None:
    """A dispatcher given in a row is accepted even where its release lacks it; a blank is that of the release."""
    experts = {"experts": "8", "topk": "2", "expert_ffn": "14336", "ep": "8", "framework": "Megatron-Core", "released": "2025-04"}
    assert configured(row(**experts)).job.dispatched_by == "alltoall"
    assert configured(row(**experts, moe_dispatcher="deepep")).job.dispatched_by == "deepep"


def test_a_date_that_is_none_is_refused() -> None:
    """The column must be a year and month."""
    with pytest.raises(TmplanError, match="released"):
        stated({"released": "2025"})
