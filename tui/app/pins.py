"""Pins: plans marked for comparison."""

from __future__ import annotations

from planner.specs.plan import Plan
from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.app.pages import Pages
from tui.app.ranking import Ranking
from tui.settings.bindings import key_of
from tui.widgets.table import Table


class Pins:
    """The pinned plans."""

    def __init__(self, plans: list[Plan], table: Table, ranking: Ranking, pages: Pages, dialogs: Dialogs) -> None:
        self.plans, self._table, self._ranking, self._pages, self._dialogs = plans, table, ranking, pages, dialogs

    @action
    def toggle(self) -> None:
        """Pin the plan under the cursor, or take its pin away."""
        current = self._ranking.current_to("pin")
        if current is None:
            return
        plan = current[1]
        if plan in self.plans:
            self.plans.remove(plan)
            self._dialogs.say(f"unpinned; {count(len(self.plans))} left" if self.plans else "unpinned; none is left")
        else:
            self.plans.append(plan)
            self._dialogs.say(f"pinned; {key_of('compare')} compares {count(len(self.plans))} and the one under the cursor")
        self._table.pins = tuple(self.plans)
        self._table.redraw()
        self._pages.show()

    @action
    def compare(self) -> None:
        """The pinned plans and the one under the cursor side by side, term by term."""
        if not self.plans:
            self._dialogs.say(f"compared with the first plan; {key_of('pin')} pins others to compare with")
        self._pages.open("compare")


def count(plans: int) -> str:
    """A number of plans, as text."""
    return "1 plan" if plans == 1 else f"{plans} plans"
