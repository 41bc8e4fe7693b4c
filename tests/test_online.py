"""
What becomes of batches at each provider, from input to `done/`.

Real HTTP against the fake provider; a wait moves its clock and takes no time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from reconciler.check import check
from reconciler.decide import dismiss, retry
from reconciler.decide_online import resubmit
from reconciler.model.report import State
from reconciler.providers.calls import Call, Reply, Sink, Wire
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import (
    LENGTH,
    REFUSAL,
    LineError,
    all_failed,
    error_object,
    http_error,
    refused,
    token_limit_exceeded,
)
from reconciler.testing.faults import Refuse
from tests.five import (
    NUMBERED,
    SIX,
    TWO_FILES,
    by_number,
    line_of,
    lines_in,
    online,
    outcomes,
    quick,
    settled,
)
from tests.workspaces import live, manifest, record

provider = pytest.mark.parametrize("name", SIX)


@pytest.fixture
def fake(fake_provider: FakeProvider) -> FakeProvider:
    """A fake provider whose clock is past the times of all files."""
    fake_provider.clock.advance(60)
    return fake_provider


@provider
def test_from_input_to_done(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """A batch is sent once, asked about until it has ended, fetched, published and archived."""
    root = tmp_path / "ws"
    asked = online(root, fake, name)
    sent = (live(root) / "batch_input_1.jsonl").read_bytes()
    report = asked.wait()

    assert settled(report, root, "1")
    assert outcomes(root) == dict.fromkeys(range(1, 6), "answered")
    assert (root / "done/1/batch_input_1.jsonl").read_bytes() == sent
    assert (asked.creates(), fake.calls.count("create")) == (1, 1)
    assert manifest(root, "1")["provider"] == name


@provider
def test_success_and_failure(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """What failed stands in the error file; what may succeed is asked again in a child."""
    root = tmp_path / "ws"
    fake.script(Fate(choose=by_number({2: http_error(400), 4: http_error(500)})))
    asked = online(root, fake, name)

    assert settled(asked.wait(), root, "1", "1.r1")
    assert outcomes(root) == {1: "answered", 2: "failed", 3: "answered", 4: "retried", 5: "answered"}
    assert outcomes(root, "1.r1") == {4: "answered"}
    assert (lines_in(root, "output"), lines_in(root, "error")) == ([1, 3, 5], [2, 4])
    assert asked.creates() == 2


@provider
def test_all_failed(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """A completed batch may have no output file at all: its failures are its answers."""
    root = tmp_path / "ws"
    fake.script(all_failed(400))
    report = online(root, fake, name).wait()

    assert settled(report, root, "1")
    assert outcomes(root) == dict.fromkeys(range(1, 6), "failed")
    assert lines_in(root, "error") == [1, 2, 3, 4, 5]


@provider
def test_answers_that_are_no_use(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """A refusal, an answer that was cut short and an error without a status settle like any others."""
    root = tmp_path / "ws"
    fake.script(Fate(choose=by_number({1: REFUSAL, 2: LENGTH, 3: error_object("server_error")})))
    report = online(root, fake, name).wait()

    assert report.exit_code == 0
    assert set(outcomes(root)) == {1, 2, 3, 4, 5}
    assert outcomes(root)[4] == "answered"


@pytest.mark.parametrize("name", [each for each in SIX if each != "anthropic"])
def test_refused_at_validation(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """Findings are shown against the input file here; nothing ran, and nothing is sent again."""
    root = tmp_path / "ws"
    fake.script(refused(LineError("invalid_json_line", "no JSON", 2), LineError("empty", "no body", 4)))
    asked = online(root, fake, name)
    report = asked.wait()

    told = report.batch("1").because
    assert (report.exit_code, report.batch("1").state) == (3, State.ATTENTION)
    assert "nothing ran" in told
    assert "no JSON" in told
    if name in ("openai", "azure"):
        assert "workdir/batch_input_1.jsonl:2: no JSON (invalid_json_line)" in told
        assert "workdir/batch_input_1.jsonl:4: no body (empty)" in told
    assert asked.run().exit_code == 3
    assert asked.creates() == 1


@pytest.mark.parametrize("name", ["openai", "gemini", "mistral"])
def test_refused_and_sent_again_by_a_person(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """Nothing of a refused batch ran: once its provider takes it after all, `resubmit` pays for it once."""
    root = tmp_path / "ws"
    fake.script(refused(LineError("invalid_json_line", "no JSON", 2)), Fate())
    asked = online(root, fake, name)
    assert asked.wait().exit_code == 3

    asked.decide(resubmit)
    assert asked.wait().batch("1").state is State.SETTLED
    assert set(outcomes(root).values()) == {"answered"}
    assert asked.creates() == 2


@pytest.mark.parametrize("verb", [retry, dismiss])
@pytest.mark.parametrize("lost", [False, True], ids=["refused", "lost"])
def test_refused_or_lost_and_decided_by_a_person(
    tmp_path: Path, fake: FakeProvider, verb: Any, *, lost: bool
) -> None:
    """Once all of it is asked in a child, or given up, nothing of it needs a person any more: it settles."""
    root = tmp_path / "ws"
    fake.script(Fate(seconds=86_400.0) if lost else refused(LineError("invalid_json_line", "no JSON", 2)))
    asked = online(root, fake, "openai")
    asked.run()
    fake.batches[0].deleted = lost
    assert asked.wait().exit_code == 3

    asked.decide(verb)
    assert asked.wait().exit_code == 0
    assert manifest(root, "1")["coverage"]["retried" if verb is retry else "dismissed"]["requests"] > 0
    assert asked.creates() == (2 if verb is retry else 1)
    assert check(str(root), asked.settings()).findings == []


def test_findings_of_an_input_with_blank_lines(tmp_path: Path, fake: FakeProvider) -> None:
    """What is sent has no blank lines; the input file here has: findings name the line of the file here."""
    root = tmp_path / "ws"
    asked = online(root, fake, "openai")
    path = live(root) / "batch_input_1.jsonl"
    path.write_bytes(b"\n" + path.read_bytes().replace(b"\n", b"\n\n"))
    fake.script(refused(LineError("invalid_json_line", "no JSON", 2)))
    told = asked.wait().batch("1").because

    number = int(told.partition("batch_input_1.jsonl:")[2].partition(":")[0])
    assert b"question 2" in path.read_bytes().split(b"\n")[number - 1]


@provider
def test_a_full_queue_is_waited_for(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """A create that a full quota refuses is made again, less and less often, and costs no attempt."""
    root = tmp_path / "ws"
    asked = online(root, fake, name)
    code = "RESOURCE_EXHAUSTED" if name == "gemini" else "rate_limit_exceeded"
    fake.fault("create", Refuse(429, "enqueued tokens exceed the quota", code), times=6)
    report = asked.wait()

    assert settled(report, root, "1")
    assert manifest(root, "1")["attempt"] == 1
    assert (asked.creates(), fake.calls.count("create"), fake.calls.count("upload")) == (
        1,
        7,
        0 if name in NUMBERED else 1,
    )
    grows(fake)


@pytest.mark.parametrize("name", ["openai", "azure"])
def test_a_full_queue_that_shows_later(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """A batch that fails as `token_limit_exceeded` ran nothing: it is sent again, and costs no attempt."""
    root = tmp_path / "ws"
    fake.script(*[token_limit_exceeded()] * 4)
    asked = online(root, fake, name)
    report = asked.wait()

    assert settled(report, root, "1")
    assert manifest(root, "1")["attempt"] == 1
    assert asked.creates() == 5
    grows(fake)
    at = [call.at for call in fake.calls.of("create")]
    waits = [after - before for before, after in pairwise(at)]
    # Twice as long each time, within what a look at the batch takes besides.
    assert all(1.6 < after / before < 2.4 for before, after in pairwise(waits)), waits


def grows(fake: FakeProvider) -> None:
    """Hold the times between creates to growing."""
    at = [call.at for call in fake.calls.of("create")]
    gaps = [after - before for before, after in pairwise(at)]
    assert gaps[-1] >= 2 * gaps[0]
    assert all(after >= before - 60 for before, after in pairwise(gaps))


@pytest.mark.parametrize("name", ["openai", "azure"])
def test_no_credit_stops_and_says_so(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """Without credit nothing will be accepted: it is said, nothing is tried again, and nothing is lost."""
    root = tmp_path / "ws"
    asked = online(root, fake, name)
    fake.fault("create", Refuse(429, "You exceeded your current quota", "insufficient_quota"), times=1)
    report = asked.wait()

    told = report.batch("1")
    assert (report.exit_code, told.state) == (3, State.ATTENTION)
    assert "credit" in told.hint
    assert fake.calls.count("create") == 1
    assert record(root, "1")["state"] in ("prepared", "uploaded")
    assert settled(asked.wait(), root, "1")
    assert asked.creates() == 1


@pytest.mark.parametrize("name", ["openai", "gemini"])
def test_an_upload_that_is_gone_is_made_again(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """A file that its provider has dropped before the create is uploaded once more, and one batch is made."""
    root = tmp_path / "ws"
    asked = online(root, fake, name)
    fake.fault("create", Refuse(429, "slow down"), times=1)
    asked.run()
    assert record(root, "1")["state"] == "uploaded"
    assert record(root, "1")["online"]["not_before"] > fake.clock.now
    for file in fake.world.files.values():
        file.deleted = True
    assert settled(asked.wait(), root, "1")
    assert (fake.calls.count("upload"), asked.creates()) == (2, 1)


class OneByOne:
    """A wire that holds calls to being made one after the other."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.under_way = self.made = 0

    def send(self, call: Call) -> Reply:
        """Make one call."""
        with self._alone():
            return self._wire.send(call)

    def fetch(self, call: Call, sink: Sink) -> Mapping[str, str]:
        """Stream a reply."""
        with self._alone():
            return self._wire.fetch(call, sink)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Take note of a call."""
        self.under_way += 1
        self.made += 1
        try:
            assert self.under_way == 1
            yield
        finally:
            self.under_way -= 1


def test_one_call_at_a_time(tmp_path: Path, fake: FakeProvider) -> None:
    """However many batches there are, no two calls are under way at once."""
    asked = online(tmp_path / "ws", fake, "openai")
    source = (live(asked.root) / "batch_input_1.jsonl").read_bytes()
    for number in range(2, 13):
        data = source.replace(b"question", b"question %d." % number)
        (live(asked.root) / f"batch_input_{number}.jsonl").write_bytes(data)
    with quick(fake) as http:
        alone = OneByOne(http)
        asked.wire = lambda: alone
        report = asked.wait()

    assert settled(report, asked.root, *map(str, range(1, 13)))
    assert alone.made > 36


@pytest.mark.parametrize("name", TWO_FILES)
def test_a_line_of_another_shape_is_not_sent(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """A line that its provider would refuse is found before anything leaves."""
    root = tmp_path / "ws"
    asked = online(root, fake, name)
    with (live(root) / "batch_input_1.jsonl").open("ab") as stream:
        stream.write(json.dumps(line_of("gemini", 6)).encode() + b"\n")
    report = asked.wait()

    assert report.exit_code == 3
    assert "batch_input_1.jsonl:6" in report.batch("1").because
    assert len(fake.calls) == 0
