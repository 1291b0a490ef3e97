"""Entry point of `tmplan`: ctrl+c ends it with 130 and without a traceback, even while modules are being imported."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `tmplan` on the arguments of the process."""
    try:
        from tui.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
