"""Mutants of the panes and of what opens over them."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

TABLE = "tui/widgets/table.py"
FORM = "tui/widgets/form.py"
PICKER = "tui/widgets/picker.py"
LINE_EDIT = "tui/widgets/line_edit.py"
PAGE_PANE = "tui/widgets/page_pane.py"
OVERLAY = "tui/widgets/overlay.py"
PROMPT = "tui/widgets/prompt.py"
STATUS = "tui/widgets/status.py"
HINTS = "tui/widgets/hints.py"
DETAIL = "tui/widgets/detail.py"

MUTANTS = (
    Mutant(TABLE, "self.body // 3) if abs(by) == 1", "self.body // 2) if abs(by) == 1", "scroll"),
    Mutant(TABLE, "self.top = self.at - self.body + jump", "self.top = self.at - self.body", "scroll"),
    Mutant(TABLE, "self.at - jump + 1)", "self.at - jump)", "scroll"),
    Mutant(TABLE, "not self.view.reverse and not self.view.filter", "not self.view.reverse", "condition"),
    Mutant(TABLE, "self.chosen = self.plan if self.at else None", "self.chosen = self.plan", "condition"),
    Mutant(TABLE, "column.ascending != self.view.reverse", "column.ascending == self.view.reverse", "direction"),
    Mutant(TABLE, "max(0, self.first + by)", "max(0, self.first - by)", "direction"),
    Mutant(TABLE, '"memory" if fits else "bad"', '"bad" if fits else "memory"', "condition"),
    Mutant(TABLE, "result.fits[row] or self.view.unfit", "result.fits[row]", "condition"),
    Mutant(TABLE, "if result is not self.result:", "if result is self.result:", "stale"),
    Mutant(TABLE, "result.step_seconds[missing]) + 1", "result.step_seconds[missing])", "index"),
    Mutant(TABLE, "list(range(self.top, min(", "list(range(self.top + 1, min(", "index"),
    Mutant(TABLE, "{self.top + 1:,}-", "{self.top:,}-", "index"),
    Mutant(TABLE, "len(self.rows) - 1)\n        self.chosen", "len(self.rows))\n        self.chosen", "bound"),
    Mutant(TABLE, "self._place(self.chosen)\n        self.redraw()", "0\n        self.redraw()", "target"),
    Mutant(FORM, "keys.index(key) if key in keys else min", "min", "target"),
    Mutant(FORM, "self.at + by), len(self.entries) - 1)", "self.at + by), len(self.entries))", "bound"),
    Mutant(FORM, "self.at - room + 1)", "self.at - room)", "scroll"),
    Mutant(FORM, "None if self.edit.text == before", "None if self.edit.text != before", "condition"),
    Mutant(FORM, '("", False))[0], fresh=True)', '("", False))[0])', "condition"),
    Mutant(FORM, '"cursor-bad" if fault', '"cursor" if fault', "condition"),
    Mutant(FORM, "to != self.at, to\n        self.redraw()\n", "to != self.at, to\n", "redraw"),
    Mutant(FORM, '"✗" if fault else "•"', '"•" if fault else "✗"', "symbol"),
    Mutant(FORM, "{self.at + 1}/{", "{self.at}/{", "index"),
    Mutant(PICKER, "self.at = self.top = 0", "self.top = 0", "target"),
    Mutant(PICKER, "max(0, len(listed) - 1))", "len(listed))", "bound"),
    Mutant(PICKER, "not c[0].lower().startswith", "c[0].lower().startswith", "direction"),
    Mutant(PICKER, "(self.freely and self.edit.text.strip())", "self.edit.text.strip()", "condition"),
    Mutant(PICKER, "self.toggle(listed[self.at][0])", "self.toggle(listed[0][0])", "target"),
    Mutant(PICKER, "if name == at), 0)", "if name != at), 0)", "target"),
    Mutant(PICKER, "self.edit, self.top, self.open = LineEdit(), 0, True", "self.top, self.open = 0, True", "stale"),
    Mutant(PICKER, "self.at - room + 1)", "self.at - room)", "scroll"),
    Mutant(PICKER, '"shift+tab": -1', '"shift+tab": 1', "direction"),
    Mutant(LINE_EDIT, "min(len(self.text), self.at + 1)", "self.at + 1", "bound"),
    Mutant(LINE_EDIT, "self.text[self.at + 1 :]\n        elif", "self.text[self.at + 2 :]\n        elif", "index"),
    Mutant(LINE_EDIT, "self.text[self.at :], max(0, self.at - 1)", "self.text[self.at :], self.at", "index"),
    Mutant(LINE_EDIT, 'before.rfind(" ") + 1', 'before.rfind(" ")', "index"),
    Mutant(LINE_EDIT, "self.fresh = False\n        return True", "return True", "stale"),
    Mutant(LINE_EDIT, "= self.text[self.at :], 0", "= self.text[: self.at], 0", "direction"),
    Mutant(LINE_EDIT, "if char.isprintable())", ")", "condition"),
    Mutant(PAGE_PANE, "*range(self.at_find + 1, len", "*range(max(0, self.at_find), len", "index"),
    Mutant(PAGE_PANE, "len(lines)), *range(min(self.at_find + 1, len(lines)))]", "len(lines))]", "term"),
    Mutant(PAGE_PANE, "= page, 0, False, -1", "= page, self.top, False, -1", "scroll"),
    Mutant(PAGE_PANE, "self._made is None or self._made[0] != width", "self._made is None", "stale"),
    Mutant(PAGE_PANE, "{self.top + 1}-", "{self.top}-", "index"),
    Mutant(PAGE_PANE, "= drawing, computed, None, ", "= drawing, computed, self._made, ", "stale"),
    Mutant(PAGE_PANE, "height - (self.titled or count > height)", "height - self.titled", "width"),
    Mutant(OVERLAY, '"up": -1', '"up": 1', "direction"),
    Mutant(OVERLAY, "- self.size.height + 2", "- self.size.height", "bound"),
    Mutant(OVERLAY, "self.size.height - 3)", "self.size.height)", "scroll"),
    Mutant(OVERLAY, "len(title) - 14)", "len(title) - 12)", "width"),
    Mutant(PROMPT, "return not self.refusal", "return True", "condition"),
    Mutant(PROMPT, 'in ("y", "Y")', 'in ("y", "Y", "enter")', "condition"),
    Mutant(PROMPT, 'not in ("", self._offered)', 'not in ("",)', "condition"),
    Mutant(PROMPT, '            self.refusal = ""\n', "            pass\n", "stale"),
    Mutant(STATUS, "+ 3 + len(text) <= width", "+ len(text) <= width", "width"),
    Mutant(STATUS, "if status != self.status:", "if status == self.status:", "redraw"),
    Mutant(STATUS, '"tab-on" if name == self.pane', '"tab-on" if name != self.pane', "target"),
    Mutant(STATUS, "if len(longer) <= room", "if len(longer) >= room", "width"),
    Mutant(STATUS, "(self.message, self.role) if self.message else", "(self.message, self.role) if not self.standing else", "target"),
    Mutant(HINTS, "and context in b.contexts", "", "context"),
    Mutant(HINTS, "key=lambda b: b.hint)", "key=lambda b: -b.hint)", "direction"),
    Mutant(HINTS, "del texts[-3]", "del texts[-1]", "index"),
    Mutant(DETAIL, "if (job, plan) == (self.job, self.plan):", "if job == self.job:", "stale"),
    Mutant(DETAIL, "self._stages, self._trees = job, plan, None, None", "_, _ = job, plan, None, None", "stale"),
    Mutant(DETAIL, "min(max(share, 0.0), 1.0)", "max(share, 0.0)", "bound"),
    Mutant(DETAIL, "width >= 2 * COLUMN", "width > 2 * COLUMN", "width"),
    Mutant(DETAIL, "over = stage.device > self.job.memory_limit", "over = stage.device < self.job.memory_limit", "condition"),
)
