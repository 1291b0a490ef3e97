"""`python -m tests.mutants [FOLDER OR FILE] [--least PERCENT]`: run the mutants below it; 1 where too few are caught."""

from __future__ import annotations

import argparse

from tests.mutants.mutant import every_mutant
from tests.mutants.run import outcomes, table


def main() -> int:
    """Print the table; the exit code."""
    options = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    options.add_argument("under", nargs="?", default="", help="a folder or file, such as planner/cost")
    options.add_argument("--least", type=float, default=0.0, help="percent to be caught")
    given = options.parse_args()
    results = list(outcomes(every_mutant(given.under)))
    for line in table(results):
        print(line, flush=True)
    return int(100 * sum(seen for _, seen in results) < given.least * len(results))


if __name__ == "__main__":
    raise SystemExit(main())
