"""Mutants of the state of the program, of its settings and of its terminal."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

HISTORY = "tui/state/history.py"
VIEW = "tui/state/view.py"
FILTER = "tui/state/filter.py"
BEFORE = "tui/state/before.py"
EDITS = "tui/state/edits.py"
PROMPT_TEXTS = "tui/state/prompt_texts.py"
PLANNER_THREAD = "tui/state/planner_thread.py"
TABLE_COLUMNS = "tui/state/table_columns.py"
SESSION = "tui/state/session.py"
BINDINGS = "tui/settings/bindings.py"
KEYMAP = "tui/settings/keymap.py"
KEY_NAMES = "tui/settings/key_names.py"
LAYOUT = "tui/terminal/layout.py"
ENCODE = "tui/terminal/encode.py"
SHOWN = "tui/terminal/shown.py"
INPUT_PARSER = "tui/terminal/input_parser.py"

MUTANTS = (
    Mutant(HISTORY, "*reversed(undone[:-1]), self.now]", "self.now]", "history"),
    Mutant(HISTORY, "            self.moments += [*reversed", "            self.moments = self.moments[: self.at] + [*reversed", "history"),
    Mutant(HISTORY, "len(self.moments) - LIMIT)", "len(self.moments) - LIMIT + 1)", "bound"),
    Mutant(HISTORY, "self._update_file(moment, digest=False)", "self._update_file(moment, digest=True)", "history"),
    Mutant(HISTORY, "if 0 <= steps <= self.at", "if 0 <= steps < self.at", "bound"),
    Mutant(HISTORY, "and same(moment.path, latest.path)", "", "target"),
    Mutant(HISTORY, "(document.inputs, document.space) != ", "(document.inputs, document.space) == ", "condition"),
    Mutant(VIEW, "rows[::-1] if view.reverse else rows", "rows if view.reverse else rows[::-1]", "direction"),
    Mutant(VIEW, "(term.values[0] == 0.0) == (term.op", "(term.values[0] == 0.0) != (term.op", "condition"),
    Mutant(VIEW, "column, reverse=view.reverse)", "column, reverse=False)", "direction"),
    Mutant(VIEW, "_searches_unfit(terms, view.unfit)", "_searches_unfit(terms, False)", "filter"),
    Mutant(VIEW, "for term in terms:\n        if not len", "for term in terms[:1]:\n        if not len", "filter"),
    Mutant(FILTER, '"<=": operator.le', '"<=": operator.lt', "bound"),
    Mutant(FILTER, 'hit != (self.op == "!=")', "hit", "condition"),
    Mutant(FILTER, "column <= self.values[1]", "column < self.values[1]", "bound"),
    Mutant(FILTER, "or value > 2) else", ") else", "condition"),
    Mutant(FILTER, "0.0 if word.startswith", "1.0 if word.startswith", "condition"),
    Mutant(BEFORE, 'side="left") + 1', 'side="left")', "index"),
    Mutant(BEFORE, "100 * (now / self.best - 1)", "100 * (self.best / now - 1)", "direction"),
    Mutant(BEFORE, "if rank != to[1:] else rank", "if rank == to[1:] else rank", "condition"),
    Mutant(EDITS, '{"dp_replicate"} if not plan.zero else set()', '{"dp_replicate"} if plan.zero else set()', "condition"),
    Mutant(EDITS, 'if RECOMPUTES[plan.recompute] != "first":', 'if RECOMPUTES[plan.recompute] == "first":', "condition"),
    Mutant(EDITS, "not document.space[axis].free)", "document.space[axis].free)", "condition"),
    Mutant(EDITS, "if e.key not in silent or texts[e.key][1])", "if e.key not in silent)", "condition"),
    Mutant(EDITS, "return model_size or texts", "return model_size and texts", "condition"),
    Mutant(PROMPT_TEXTS, 'self._texts.pop(label, "")', 'self._texts.get(label, "")', "stale"),
    Mutant(PROMPT_TEXTS, "(self._texts | dict(now))", "(dict(now) | self._texts)", "stale"),
    Mutant(PROMPT_TEXTS, "if key.startswith(PREFIX)}", "}", "filter"),
    Mutant(
        PLANNER_THREAD,
        "            if answer.generation != self.generation:\n                return\n            if self._sink",
        "            if self._sink",
        "stale",
    ),
    Mutant(PLANNER_THREAD, "last[:2] == (job, question.space)", "last[0] == job", "stale"),
    Mutant(PLANNER_THREAD, "advise = none_fits and not len(rows)", "advise = none_fits", "condition"),
    Mutant(TABLE_COLUMNS, "    width -= reserved\n", "", "width"),
    Mutant(TABLE_COLUMNS, "key != spared or key == sort", "key != spared", "target"),
    Mutant(TABLE_COLUMNS, "width + 1 for key", "width for key", "width"),
    Mutant(SESSION, "or turn < self._written", "", "stale"),
    Mutant(BINDINGS, "if key in b.keys and context in b.contexts)", "if key in b.keys)", "context"),
    Mutant(BINDINGS, '"" if set(binding.contexts) == set(ALL) else', '"" if set(binding.contexts) != set(ALL) else', "context"),
    Mutant(BINDINGS, 'Binding("undo.redo", ("U",)', 'Binding("undo.undo", ("U",)', "target"),
    Mutant(KEYMAP, "if binding.id in NEEDED and not keys:", "if binding.id in NEEDED and keys:", "condition"),
    Mutant(KEYMAP, "if other.id != name and shared and both:", "if other.id != name and both:", "context"),
    Mutant(KEYMAP, "(*keys, *(key for key in always if key not in keys))", "keys", "term"),
    Mutant(KEY_NAMES, "return key.upper()", "return key", "target"),
    Mutant(LAYOUT, "if width < NORMAL else", "if width <= NORMAL else", "width"),
    Mutant(LAYOUT, "split_horizontal(room.height - low)", "split_horizontal(low)", "width"),
    Mutant(LAYOUT, "        y += tall\n", "        y += tall - 1\n", "width"),
    Mutant(LAYOUT, "if wish.tall or not wish.aside or room.height < 40", "if not wish.aside or room.height < 40", "condition"),
    Mutant(LAYOUT, "Region(left + 1, 1, width - left - 1, rows), wish)", "Region(left, 1, width - left, rows), wish)", "width"),
    Mutant(LAYOUT, "if name == list(needs)[-1] else 0", "if name == form else 0", "target"),
    Mutant(LAYOUT, "if name != form and name in needs)", "if name == form and name in needs)", "condition"),
    Mutant(ENCODE, "down, right = y - at[0], x - at[1]", "down, right = y - at[0], x", "index"),
    Mutant(ENCODE, "and end < width else None", "else None", "width"),
    Mutant(ENCODE, "{y + 1};{x + 1}H", "{y + 1};{x}H", "index"),
    Mutant(ENCODE, "if cell_len(char) == 2:", "if cell_len(char) == 1:", "width"),
    Mutant(ENCODE, 'bold = "1" if new[0] else "22"', 'bold = "22" if new[0] else "1"', "condition"),
    Mutant(SHOWN, "row[x : x + len(new)] = new", "row[x : x + len(new) - 1] = new[:-1]", "stale"),
    Mutant(SHOWN, "            self.forget()\n", "            pass\n", "stale"),
    Mutant(SHOWN, "y, x + start, ", "y, start, ", "index"),
    Mutant(INPUT_PARSER, "len(received) - len(END) + 1", "len(received)", "bound"),
    Mutant(INPUT_PARSER, "received[end + len(END) :]", "received[end + len(END) + 1 :]", "index"),
    Mutant(INPUT_PARSER, "LARGEST_PASTE - self._size]", "LARGEST_PASTE]", "bound"),
)
