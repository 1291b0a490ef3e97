"""The command line of the campaigns: python -m tests.fuzz --help."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.fuzz import guard, place, report
from tests.fuzz.campaign import Campaign, campaigns
from tests.fuzz.ledger import Ledger
from tests.fuzz.replay import replayed
from tests.fuzz.runner import Budget, run_all


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="of all campaigns together, parted by their weights (600)")
    parser.add_argument("--inputs", type=int, default=0, help="inputs of each campaign, in place of seconds: wholly determined by the seed")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same inputs (1)")
    parser.add_argument("--only", default="", metavar="NAME[,NAME]", help="these campaigns alone")
    parser.add_argument("--jobs", type=int, default=1, choices=(1, 2), help="campaigns at once (1)")
    parser.add_argument("--json", metavar="FILE", help="write counts and faults, each with its whole reproduction")
    parser.add_argument("--replay", metavar="FILE", help="run the reproductions of such a file (or one of them) only")
    parser.add_argument("--list", action="store_true", help="the campaigns, a line each")
    return parser.parse_args(argv)


def chosen(names: str) -> dict[str, Campaign]:
    """The campaigns of these names, all where there are none."""
    known = campaigns()
    requested = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in requested if name not in known]:
        raise SystemExit(f"no campaign is called {unknown[0]}; there are {', '.join(known)}")
    return {name: known[name] for name in requested or known}


def reproductions(path: str) -> Any:
    """What a file of reproductions holds; SystemExit where it cannot be read."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: no reproductions can be read from it: {error}") from None


def budgets(requested: Mapping[str, Campaign], given: argparse.Namespace) -> dict[str, Budget]:
    """The share of each campaign by its weight; with two at once there is twice the time."""
    whole = sum(campaign.weight for campaign in requested.values())
    seconds = given.seconds * min(given.jobs, len(requested))
    return {name: Budget(given.seed, seconds * campaign.weight / whole, given.inputs) for name, campaign in requested.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the selected campaigns; 1 if a fault was found, 0 otherwise."""
    given = arguments(argv)
    requested = chosen(given.only)
    if given.list:
        print("\n".join(f"{name:18s}{campaign.about}" for name, campaign in requested.items()))
        return 0
    guard.assert_null()
    with place.folder() as root:
        if given.replay:
            return replayed(reproductions(given.replay), requested, root)
        result: dict[str, Ledger] = run_all(requested, budgets(requested, given), root, given.jobs)
    result = {name: result[name] for name in requested}
    print(report.as_text(result))
    if given.json:
        reported: dict[str, Any] = report.as_json(result, given.seed)
        Path(given.json).write_text(json.dumps(reported, indent=1), encoding="utf-8")
    return 1 if any(ledger.faults for ledger in result.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
