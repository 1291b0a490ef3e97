"""What campaigns found: a table of counts, the figures measured, and each fault with its reproduction; as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.fuzz.ledger import Fault, Ledger

HEADS = ("campaign", "inputs", "refused", "ok", "faults")
SHOWN = 1500  # characters printed of a reproduction and of its output; the JSON has them completely


def table(ledgers: Mapping[str, Ledger]) -> Iterator[str]:
    """A line a campaign, and their sum; faults are kinds / inputs that met one."""
    rows = [(name, ledger.inputs, ledger.refused, ledger.ok, len(ledger.faults), ledger.hits) for name, ledger in ledgers.items()]
    rows.append(("together", *(sum(int(row[i]) for row in rows) for i in range(1, 6))))  # type: ignore[arg-type]
    yield f"{HEADS[0]:18s}" + "".join(f"{head:>12s}" for head in HEADS[1:])
    for name, *counts, kinds, hits in rows:
        yield f"{name:18s}" + "".join(f"{count:12,}" for count in counts) + f"{f'{kinds:,} / {hits:,}' if kinds else '0':>12s}"


def figures(ledgers: Mapping[str, Ledger]) -> Iterator[str]:
    """The greatest of every figure that a campaign measured."""
    for name, ledger in ledgers.items():
        for what, value in ledger.measured.items():
            yield f"{name}: {what}: {value:,.4g} at most"


def faults(ledgers: Mapping[str, Ledger]) -> list[Fault]:
    """Every fault, those met most often first within a campaign."""
    return [fault for ledger in ledgers.values() for fault in sorted(ledger.faults.values(), key=lambda fault: -fault.count)]


def lines_of(fault: Fault) -> Iterator[str]:
    """A fault as text; the reproduction is on a separate line."""
    yield f"\n== {fault.campaign}: {fault.signature} ({fault.count:,} times)"
    yield from (f"   {ascii(line)[1:-1]}" for line in fault.output[-SHOWN:].splitlines())
    line = json.dumps({"campaign": fault.campaign, "case": fault.case})
    yield f"   reproduction: {line}" if len(line) <= SHOWN else f"   reproduction of {len(line):,} characters; --json FILE keeps it"


def as_text(ledgers: Mapping[str, Ledger]) -> str:
    """The whole report."""
    lines = [*table(ledgers), *figures(ledgers)]
    for fault in faults(ledgers):
        lines += lines_of(fault)
    return "\n".join(lines)


def as_json(ledgers: Mapping[str, Ledger], seed: int) -> dict[str, Any]:
    """The whole report as JSON: `faults` is what --replay reads."""
    counts = {name: {key: value for key, value in ledger.as_dict().items() if key != "faults"} for name, ledger in ledgers.items()}
    listed = [
        {"campaign": f.campaign, "signature": f.signature, "count": f.count, "case": f.case, "told": f.output} for f in faults(ledgers)
    ]
    return {"seed": seed, "campaigns": counts, "faults": listed}
