"""PyTorch's CUDA caching allocator (c10/cuda/CUDACachingAllocator.cpp, default settings) on a sequence of requests: the bytes reserved.

Sizes are rounded to 512 bytes. Requests of at most 1 MiB are placed in segments of 2 MiB, those under 10 MiB in segments of 20 MiB, larger
ones in a segment of their size, rounded to 2 MiB. The best-fitting free block is taken, and split where at least 512 bytes (small pool)
or more than 1 MiB (large pool) are left; freed neighbours merge. Each stream has separate pools. Free
segments are returned by `empty` alone.

With expandable segments (expandable_segments:True) a pool is one segment that grows at its end by pages, 2 MiB for small requests and
20 MiB for large ones, so that a free block at the end is used for a request of any size.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

MIB = 2**20
LEAST = 512  # bytes; sizes are multiples
SMALL = MIB  # largest request of the small pool
SMALL_SEGMENT = 2 * MIB
LARGE_SEGMENT = 20 * MIB  # of requests under LARGEST_SHARED
LARGEST_SHARED = 10 * MIB
ROUNDED = 2 * MIB  # larger segments are multiples
SMALL_PAGE, LARGE_PAGE = 2 * MIB, 20 * MIB  # an expandable segment grows by these

Pool = tuple[int, bool]  # the stream, and whether it is the pool of small requests


@dataclass(eq=False)
class Block:
    """A part of a segment. `order` breaks ties among free blocks of one size: the block that was created first is taken."""

    pool: Pool
    size: int
    order: int
    free: bool = False
    before: Block | None = None
    after: Block | None = None


class Allocator:
    """Reserved bytes under a sequence of requests; `peak` is the most that were reserved."""

    def __init__(self, *, expandable: bool = False) -> None:
        self.expandable = expandable
        self.reserved = self.peak = 0
        self._free: dict[Pool, list[tuple[int, int, Block]]] = {}  # sorted by size, then by order
        self._last: dict[Pool, Block] = {}  # the end of an expandable segment
        self._blocks = 0

    def allocate(self, size: int, stream: int = 0) -> Block:
        """The block of a request."""
        size = rounded(size)
        pool = (stream, size <= SMALL)
        free = self._free.setdefault(pool, [])
        place = bisect.bisect_left(free, (size, 0))
        if place < len(free):
            block = free.pop(place)[2]
        else:
            block = self._grow(pool, size) if self.expandable else self._reserve(pool, segment(size))
        block.free = False
        left = block.size - size
        if left >= LEAST and (pool[1] or self.expandable or left > SMALL):
            self._split(block, size)
        return block

    def release(self, block: Block) -> None:
        """Return a block to its pool, merged with free neighbours."""
        if block.after is not None and block.after.free:
            self._take(block.after)
            self._merge(block, block.after)
        if block.before is not None and block.before.free:
            before = block.before
            self._take(before)
            self._merge(before, block)
            block = before
        self._put(block)

    def empty(self) -> None:
        """torch.cuda.empty_cache: return the segments that are free as a whole to the device."""
        for pool, free in self._free.items():
            for _, _, block in [entry for entry in free if entry[2].before is None and entry[2].after is None]:
                self._take(block)
                self.reserved -= block.size
                if self._last.get(pool) is block:
                    del self._last[pool]

    def _reserve(self, pool: Pool, size: int) -> Block:
        """A new block, reserved from the device."""
        self.reserved += size
        self.peak = max(self.peak, self.reserved)
        self._blocks += 1
        return Block(pool, size, self._blocks)

    def _grow(self, pool: Pool, size: int) -> Block:
        """The block at the end of an expandable segment, grown to at least this size; its free end is used."""
        last = self._last.get(pool)
        usable = last.size if last is not None and last.free else 0
        page = SMALL_PAGE if pool[1] else LARGE_PAGE
        block = self._reserve(pool, -(-(size - usable) // page) * page)
        if last is not None:
            block.before, last.after = last, block
            if last.free:
                self._take(last)
                self._merge(last, block)
                return last
        self._last[pool] = block
        return block

    def _split(self, block: Block, size: int) -> None:
        """Cut a block to a size; the rest is free."""
        self._blocks += 1
        rest = Block(block.pool, block.size - size, self._blocks, before=block, after=block.after)
        if block.after is not None:
            block.after.before = rest
        block.after, block.size = rest, size
        if self._last.get(block.pool) is block:
            self._last[block.pool] = rest
        self._put(rest)

    def _merge(self, block: Block, after: Block) -> None:
        """Extend a block by the block after it."""
        block.size += after.size
        block.after = after.after
        if after.after is not None:
            after.after.before = block
        if self._last.get(block.pool) is after:
            self._last[block.pool] = block

    def _put(self, block: Block) -> None:
        block.free = True
        bisect.insort(self._free.setdefault(block.pool, []), (block.size, block.order, block))

    def _take(self, block: Block) -> None:
        free = self._free[block.pool]
        del free[bisect.bisect_left(free, (block.size, block.order))]
        block.free = False


def rounded(size: int) -> int:
    """The size of the block of a request; bytes."""
    return max(LEAST, -(-size // LEAST) * LEAST)


def segment(size: int) -> int:
    """The size of a segment for a request that no free block can hold; bytes."""
    if size <= SMALL:
        return SMALL_SEGMENT
    return LARGE_SEGMENT if size < LARGEST_SHARED else -(-size // ROUNDED) * ROUNDED
