"""The columns of a runs file: the document and the registry have all columns that are read."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from planner.errors import TmplanError
from planner.runs import configure as runs
from planner.runs import frameworks, model_of_row, moe_of_row, network_of_row, options_of_row, score
from planner.runs.columns import COLUMNS, MEASURED, NEEDED, RunColumn, misspelt
from planner.runs.configure import configured
from tests.planner.calibration.step_files import ROW

DOCUMENT = (Path(__file__).parents[3] / "docs" / "runs.md").read_text()
READERS = ("cell", "number", "whole", "flag")


class Watched(dict[str, str]):
    """A row that records the columns that are read."""

    def __init__(self, row: dict[str, str]) -> None:
        super().__init__(row)
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a column, which is recorded."""
        self.read.add(key)
        return super().get(key, default)


def literal() -> set[str]:
    """The columns named in calls of the readers in the modules of planner.runs that read rows."""
    keys = set()
    modules = (runs, model_of_row, moe_of_row, network_of_row, options_of_row, frameworks)
    for node in (node for module in modules for node in ast.walk(ast.parse(inspect.getsource(module)))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in READERS and len(node.args) > 1:
            key = node.args[1]
            keys |= {key.value} if isinstance(key, ast.Constant) and isinstance(key.value, str) else set()
    return keys


def watched() -> set[str]:
    """The columns that are read from complete rows, and from one with only the required columns."""
    full = ROW | {
        "gpus": "16",
        "nccl_all_reduce_gb_s": "100",
        "nccl_all_gather_gb_s": "90",
        "nccl_reduce_scatter_gb_s": "45",
        "interconnect": "400 Gb/s per GPU",
    }
    sparse = full | {"experts": "8", "topk": "2", "expert_ffn": "14336", "shared_experts": "1", "ep": "8", "etp": "1"}
    seen: set[str] = set()
    for row in (Watched(full), Watched(sparse), Watched({key: ROW[key] for key in NEEDED})):
        configured(row)
        seen |= row.read
    return seen


def test_every_column_that_is_read_is_known() -> None:
    """The registry has exactly the columns that planner.runs reads."""
    assert literal() | watched() == {column.key for column in COLUMNS}


def test_every_column_that_is_scored_is_known() -> None:
    """The registry has the columns that scores use."""
    assert {column.key for column in MEASURED} == set(score.COLUMNS)


@pytest.mark.parametrize("column", [*COLUMNS, *MEASURED], ids=lambda column: column.key)
def test_the_document_describes_every_column(column: RunColumn) -> None:
    """docs/runs.md has a row for every column with its meaning and the value assumed for a blank."""
    assert f"| `{column.key}` | {column.meaning} | {column.blank or 'refused'} |\n" in DOCUMENT


def test_the_module_that_reads_rows_cites_the_document() -> None:
    """The docstring of planner.runs.configure names docs/runs.md."""
    assert "docs/runs.md" in (runs.__doc__ or "")


@pytest.mark.parametrize("key", NEEDED)
def test_a_needed_column_left_blank_is_refused_by_name(key: str) -> None:
    """A blank in a required column is refused with the column's name, and other columns may be absent."""
    bare = {needed: ROW[needed] for needed in NEEDED}
    configured(bare)
    with pytest.raises(TmplanError, match=key):
        configured({**bare, key: ""})


@pytest.mark.parametrize("key", ["gated", "tied", "sequence_parallel"])
def test_flags_accept_yes_no_true_false_1_and_0(key: str) -> None:
    """1, true and yes are equivalent, as are 0, false and no; other texts are refused."""
    for same in (("1", "true", "Yes"), ("0", "False", "no")):
        assert len({repr(configured(ROW | {"tp": "8", key: text})) for text in same}) == 1
    with pytest.raises(TmplanError, match=f"column '{key}' must be 1 or 0, not '2'"):
        configured(ROW | {key: "2"})


def test_a_misspelt_column_is_reported_and_a_custom_one_is_not() -> None:
    """An unknown column that resembles an absent one is reported with it; others are ignored."""
    warnings = list(misspelt([*(set(ROW) - {"micro_batch"}), "microbatch", "nodes", "loss", "host"]))
    assert warnings == ["column 'microbatch' is not read; did you mean 'micro_batch'?"]
    assert not list(misspelt([*ROW, "microbatch"]))


def test_of_many_misspelt_columns_eight_are_reported_and_the_others_counted() -> None:
    """Misspelt columns beyond eight are only counted; names longer than any column are not compared."""
    misspellings = [f"micro_batch{i}" for i in range(20)]
    warnings = list(misspelt([*(set(ROW) - {"micro_batch"}), *misspellings]))
    assert warnings[:8] == [f"column '{name}' is not read; did you mean 'micro_batch'?" for name in misspellings[:8]]
    assert warnings[8:] == ["12 other columns that look misspelt are not read"]
    assert list(misspelt([*(set(ROW) - {"micro_batch"}), *misspellings[:9]]))[8:] == ["1 other column that looks misspelt is not read"]
    with patch("planner.runs.columns.difflib.get_close_matches", lambda *_, **__: pytest.fail("compared")):
        assert not list(misspelt([*(set(ROW) - {"micro_batch"}), "micro_batch" * 10]))
