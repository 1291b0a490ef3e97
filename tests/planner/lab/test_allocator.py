"""The rules of the caching allocator, on sequences of requests computed by hand."""

from __future__ import annotations

import pytest

from planner.lab.allocator import MIB, Allocator, rounded, segment


@pytest.mark.parametrize(("size", "block"), [(0, 512), (1, 512), (512, 512), (513, 1024), (MIB + 1, MIB + 512)])
def test_sizes_are_multiples_of_512_bytes(size: int, block: int) -> None:
    """A block is a whole number of 512 bytes, at least one."""
    assert rounded(size) == block


@pytest.mark.parametrize(
    ("size", "reserved"), [(1, 2), (MIB, 2), (MIB + 512, 20), (10 * MIB - 512, 20), (10 * MIB, 10), (10 * MIB + 512, 12), (25 * MIB, 26)]
)
def test_a_segment_has_the_size_of_its_pool(size: int, reserved: int) -> None:
    """2 MiB up to 1 MiB, 20 MiB under 10 MiB, above them the size rounded to 2 MiB."""
    assert segment(size) == reserved * MIB
    allocator = Allocator()
    allocator.allocate(size)
    assert allocator.reserved == reserved * MIB


def test_small_requests_share_a_segment() -> None:
    """Two requests of 1 MiB fill a segment of 2 MiB; the third reserves another."""
    allocator = Allocator()
    for reserved in (2, 2, 4):
        allocator.allocate(MIB)
        assert allocator.reserved == reserved * MIB


def test_a_large_block_is_split_where_more_than_1_mib_is_left() -> None:
    """Of 20 MiB, 19 MiB leave 1 MiB, which is lost to other requests; 18 MiB leave 2 MiB, which hold one of 2 MiB."""
    for size, reserved in ((19, 40), (18, 20)):
        allocator = Allocator()
        block = allocator.allocate(9 * MIB)
        allocator.release(block)
        assert allocator.allocate(size * MIB) is block
        allocator.allocate(2 * MIB)
        assert allocator.reserved == reserved * MIB


def test_the_best_fit_is_taken() -> None:
    """Of free blocks of 40 and 30 MiB, a request of 30 MiB takes the smaller, so that 40 MiB remain whole."""
    allocator = Allocator()
    large, small = allocator.allocate(40 * MIB), allocator.allocate(30 * MIB)
    allocator.release(large)
    allocator.release(small)
    assert allocator.allocate(30 * MIB) is small
    assert allocator.allocate(40 * MIB) is large
    assert allocator.reserved == 70 * MIB


def test_free_neighbours_merge() -> None:
    """Three blocks of 6 MiB in one segment, freed in any order, hold one of 18 MiB again."""
    for order in ((0, 1, 2), (2, 1, 0), (0, 2, 1), (1, 2, 0)):
        allocator = Allocator()
        blocks = [allocator.allocate(6 * MIB) for _ in range(3)]
        for index in order:
            allocator.release(blocks[index])
        allocator.allocate(18 * MIB)
        assert allocator.reserved == 20 * MIB


def test_blocks_of_different_segments_do_not_merge() -> None:
    """Two free segments of 30 MiB cannot hold 60 MiB, which is why fragments cost memory."""
    allocator = Allocator()
    blocks = [allocator.allocate(30 * MIB) for _ in range(2)]
    for block in blocks:
        allocator.release(block)
    allocator.allocate(60 * MIB)
    assert allocator.reserved == allocator.peak == 120 * MIB


def test_each_stream_has_separate_pools() -> None:
    """A block freed on one stream is not used on another."""
    allocator = Allocator()
    allocator.release(allocator.allocate(30 * MIB, stream=1))
    allocator.allocate(30 * MIB, stream=2)
    assert allocator.reserved == 60 * MIB
    allocator.allocate(30 * MIB, stream=1)
    assert allocator.reserved == 60 * MIB


def test_expandable_segments_grow_by_what_is_missing() -> None:
    """Pages of 20 MiB: 30 MiB reserve 40, and freed they hold 60 MiB with one page more; a hole in the middle is filled by what fits."""
    allocator = Allocator(expandable=True)
    block = allocator.allocate(30 * MIB)
    assert allocator.reserved == 40 * MIB
    allocator.release(block)
    allocator.allocate(60 * MIB)
    assert allocator.reserved == 60 * MIB
    hole, _ = allocator.allocate(15 * MIB), allocator.allocate(5 * MIB)
    assert allocator.reserved == 80 * MIB
    allocator.release(hole)
    assert allocator.allocate(15 * MIB) is hole
    assert allocator.reserved == 80 * MIB


def test_expandable_segments_of_small_requests_have_pages_of_2_mib() -> None:
    """Requests of 768 KiB lie across pages: four of them take 4 MiB, where segments of 2 MiB hold two each."""
    expandable, normal = Allocator(expandable=True), Allocator()
    for _ in range(5):
        expandable.allocate(768 * 1024)
        normal.allocate(768 * 1024)
    assert (expandable.reserved, normal.reserved) == (4 * MIB, 6 * MIB)


def test_empty_cache_returns_free_segments() -> None:
    """Of three segments, that which holds a block stays; the peak is what was reserved before."""
    for expandable in (False, True):
        allocator = Allocator(expandable=expandable)
        small, large = allocator.allocate(1000), allocator.allocate(40 * MIB)
        allocator.release(large)
        allocator.empty()
        assert (allocator.reserved, allocator.peak) == (2 * MIB, 42 * MIB)
        allocator.release(small)
        allocator.empty()
        assert allocator.reserved == 0
        allocator.allocate(30 * MIB)
        assert allocator.reserved == (40 if expandable else 30) * MIB
