"""
What durable live requests cost: the step that answers a batch here, from its input to both answer files.

Wall time with the worker `echo` and 128 requests under way, every end on disk before it counts (SQLite,
`synchronous = FULL`), against a job table behind SQLAlchemy and aiosqlite, and against an asyncio loop that
keeps nothing. The loop's requests are read from the same file, by the product's own codec.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.baselines import bare_loop, two_transactions
from bench.measure import Figure, Options, growth, in_child, main, same, timed
from bench.product import answering, requests_of, stopped_after
from reconciler.providers.echo import echo

LANES: Final = 128
TABLE: Final = (1_000, 10_000)
MANY: Final = 100_000


def run(options: Options) -> Iterator[Figure | str]:
    """Measure each figure at its own sizes; a smaller scale makes all of them smaller."""
    for full in TABLE:
        count = options.sized(full, 100)
        turns = [(_ours(count), _table(count), _bare(count)) for _ in range(options.pairs)]
        yield Figure(f"job table / product, {count:,} prompts", [b / a for a, b, _ in turns], at_least=50)
        yield Figure(f"product / loop without state, {count:,}", [a / c for a, _, c in turns], at_most=12)
        yield f"product {count / min(a for a, _, _ in turns):,.0f} prompts/s, job table {_rate(count, turns)}"
    many, few = options.sized(MANY, 1_000), options.sized(1_000, 100)
    turns_of = [(_ours(many) / many, _ours(few) / few) for _ in range(options.pairs)]
    yield Figure(f"a request among {many:,} / among {few:,}", [a / b for a, b in turns_of], at_most=1.3)
    more = in_child(_grown, many) - in_child(_grown, few)
    yield Figure("memory for each request that waits", [more / (many - few)], "B", at_most=1024)
    firsts = [_resumed(many) for _ in range(options.pairs)]
    yield Figure(f"first new call, {many:,} requests of which 90 % have ended", firsts, "s", at_most=0.5)
    done = options.sized(10_000, 1_000)
    again = [(_resumed(done), _table_again(done)) for _ in range(options.pairs)]
    yield Figure(f"job table / product, {done:,} have ended", [b / a for a, b in again], at_least=5)


def _rate(count: int, turns: list[tuple[float, float, float]]) -> str:
    return f"{count / min(b for _, b, _ in turns):,.0f}, loop {count / min(c for _, _, c in turns):,.0f}"


def prompts(count: int) -> list[str]:
    """So many prompts, each of its own."""
    return [f"Say something about the number {n}, please, in few words." for n in range(count)]


@contextmanager
def _workspace(count: int) -> Iterator[Path]:
    """A workspace with one batch that nobody has answered."""
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as folder:
        live = Path(folder) / "workdir"
        live.mkdir()
        with (live / "batch_input_1.jsonl").open("w", encoding="utf-8") as out:
            for n, prompt in enumerate(prompts(count)):
                body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
                line = {"custom_id": f"q-{n}", "method": "POST", "url": "/v1/chat/completions", "body": body}
                out.write(json.dumps(line) + "\n")
        yield Path(folder)


def _ours(count: int) -> float:
    """Seconds of the product."""
    with _workspace(count) as workspace:
        facts: dict[str, Any] = {}
        work = answering(workspace, "1", echo, LANES)
        seconds = timed(lambda: facts.update(work())).wall
        same(facts["called"], count, "the calls and the requests")
        with (workspace / "workdir/batch_output_1.jsonl").open("rb") as answers:
            same(sum(1 for _ in answers), count, "the answers and the requests")
    return seconds


def _bare(count: int) -> float:
    """Seconds of the loop that keeps nothing."""
    with _workspace(count) as workspace:
        found: list[Any] = []
        with requests_of(workspace, "1") as asked:
            work = bare_loop.answered(asked, echo, LANES)
            seconds = timed(lambda: found.extend(asyncio.run(work))).wall
        same(len(found), count, "the answers and the requests")
    return seconds


async def _said(prompt: str) -> str:
    return prompt


def _table(count: int) -> float:
    """Seconds of the job table."""
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as folder:
        found: list[str | None] = []
        work = two_transactions.prompt_map(prompts(count), _said, LANES, Path(folder) / "jobs.db")
        seconds = timed(lambda: found.extend(asyncio.run(work))).wall
        same(found, prompts(count), "the answers and the prompts")
    return seconds


def _table_again(count: int) -> float:
    """Seconds that the job table takes to see that everything is done."""
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as folder:
        path = Path(folder) / "jobs.db"
        asyncio.run(two_transactions.prompt_map(prompts(count), _said, LANES, path))
        work = two_transactions.prompt_map(prompts(count), _said, LANES, path)
        return timed(lambda: asyncio.run(work)).wall


def _resumed(count: int) -> float:
    """Seconds from the start of a step, of whose requests nine in ten have ended, to its first new call."""
    with _workspace(count) as workspace:
        stopped_after(workspace, count * 9 // 10, LANES)
        begun = [0.0, 0.0]

        async def worker(request: Any) -> Any:
            begun[1] = begun[1] or time.perf_counter()
            return await echo(request)

        work = answering(workspace, "1", worker, LANES)
        begun[0] = time.perf_counter()
        work()
        return begun[1] - begun[0]


def _grown(count: int) -> int:
    """By how much the peak of memory grows while so many requests are answered."""
    with _workspace(count) as workspace:
        return growth(answering(workspace, "1", echo, LANES))


if __name__ == "__main__":
    main("live", run, scale=0.1, pairs=3)
