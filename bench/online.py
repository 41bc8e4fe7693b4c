"""
Batches at a provider, over real HTTP on loopback, against the fake provider.

Memory: the command takes one batch of 50,000 requests (205 MB) up and its answers down, each cut twice on the
way, and its largest process is held against that of the same command with one request of the same size. The
provider is a process of its own. The same where the create holds all requests and results come by pages.

Calls: passes over 1,000 batches, in the virtual time of the provider: how many calls they make, and how many
questions they ask in a second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from bench.measure import MIB, Figure, Options, main, same
from bench.processes import ran
from bench.product import asked_online, command, environment
from reconciler.testing import FakeProvider, Fate

LINES: Final = 50_000
BYTES: Final = 4_100
FULL: Final = 1_000
DELAY: Final = 2.0


def run(options: Options) -> Iterator[Figure | str]:
    """Both, one after the other."""
    yield from _memory(options)
    yield from _calls(options)


def _memory(options: Options) -> Iterator[Figure | str]:
    """One large batch there and back."""
    lines = options.sized(LINES, 1_000)
    small, _ = _there_and_back(options, 1, cut=0)
    size = lines * BYTES
    large, told = _there_and_back(options, lines, cut=size // 3)
    calls = told["calls"]
    uploads = [each for each in calls if each["kind"] == "upload"]
    downloads = [each for each in calls if each["kind"] == "download"]
    same(
        [bool(each["fault"]) for each in uploads],
        [True, True, False],
        "cuts of the upload, and what it needs,",
    )
    same(
        [bool(each["fault"]) for each in downloads],
        [True, True, False],
        "cuts of the download, and what it needs,",
    )
    same(
        [bool(each["range"]) for each in downloads],
        [False, True, True],
        "resumed downloads and all but the first",
    )
    same(told["creates"], 1, "batches that were created and one")
    sent = sum(each["received"] for each in uploads)
    yield f"{lines:,} requests, {size / 1e6:,.0f} MB; {sent / 1e6:,.0f} MB went up"
    yield Figure("largest process with one request", [small / MIB], "MiB")
    yield Figure("the same with all of them, each way cut twice", [large / MIB], "MiB")
    yield Figure("growth", [(large - small) / MIB], "MiB", at_most=16)
    yield from _inside(options, lines, size)


def _inside(options: Options, lines: int, size: int) -> Iterator[Figure | str]:
    """The same at a provider whose create holds all requests, and whose results come by pages."""
    small, _ = _there_and_back(options, 1, cut=0, provider="openrouter")
    large, told = _there_and_back(options, lines, cut=100_000, provider="openrouter")
    pages = [each for each in told["calls"] if each["kind"] == "download"]
    (create,) = [each for each in told["calls"] if each["kind"] == "create"]
    same(sum(bool(each["fault"]) for each in pages), 2, "pages that were cut and two")
    same(told["creates"], 1, "batches that were created and one")
    sent = create["received"]
    yield f"at openrouter: {sent / 1e6:,.0f} of {size / 1e6:,.0f} MB in one create; {len(pages):,} pages"
    yield Figure("growth at openrouter, two pages cut", [(large - small) / MIB], "MiB", at_most=16)


def _there_and_back(
    options: Options, lines: int, *, cut: int, provider: str = "openai"
) -> tuple[int, dict[str, Any]]:
    """The peak of the largest process of the command, and the calls that the provider got."""
    home = options.shelf.root / "home"
    home.mkdir(exist_ok=True)
    workspace = options.shelf.take(f"online-{lines}", lambda root: _fill(root, lines))
    words = [sys.executable, "-m", "bench.far_side", str(cut), provider]
    with (
        options.shelf.copy(workspace) as copy,
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as there,
    ):
        if there.stdout is None or there.stdin is None:
            raise RuntimeError("a process without pipes")
        own = {
            **environment(home),
            f"{provider.upper()}_BASE_URL": there.stdout.readline().strip(),
            f"{provider.upper()}_API_KEY": FakeProvider.key,
        }
        quick = ("--interval", "1", "--per-batch-delay", "0")
        ended = ran(command("run", copy, "--provider", provider, "--wait", *quick), own, copy)
        there.stdin.close()
        told = json.loads(there.stdout.read())
    return max(ended.peaks, default=0), told


def _fill(root: Path, lines: int) -> None:
    """One input of so many requests, old enough to be sent."""
    path = root / "workdir" / "batch_input_1.jsonl"
    head = (
        '{"custom_id":"q-%07d","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":'
    )
    head += '[{"role":"user","content":"%s"}]}}\n'
    words = "x" * (BYTES - len(head % (0, "")))
    with path.open("w", encoding="ascii") as stream:
        stream.writelines(head % (number, words) for number in range(lines))
    os.utime(path, (1e9, 1e9))


def _calls(options: Options) -> Iterator[Figure | str]:
    """Many batches in flight."""
    count = options.sized(FULL, 20)
    workspace = options.shelf.take(f"flight-{count}", lambda root: _fill_many(root, count))
    with options.shelf.copy(workspace) as copy, FakeProvider() as fake:
        fake.default(Fate(seconds=1e5))
        look = asked_online(copy, fake.url("openai"), fake.key, fake.clock, DELAY)
        rounds = [_round(fake, look) for _ in range(2)]
        fake.clock.advance(1e5)
        rounds.append(_round(fake, look))
        same(len(fake.batches), count, "batches that were created, and inputs,")
        same(len(list((copy / "done").iterdir())), count, "settled batches, and inputs,")
    sent, polled, settled = rounds
    yield f"{count:,} batches: sent with {sent.calls:,} calls, fetched with {settled.calls:,} after their end"
    yield Figure("calls of a round over batches in flight", [polled.calls], "", at_most=3 + count / 100 + 1)
    yield Figure("questions in a second of such a round", [polled.rate], "1/s", at_most=1 / DELAY)
    yield Figure("questions in a second when all had ended", [settled.rate], "1/s", at_most=1 / DELAY)


@attrs.frozen
class Round:
    """
    What one pass asked.

    Attributes:
        calls: How many calls it made.
        rate: How many questions how batches are doing it asked in a second.
    """

    calls: int
    rate: float


def _round(fake: FakeProvider, look: Any) -> Round:
    """One pass."""
    before = len(fake.calls)
    look()
    calls = [fake.calls[at] for at in range(before, len(fake.calls))]
    asked = [each.at for each in calls if each.kind in {"get", "list"}]
    took = asked[-1] - asked[0] if len(asked) > 1 else 0.0
    return Round(len(calls), (len(asked) - 1) / took if took else 0.0)


def _fill_many(root: Path, count: int) -> None:
    """Inputs of one request each."""
    for number in range(count):
        path = root / "workdir" / f"batch_input_{number:04}.jsonl"
        said = [{"role": "user", "content": f"question {number}"}]
        body = {"model": "m", "messages": said}
        line = {"custom_id": f"q-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
        path.write_text(json.dumps(line) + "\n", encoding="ascii")
        os.utime(path, (1e9, 1e9))


if __name__ == "__main__":
    main("online", run, scale=0.1, pairs=1)
