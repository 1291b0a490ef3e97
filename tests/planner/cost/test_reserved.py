"""Memory of the caching allocator and of the device."""

from __future__ import annotations

from planner.cost import reserved
from planner.dimensions import Bytes
from tests.planner.cost.hand_worked import round_job


def test_the_device_shows_slack_and_context() -> None:
    """A quarter more than is live, and 7 bytes of context."""
    assert reserved.device_bytes(round_job(), Bytes(100.0)) == 125 + 7
    assert reserved.reserved_bytes(round_job(), Bytes(100.0)) == 125
