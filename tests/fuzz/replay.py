"""Replays reproductions: those of a file that --json wrote, or a single one; each is checked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.fuzz import report
from tests.fuzz.campaign import Campaign
from tests.fuzz.runner import Budget, run_all


def replayed(data: Mapping[str, Any], known: Mapping[str, Campaign], root: Path) -> int:
    """Run every reproduction of the campaigns known; 1 where one still shows a fault, 0 where none does."""
    code = 0
    for number, entry in enumerate(data.get("faults", [data])):
        if entry["campaign"] not in known:
            continue
        campaign = replace(known[entry["campaign"]], draw=lambda rng, case=entry["case"]: case, tries=0)  # type: ignore[misc]
        ledger = run_all({campaign.name: campaign}, {campaign.name: Budget(0, inputs=1)}, root / str(number), 1)[campaign.name]
        print(f"{campaign.name}: {entry.get('signature', 'a reproduction')}: {'still so' if ledger.faults else 'holds'}")
        for fault in ledger.faults.values():
            print("\n".join(report.lines_of(fault)))
            code = 1
    return code
