"""The version of tmplan that is installed."""

from __future__ import annotations

import importlib.metadata


def version() -> str:
    """The installed version, or `not installed`."""
    try:
        return importlib.metadata.version("tmplan")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
