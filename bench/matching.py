"""
What it costs to hold the ids of a batch against each other, and whether memory stays bounded.

CPU time of the product's verdict on one batch against a loop that decodes every line with orjson and
compares the ids as multisets. Full size: 50,000 requests, 79 MB of questions and 206 MB of answers; then
1,000 batches with 1,000,000 requests in all.

The product can match without digests, and does so where nobody needs them; its verdict on a batch that
settles computes the SHA-256 of both files in the same reading, for the manifest. So there are two fair
comparisons: without digests on either side, which is the figure; and with them on both, where four parts of
ten of the product's time are SHA-256, which it cannot do faster than the loop does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bench import data
from bench.baselines import hashing, orjson_ids
from bench.measure import (
    MIB,
    Differs,
    Figure,
    Options,
    growth,
    has_memory,
    in_child,
    in_turn,
    main,
    same,
)
from bench.product import looking, match_ids, verdict
from reconciler.model.coverage import Coverage, Tally, hash_id
from reconciler.model.identity import Role, file_name

FULL: Final = 50_000
BATCHES: Final = 1_000


def run(options: Options) -> Iterator[Figure | str]:
    """Measure time over one large batch, then memory."""
    requests = options.sized(FULL, 1000)
    large = options.shelf.take(f"giant-{requests}", partial(data.giant, requests=requests))
    yield from _times(large, requests, options.pairs)
    if has_memory():
        yield from _memory(large, options)


def _memory(large: Path, options: Options) -> Iterator[Figure | str]:
    """Over the large batch, and over many; each in a process of its own."""
    yield Figure("memory: growth over the large batch", [_growth(large, ["giant"]) / MIB], "MiB", at_most=16)
    count = options.sized(BATCHES, 2)
    many = options.shelf.take(f"batches-{count}", partial(data.batches, count=count))
    names = [str(n) for n in range(1, count + 1)]
    one, every = (_growth(many, chosen) / MIB for chosen in (names[:1], names))
    yield f"{count:,} batches with {count * data.REQUESTS:,} requests in all"
    yield Figure("memory: growth over one batch", [one], "MiB")
    yield Figure("memory: growth over all, more than over one", [every - one], "MiB", at_most=4)


def _times(workspace: Path, requests: int, pairs: int) -> Iterator[Figure | str]:
    asked, answers = (workspace / "workdir" / file_name(role, "giant") for role in (Role.INPUT, Role.OUTPUT))
    sizes = [path.stat().st_size for path in (asked, answers)]
    with looking(workspace) as view:
        _check(verdict(view, "giant").coverage, asked, answers)
        taken = in_turn(
            pairs,
            lambda: verdict(view, "giant"),
            lambda: orjson_ids.match(asked, [answers]),
            lambda: orjson_ids.match_with_digests(asked, [answers]),
            lambda: hashing.digests_of([asked, answers]),
            lambda: match_ids(view, "giant"),
        )
    yield f"one batch, {requests:,} requests, {sizes[0] / 1e6:.0f} MB asked, {sizes[1] / 1e6:.0f} MB answered"
    yield Figure("orjson loop / product", [t[1].cpu / t[4].cpu for t in taken], at_least=2)
    yield Figure("the same with digests on both sides", [t[2].cpu / t[0].cpu for t in taken])
    yield Figure("the same with digests, in wall time", [t[2].wall / t[0].wall for t in taken])
    yield Figure("product with digests", [sum(sizes) / 1e6 / t[0].cpu for t in taken], "MB/s")
    yield Figure("orjson loop without digests", [sum(sizes) / 1e6 / t[1].cpu for t in taken], "MB/s")
    yield Figure("SHA-256 alone", [sum(sizes) / 1e6 / t[3].cpu for t in taken], "MB/s")


def _check(coverage: Coverage | None, asked: Path, answers: Path) -> None:
    """Hold the product's account against the ids and digests that the baseline finds."""
    ids, digests = orjson_ids.match_with_digests(asked, [answers])
    same(orjson_ids.match(asked, [answers]), ids, "the ids with and without digests")
    if coverage is None:
        raise Differs("the product has no account")
    same(coverage.answered, Tally.of(hash_id(each) for each in ids.elements()), "the ids")
    same({digest.sha256 for digest in coverage.digests.values()}, set(digests.values()), "the digests")
    same(hashing.digests_of([asked, answers]), digests, "the digests of the baselines")


def _growth(workspace: Path, names: list[str]) -> int:
    return in_child(growth_over, workspace, names)


def growth_over(workspace: Path, names: list[str]) -> int:
    """By how many bytes a process grows that matches these batches, one after the other."""
    with looking(workspace) as view:

        def work() -> None:
            for name in names:
                verdict(view, name)

        return growth(work)


if __name__ == "__main__":
    main("matching", run, scale=0.1, pairs=5)
