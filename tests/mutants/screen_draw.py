"""Mutants of drawing in text and of the pages."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

LINES = "tui/draw/lines.py"
ALIGNED = "tui/draw/aligned.py"
WRITING = "tui/draw/writing.py"
BAR_CHART = "tui/draw/bar_chart.py"
CHART = "tui/draw/chart.py"
STEP_TREE = "tui/draw/step_tree.py"
RANK_PICTURE = "tui/draw/rank_picture.py"
PARETO = "tui/pages/pareto.py"
COMPARE = "tui/pages/compare.py"
TIMELINE = "tui/pages/timeline.py"
WHYNOT = "tui/pages/whynot.py"
BARS = ("tests/tui/pages/test_bars.py",)  # of the pages of memory and of the step, which are bars

MUTANTS = (
    Mutant(LINES, 'set_cell_size(text, left - 1) + "…"', 'set_cell_size(text, left) + "…"', "width"),
    Mutant(LINES, "Region(x1, y, x2 - x1, 1)", "Region(x1, y, 1, 1)", "redraw"),
    Mutant(LINES, "if len(old) != height or not old or", "if not old or", "redraw"),
    Mutant(
        LINES,
        "        if current != self.current:\n            self.current = current\n",
        "        if current != self.current:\n",
        "redraw",
    ),
    Mutant(LINES, "cell_len(head) - cell_len(tail) - 2", "cell_len(head) - 2", "width"),
    Mutant(LINES, "cell_len(line) + 1 + cell_len(word) > width", "cell_len(line) + cell_len(word) > width", "width"),
    Mutant(LINES, "_width(old[:same])):", "0):", "index"),
    Mutant(ALIGNED, "str.ljust if i in left else str.rjust", "str.rjust if i in left else str.ljust", "direction"),
    Mutant(ALIGNED, "max(len(flat(cell)) for", "min(len(flat(cell)) for", "width"),
    Mutant(WRITING, "text[: width - 1] + ", "text[:width] + ", "width"),
    Mutant(WRITING, "yield start, i - 1, stages[start]", "yield start, i, stages[start]", "index"),
    Mutant(WRITING, "round(total * cells_a_unit) - end", "round(value * cells_a_unit)", "rounding"),
    Mutant(WRITING, "width - label - value - 6", "width - label - 6", "width"),
    Mutant(WRITING, "'s' * (count != 1)", "'s' * (count == 1)", "condition"),
    Mutant(BAR_CHART, "width - left - right - 4)", "width - left - 4)", "width"),
    Mutant(BAR_CHART, "eighths % 8] if", "7 - eighths % 8] if", "direction"),
    Mutant(BAR_CHART, 'f"{hatched:>{behind}}│', 'f"{hatched:<{behind}}│', "direction"),
    Mutant(CHART, "for row in range(rows - 1, -1, -1):", "for row in range(rows):", "direction"),
    Mutant(CHART, "(self.cells - 1)) if span > 0", "self.cells) if span > 0", "index"),
    Mutant(CHART, "width - margin - 1))", "width - 1))", "width"),
    Mutant(CHART, "if axis.from_zero and not axis.log else low", "if not axis.from_zero and not axis.log else low", "condition"),
    Mutant(STEP_TREE, "child, width, depth + 1, seen)", "child, width, depth, seen)", "index"),
    Mutant(STEP_TREE, "    seen.add(id(step))\n    equation", "    equation", "stale"),
    Mutant(STEP_TREE, "depth is None or depth > 1 else ()", "depth is None or depth > 0 else ()", "bound"),
    Mutant(RANK_PICTURE, "(node + 1) * layout.per_node, layout.world)", "(node + 1) * layout.per_node, layout.nodes)", "bound"),
    Mutant(RANK_PICTURE, "place == tp - 1 else", "place == tp else", "index"),
    Mutant(RANK_PICTURE, "groups.stride * (groups.size - 1)", "groups.stride * groups.size", "index"),
    Mutant(PARETO, "if y <= limit]", "if y >= limit]", "condition"),
    Mutant(PARETO, "/ best - 1\n", "/ best\n", "term"),
    Mutant(PARETO, '"text" if fit else "bad"', '"bad" if fit else "text"', "condition"),
    Mutant(COMPARE, "[] if subject.plan in plans else [subject.plan]", "[subject.plan]", "condition"),
    Mutant(COMPARE, '"+" if value > values[0] else "-"', '"+" if value < values[0] else "-"', "direction"),
    Mutant(COMPARE, "range(0, len(others), columns)", "range(columns, len(others), columns)", "index"),
    Mutant(TIMELINE, "at >= panels - LAST", "at > panels - LAST", "index"),
    Mutant(TIMELINE, 'FORWARD: "░", BACKWARD: "█"', 'FORWARD: "█", BACKWARD: "░"', "symbol"),
    Mutant(WHYNOT, "answer.sentences[len(answer.broken) :]", "answer.sentences", "index"),
    Mutant("tui/pages/memory.py", 'drawn[at + 1 :]}" if over', 'drawn[at:]}" if over', "width", BARS),
    Mutant("tui/pages/memory.py", "fullest.device - memory.limit) / GIB", "memory.limit - fullest.device) / GIB", "direction", BARS),
    Mutant("tui/pages/step.py", "before, shade = before + value,", "before, shade = before,", "term", BARS),
)
