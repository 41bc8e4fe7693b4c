"""
Choose the requests that go first: a few of every model and schema, small ones and large ones.

Pure, and decided by ids and sizes alone: the same requests give the same sample.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

T = TypeVar("T")
S = TypeVar("S", bound=Hashable)


def sampled(
    every: Sequence[T],
    count: int,
    stratum: Callable[[T], S],
    size: Callable[[T], int],
    key: Callable[[T], str],
) -> list[T]:
    """
    A sample of *count*, or all where there are no more, in the order in which they come.

    Args:
        every: What is chosen from.
        count: How many are wanted.
        stratum: What each belongs to; each stratum has its share, and one at the least where that can be.
        size: Within a stratum, large and small ones are chosen alike.
        key: Tells apart what is of one size; nothing of it but chance.
    """
    strata: dict[S, list[T]] = {}
    for each in every:
        strata.setdefault(stratum(each), []).append(each)
    chosen: set[str] = set()
    for name, quota in _quotas({name: len(found) for name, found in strata.items()}, count).items():
        found = sorted(strata[name], key=lambda each: (size(each), _chance(key(each))))
        chosen.update(key(found[(2 * at + 1) * len(found) // (2 * quota)]) for at in range(quota))
    return [each for each in every if key(each) in chosen]


def _quotas(sizes: dict[S, int], count: int) -> dict[S, int]:
    """How many of each stratum: one of the largest first, then whoever is furthest behind its share."""
    quotas = dict.fromkeys(sizes, 0)
    for _ in range(min(count, sum(sizes.values()))):
        free = [name for name, size in sizes.items() if quotas[name] < size]
        behind = max(free, key=lambda name: (quotas[name] == 0, sizes[name] / (2 * quotas[name] + 1)))
        quotas[behind] += 1
    return quotas


def _chance(key: str) -> bytes:
    """What orders equals."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
