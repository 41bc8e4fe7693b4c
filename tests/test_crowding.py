"""
How much is at a provider at once: batches, and tokens for one model; counted from metadata, in order.

The real client and the real network against the fake provider; a wait moves its clock and takes no time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.report import Report, State
from reconciler.providers.http import Http
from reconciler.status import status
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import token_limit_exceeded
from tests.online import Online
from tests.stopping import client_of
from tests.workspaces import Line, ledger, live, put, request


@contextmanager
def crowded(root: Path, fake: FakeProvider, batches: int = 5, **flags: Any) -> Iterator[Online]:
    """So many inputs that nobody has sent, and one room for the calls of all passes."""
    fake.clock.advance(60)
    for name in range(1, batches + 1):
        lines = [request(n) | {"custom_id": f"{name}-{n}"} for n in range(2)]
        put(root, str(name), input=lines)
    with Http(lambda seconds, _stop: fake.clock.advance(seconds)) as room:
        yield Online(root, fake, client_of("openai", fake), flags, wire=lambda: room)


def waiting(report: Report) -> list[str]:
    """The batches that wait for room."""
    return [each.name for each in report.batches if "no more" in each.because or "tokens" in each.because]


def test_so_many_go_and_the_rest_waits_in_order(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Never more than two are there; who was first goes first; `status` says why the others wait."""
    fake_provider.default(Fate(seconds=600.0))
    with crowded(tmp_path / "w", fake_provider, max_in_flight=2) as online:
        report = online.run()
        assert (report.exit_code, online.creates()) == (75, 2)
        assert waiting(report) == ["3", "4", "5"]
        assert report.batch("3").state is State.WAITING
        seen = status(str(online.root), online.settings(), online.options.plugged)
        assert [row.name for row in seen.rows if "max_in_flight allows no more" in row.because] == [
            "3",
            "4",
            "5",
        ]
        # Another process counts the same.
        assert online.run().exit_code == 75
        assert online.creates() == 2
        assert online.wait().exit_code == 0
        made = [each for each in ledger(online.root) if each["event"] in ("batch.creating", "batch.settled")]
        there = most = 0
        for each in made:
            there += 1 if each["event"] == "batch.creating" else -1
            most = max(most, there)
        assert most == 2
        assert [each["batch"] for each in made if each["event"] == "batch.creating"] == [
            "1",
            "2",
            "3",
            "4",
            "5",
        ]


def test_tokens_of_one_model_count_together(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """As many go as fit; the rest waits until what is there has ended."""
    fake_provider.default(Fate(seconds=600.0))
    with crowded(tmp_path / "w", fake_provider, batches=3) as online:
        size = (online.root / "workdir" / "batch_input_1.jsonl").stat().st_size
        online.flags = {"max_enqueued_tokens": size // 3 * 2 + 2}
        report = online.run()
        assert (waiting(report), online.creates()) == (["3"], 2)
        assert "max_enqueued_tokens" in report.batch("3").because
        assert online.wait().exit_code == 0
        assert online.creates() == 3


def test_one_that_never_fits_is_told(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """It would wait for ever: a person is told what to do, and the others go on."""
    with crowded(tmp_path / "w", fake_provider, batches=1, max_enqueued_tokens=10) as online:
        report = online.wait()
        assert (report.exit_code, online.creates()) == (3, 0)
        assert "reconcile split" in report.batch("1").hint


@pytest.mark.parametrize("most", [1, 3])
def test_a_full_queue_at_the_provider_is_waited_for(
    tmp_path: Path, fake_provider: FakeProvider, most: int
) -> None:
    """Its own limit says no after the create: sent again later, not failed, and no room is taken."""
    fake_provider.script(token_limit_exceeded())
    with crowded(tmp_path / "w", fake_provider, batches=3, max_in_flight=most) as online:
        assert online.wait().exit_code == 0
        assert online.creates() == 4
        answered = [each["answered"] for each in ledger(online.root) if each["event"] == "batch.settled"]
        assert answered == [2, 2, 2]


def test_whoever_was_held_keeps_its_turn(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Room that comes in the midst of a pass is not for whoever stands behind: the next begins in front."""
    fake_provider.script(Fate(seconds=6000.0), Fate(seconds=100.0))
    with crowded(tmp_path / "w", fake_provider, batches=1, max_in_flight=2) as online:
        late: dict[str, list[Line]] = {
            name: [request(n) | {"custom_id": f"{name}-{n}"} for n in range(2)] for name in ("3", "5", "7")
        }
        put(online.root, "5", input=late["5"])
        online.run()
        put(online.root, "3", input=late["3"])
        put(online.root, "7", input=late["7"])
        fake_provider.clock.advance(200)
        assert waiting(online.run()) == ["3", "7"]
        online.run()
        made = [each["batch"] for each in ledger(online.root) if each["event"] == "batch.creating"]
        assert made == ["1", "5", "3"]


@pytest.mark.parametrize("became", [b"", b"{\n"])
def test_an_input_that_says_no_more_what_it_asks_for_keeps_no_other_back(
    tmp_path: Path, fake_provider: FakeProvider, became: bytes
) -> None:
    """What somebody did to the input of a batch under way is a finding about that one alone."""
    fake_provider.default(Fate(seconds=600.0))
    with crowded(tmp_path / "w", fake_provider, batches=1, max_enqueued_tokens=1000) as online:
        online.run()
        (online.root / "workdir/batch_input_1.jsonl").write_bytes(became)
        put(online.root, "2", input=[request(n) | {"custom_id": f"2-{n}"} for n in range(2)])
        fake_provider.clock.advance(60)
        report = online.run()
        assert report.batch("2").state is State.WAITING
        assert online.creates() == 2


def test_metadata_that_cannot_be_read_stops_no_other_batch(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """Nobody knows where such a batch is: a person is asked for it, and the others take their turns."""
    with crowded(tmp_path / "w", fake_provider, 3, max_in_flight=1) as online:
        path = live(online.root) / "batch_metadata_1.jsonl"
        path.write_bytes(b'{"schema": 1, "gen')
        report = online.run()
        assert report.batch("1").state is State.ATTENTION
        assert (online.creates(), waiting(report)) == (1, ["3"])
        assert path.read_bytes() == b'{"schema": 1, "gen'
