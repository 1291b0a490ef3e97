"""The table of degrees: its products by hand, and that nothing outside it lists or multiplies degrees again."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import planner
from planner import degrees
from planner.document.space import AXES
from planner.report.columns import BY_KEY as COLUMNS
from planner.specs.plan import FIELDS, Plan

ROOT = Path(planner.__file__).parents[1]
KEYS = set(degrees.KEYS)
# Modules with a framework's names of degrees, or the fields themselves.
EXEMPT = {"planner/degrees.py", "planner/specs/plan.py", "planner/exporters/_degrees.py", "planner/importers/huggingface.py"}
PLAN = Plan(tp=2, cp=3, dp=5, pp=7, ep=5, etp=2)


def test_products_of_degrees_count_ranks() -> None:
    """2 x 3 x 5 x 7 ranks in all, 2 x 3 x 5 of a stage, 5 x 2 hold a copy of the experts, as one value and as a column."""
    assert [int(count(PLAN)) for count in (degrees.world, degrees.stage_ranks, degrees.expert_ranks)] == [210, 30, 10]
    column = Plan(tp=np.array([1, 2]), cp=np.array([1, 3]), dp=np.array([4, 5]), pp=np.array([2, 7]))
    assert degrees.world(column).tolist() == [8, 210]


@pytest.mark.parametrize(("key", "span"), [("tp", 2), ("cp", 6), ("dp", 30), ("pp", 210), ("etp", 2), ("ep", 10)])
def test_a_group_spans_the_degrees_that_vary_faster(key: str, span: int) -> None:
    """tp varies fastest, then cp, dp and pp; of the experts etp, then ep: a group spans the product up to its own degree."""
    assert degrees.span(PLAN, key) == span


def test_every_degree_is_a_field_an_axis_and_a_column() -> None:
    """What the table names is there under the same key wherever plans are held, searched and shown, in the order of the table."""
    for names in (FIELDS, AXES, tuple(COLUMNS)):
        assert [name for name in names if name in KEYS] == list(degrees.KEYS)


def _multiplied(node: ast.AST) -> set[str]:
    """The degrees that a chain of multiplications has as factors."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _multiplied(node.left) | _multiplied(node.right)
    return {node.attr} & KEYS if isinstance(node, ast.Attribute) else set()


def _listed(node: ast.AST) -> set[str]:
    """The degrees that a literal lists."""
    if not isinstance(node, ast.Tuple | ast.List | ast.Set):
        return set()
    return {item.value for item in node.elts if isinstance(item, ast.Constant) and item.value in KEYS}


@pytest.mark.parametrize("tree", ["planner", "tui"])
def test_degrees_are_listed_and_multiplied_in_the_table_alone(tree: str) -> None:
    """No other module multiplies three degrees, or lists four: a new degree would be missing there."""
    places = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / tree).rglob("*.py"))
        if str(path.relative_to(ROOT)) not in EXEMPT
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if len(_multiplied(node)) > 2 or len(_listed(node)) > 3
        if isinstance(node, ast.expr)
    }
    assert not places
