"""Megatron-LM's --moe-layer-freq, an integer or a Python list expression, as dense_layers and moe_every of a Model."""

from __future__ import annotations

import ast

LONGEST = 2000  # characters of an expression, which bounds its nesting
MOST = 10_000  # layers


def dense_and_every(text: str, layers: int) -> tuple[int, int] | None:
    """Leading dense layers and the period of sparse layers after them; None for a pattern that a Model cannot express.

    An integer N makes every N-th layer sparse, beginning with the first: as many layers as moe_every N, where N divides the layers.
    """
    text = text.strip()
    if text.isdecimal() and text.isascii() and len(text) < 6:
        return (0, int(text)) if int(text) and layers % int(text) == 0 else None
    pattern = listed(text)
    if pattern is None or len(pattern) != layers:
        return None
    for every in range(1, layers + 1):
        if layers % every == 0 and pattern == ([1] + [0] * (every - 1)) * (layers // every):
            return 0, every
    leading = [*pattern, 1].index(1)
    if leading == layers:
        return layers, 1
    rest = pattern[leading + 1 :]
    every = rest.index(1) + 1 if 1 in rest else leading + 1
    dense = leading - (every - 1)
    return (dense, every) if dense >= 0 and pattern == _pattern(dense, every, layers) else None


def _pattern(dense: int, every: int, layers: int) -> list[int]:
    """The pattern of a Model per layer: 1 sparse, 0 dense."""
    pattern = [0] * dense + ([0] * (every - 1) + [1]) * ((layers - dense) // every)
    return pattern + [0] * (layers - len(pattern))


def listed(text: str) -> list[int] | None:
    """A list of 0 and 1 from sums and multiples of such lists; None for anything else. Nothing is evaluated as Python."""
    if len(text) > LONGEST:
        return None
    try:
        value = _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, list) else None


def _value(node: ast.expr) -> list[int] | int:
    """The list or count that an expression evaluates to; ValueError for any other expression and for too long a list."""
    if isinstance(node, ast.Constant) and type(node.value) is int and 0 <= node.value <= MOST:
        return node.value
    if isinstance(node, ast.List):
        items = [_value(item) for item in node.elts]
        if all(item in (0, 1) for item in items):
            return [int(item == 1) for item in items]
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        if isinstance(node.op, ast.Add) and isinstance(left, list) and isinstance(right, list) and len(left) + len(right) <= MOST:
            return left + right
        if isinstance(left, int):
            left, right = right, left
        if isinstance(node.op, ast.Mult) and isinstance(left, list) and isinstance(right, int) and len(left) * right <= MOST:
            return left * right
    raise ValueError("not a list of layers")
