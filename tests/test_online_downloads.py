"""
What comes down of a batch, held against what was known of it: nothing that is here is replaced or forgotten.

Real HTTP against the fake provider, through its own clients or through one of a user that errs at one place.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler.errors import NotThere
from reconciler.model.report import State
from reconciler.providers.calls import Sink, Wire
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import http_error
from reconciler.testing.faults import Cut, Refuse, Reply
from tests.erring_plugs import own
from tests.five import online
from tests.online import Online
from tests.plugged_provider import Acme
from tests.test_online_doubts import LIES, SAID
from tests.workspace.faults import Crash, Trip
from tests.workspaces import files, live, record, results


@pytest.fixture
def fake(fake_provider: FakeProvider) -> FakeProvider:
    """A fake provider whose clock is past the times of all files."""
    fake_provider.clock.advance(60)
    return fake_provider


def acme(root: Path, fake: FakeProvider, **methods: Any) -> Online:
    """A batch at a provider of a user, some of whose methods are others."""
    asked = online(root, fake, "openai")
    return attrs.evolve(asked, client=own(fake, type("Odd", (Acme,), methods)))


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_a_file_that_is_longer_than_the_one_that_was_believed(
    tmp_path: Path, fake: FakeProvider, name: str
) -> None:
    """What was cut where nobody could see it is fetched once more; a person says which of both is taken."""
    fake.script(Fate(counts=dict.fromkeys(LIES[name], None)))
    asked = online(tmp_path / "ws", fake, name, requests=10)
    fake.fault("download", Cut(700, "line"), times=4)
    report = asked.wait(timeout=86_400.0)

    assert report.batch("1").state is State.ATTENTION, report
    assert "is not the output file that" in report.batch("1").because
    assert "to take the other one" in report.batch("1").hint
    (live(asked.root) / "batch_output_1.jsonl").rename(tmp_path / "short.jsonl")
    assert asked.run().batch("1").state is State.SETTLED
    assert [row["outcome"] for row in results(asked.root, "1")] == ["answered"] * 10
    assert asked.creates() == 1


def test_an_output_that_was_put_there_by_hand(tmp_path: Path, fake: FakeProvider) -> None:
    """Only the other file is fetched then; the one that is here is taken as it is."""
    fake.script(Fate(outcomes={"q-2": http_error(400, "invalid_request_error")}))
    asked = online(tmp_path / "ws", fake, "openai")
    fake.fault("download", Refuse(500), times=20)
    for _ in range(3):
        asked.run()
        fake.clock.advance(60)
    fake.faults.clear()
    answer = {"status_code": 200, "body": {"mine": True}}
    lines = [{"custom_id": f"q-{n}", "response": answer, "error": None} for n in (1, 3, 4, 5)]
    path = live(asked.root) / "batch_output_1.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    assert asked.wait(poll_seconds=60.0).batch("1").state is State.SETTLED
    assert [row["outcome"] for row in results(asked.root, "1")] == ["answered", "failed", *["answered"] * 3]
    assert b'"mine"' in files(asked.root)["done/1/batch_output_1.jsonl"]


@pytest.mark.parametrize("name", ["anthropic", "gemini"])
def test_a_stream_that_comes_in_another_order(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """Fetched again for the sake of a file that was not published yet, it replaces none that was."""
    failed = {
        "anthropic": '{"custom_id":"q-5","result":{"type":"errored","error":{"type":"error","error":'
        '{"type":"invalid_request_error","message":"no"}}}}',
        "gemini": '{"key":"q-5","error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}',
    }[name]
    lines = [*(SAID[name] % number for number in (1, 2, 3, 4)), failed]
    asked = online(tmp_path / "ws", fake, name)
    for order in (lines, lines[::-1]):
        fake.fault("download", Reply(200, "\n".join([*order, ""]).encode(), "application/jsonl"), times=1)
    trip = Trip(sticky=True)
    stopped = attrs.evolve(asked, tap=_before_the_second_name(trip))
    with pytest.raises(Crash):
        stopped.wait()
    path = live(asked.root) / "batch_output_1.jsonl"
    first = path.read_bytes()
    assert not (live(asked.root) / "batch_error_1.jsonl").exists()

    assert asked.wait().batch("1").state is State.SETTLED
    assert files(asked.root)["done/1/batch_output_1.jsonl"] == first
    assert [row["outcome"] for row in results(asked.root, "1")] == ["answered"] * 4 + ["failed"]


def _before_the_second_name(trip: Trip) -> Any:
    """A tap that stops the process before the error file gets its name."""

    def tap(change: str, path: str) -> None:
        trip(change, path)
        if change in {"link", "rename"} and path.endswith("batch_error_1.jsonl"):
            raise Crash

    return tap


def test_metadata_that_names_no_results_of_a_stream(tmp_path: Path, fake: FakeProvider) -> None:
    """Metadata that somebody has changed so that it names another file only is told; nothing is fetched."""
    asked = online(tmp_path / "ws", fake, "anthropic")
    fake.script(Fate(polls=5))
    asked.run()
    path = live(asked.root) / "batch_metadata_1.jsonl"
    known = {**record(asked.root, "1"), "status": "ended", "error_file_id": "x"}
    path.write_text(json.dumps({key: value for key, value in known.items() if key != "crc"}) + "\n", "utf-8")
    told = asked.run().batch("1")
    assert "anthropic names no results of" in told.because
    assert not list(live(asked.root).glob("batch_[oe]*"))
    assert asked.creates() == 1


# A provider of a user


def _absent(_acme: Acme, _wire: Wire, _file_id: str, _sink: Sink) -> int | None:
    """A provider that has no file."""
    raise NotThere("no such file")


def test_a_size_that_is_not_what_came(tmp_path: Path, fake: FakeProvider) -> None:
    """A file of which less came than its provider says is no file; the next pass has all of it."""
    lying = [7]

    def download(self: Acme, wire: Wire, file_id: str, sink: Sink) -> int | None:
        return (Acme.download(self, wire, file_id, sink) or 0) + (lying.pop() if lying else 0)

    asked = acme(tmp_path / "ws", fake, download=download)
    while lying:
        told = asked.run()
        fake.clock.advance(60)
    assert "bytes at acme, and" in told.batch("1").because
    assert told.batch("1").state is State.FAILED
    assert not list(live(asked.root).glob("batch_[oe]*"))
    assert asked.wait().batch("1").state is State.SETTLED
    assert asked.creates() == 1


@attrs.define
class Half:
    """A sink that is given all but the end of each block, and says that it has all of it."""

    sink: Sink
    size: int = 0

    def write(self, block: bytes) -> None:
        """Take the beginning of a block."""
        self.size += len(block)
        self.sink.write(block[:-20])

    def restart(self) -> None:
        """Begin anew."""
        self.size = 0
        self.sink.restart()


def test_a_last_line_that_is_cut(tmp_path: Path, fake: FakeProvider) -> None:
    """Where no size is told, half a line at the end is what shows that the download was cut."""
    cut = [True]

    def download(self: Acme, wire: Wire, file_id: str, sink: Sink) -> int | None:
        Acme.download(self, wire, file_id, Half(sink) if cut else sink)
        return None

    asked = acme(tmp_path / "ws", fake, download=download)
    for _ in range(4):
        told = asked.run()
        fake.clock.advance(60)
    assert "the download was cut" in told.batch("1").because
    assert not list(live(asked.root).glob("batch_[oe]*"))
    cut.clear()
    assert asked.wait().batch("1").state is State.SETTLED
    assert asked.creates() == 1


def test_results_that_only_another_key_may_have(tmp_path: Path, fake: FakeProvider) -> None:
    """A file that is not there for this key may be there for the one that the batch was sent with."""
    asked = acme(tmp_path / "ws", fake, download=_absent)
    asked.run()
    other = acme(tmp_path / "ws2", fake, download=_absent).client
    other = attrs.evolve(other, account="another")  # type: ignore[misc]
    told = attrs.evolve(asked, client=other).wait(timeout=600.0).batch("1")
    assert "belongs to another key" in told.because
    assert asked.creates() == 1


def test_looks_at_once_at_a_file_that_is_not_there_are_one(tmp_path: Path, fake: FakeProvider) -> None:
    """A second pass in the same second learns nothing new, and writes nothing."""
    asked = acme(tmp_path / "ws", fake, download=_absent)
    for _ in range(3):
        asked.run()
        fake.clock.advance(1)
    before = files(asked.root)
    told = asked.run().batch("1")
    assert "does not have" in told.because
    assert files(asked.root) == before
