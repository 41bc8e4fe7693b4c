"""
What it costs to turn answers into the results file: one normalised line a request, in input order.

CPU time of publishing batches, against a loop that decodes every line with orjson and writes the same
records. Full size: 100 batches of 1,000 requests; then one batch of 10,000 requests with the longer lines of
the bench `matching`.

Matching knows where each answer stands, and of small batches it makes the results on the way, to save the
second reading. So publishing is measured three times: together with matching, as a pass does both, against
the orjson loops of both; of files alone, with nothing known; and after matching, which leaves out the part
that was done there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Final

from bench import data
from bench.baselines import orjson_ids, orjson_results
from bench.measure import Figure, Options, cpu_of, in_turn, main, same
from bench.product import locked, publish, verdict
from reconciler.executor.context import Context
from reconciler.model.identity import ANSWERS, Role, file_name
from reconciler.model.snapshot import Matched

FULL: Final = 100
LONG: Final = 10_000


def run(options: Options) -> Iterator[Figure | str]:
    """Measure over batches of the usual size, then over one with long lines."""
    count, long = options.sized(FULL, 2), options.sized(LONG, 1000)
    many = options.shelf.take(f"batches-{count}", partial(data.batches, count=count))
    yield f"{count:,} batches, {count * data.REQUESTS:,} requests, answers of 1.5 KB"
    yield from _measured(many, [str(n) for n in range(1, count + 1)], options)
    giant = options.shelf.take(f"giant-{long}", partial(data.giant, requests=long))
    yield f"one batch, {long:,} requests, answers of 4.2 KB"
    yield from _measured(giant, ["giant"], options)


def _measured(workspace: Path, names: Sequence[str], options: Options) -> Iterator[Figure | str]:
    answers = sum(path.stat().st_size for name in names for path in _files(workspace, name)[1])
    known: dict[str, Matched] = {}
    with options.shelf.copy(workspace) as copy, locked(copy) as ctx:
        _check(ctx, copy, names)
        taken = cpu_of(
            in_turn(
                options.pairs,
                lambda: known.update((name, verdict(ctx, name)) for name in names),
                lambda: [publish(ctx, name, known.pop(name)) for name in names],
                lambda: [publish(ctx, name) for name in names],
                lambda: [orjson_ids.match_with_digests(*_files(copy, name)) for name in names],
                lambda: [_loop(copy, name) for name in names],
            )
        )
    both = [(ids + loop) / (match + after) for match, after, _, ids, loop in taken]
    yield Figure("orjson loop / product, matching on both sides", both, at_least=1.5)
    yield Figure("orjson loop / product, of files alone", [t[4] / t[2] for t in taken], at_least=1.5)
    yield Figure("orjson loop / product, after matching", [t[4] / t[1] for t in taken], at_least=1.5)
    yield Figure("product, of files alone, answers read", [answers / 1e6 / t[2] for t in taken], "MB/s")
    yield Figure("orjson loop, answers read", [answers / 1e6 / t[4] for t in taken], "MB/s")


def _check(ctx: Context, workspace: Path, names: Sequence[str]) -> None:
    """Hold the results of each way against those of the baseline."""
    for name in names:
        theirs = _loop(workspace, name)
        same_records(publish(ctx, name), theirs)
        same_records(publish(ctx, name, verdict(ctx, name)), theirs)


def _loop(workspace: Path, name: str) -> Path:
    asked, answers = _files(workspace, name)
    target = workspace / f"{name}.baseline.jsonl"
    orjson_results.write_results(asked, answers, name, target)
    return target


def _files(workspace: Path, name: str) -> tuple[Path, list[Path]]:
    live = workspace / "workdir"
    answers = [live / file_name(role, name) for role in ANSWERS]
    return live / file_name(Role.INPUT, name), [path for path in answers if path.is_file()]


def same_records(ours: Path, theirs: Path) -> None:
    """Hold two results files against each other, line by line, as values."""
    with ours.open("rb", buffering=1 << 20) as one, theirs.open("rb", buffering=1 << 20) as other:
        for number, (line, its) in enumerate(zip_longest(one, other, fillvalue=b"null"), 1):
            if line != its:
                same(json.loads(line), json.loads(its), f"{ours.name}:{number} and the baseline's line")


if __name__ == "__main__":
    main("results", run, scale=0.1, pairs=5)
