"""
What becomes of batches that ended early, or whose end is told oddly: what was answered is fetched.

Real HTTP against the fake provider; a wait moves its clock and takes no time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.model.report import State
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import MISSING, End, Last, cancelled, expired, http_error
from reconciler.testing.faults import Refuse
from reconciler.testing.records import Kind
from tests.five import SIX, by_number, lines_in, online, outcomes, settled
from tests.workspaces import tree

provider = pytest.mark.parametrize("name", SIX)


@pytest.fixture
def fake(fake_provider: FakeProvider) -> FakeProvider:
    """A fake provider whose clock is past the times of all files."""
    fake_provider.clock.advance(60)
    return fake_provider


@provider
@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_an_early_end_keeps_what_was_answered(
    tmp_path: Path, fake: FakeProvider, name: str, end: End
) -> None:
    """Answers before an early end are paid for: they are fetched, and only the rest is asked again."""
    root = tmp_path / "ws"
    switches = fake.gemini.switches
    switches.expired_output = switches.cancelled_output = True
    fake.script(Fate(end=end, done=2))
    asked = online(root, fake, name)

    assert settled(asked.wait(), root, "1", "1.r1")
    assert outcomes(root) == {1: "answered", 2: "answered", 3: "retried", 4: "retried", 5: "retried"}
    assert outcomes(root, "1.r1") == dict.fromkeys((3, 4, 5), "answered")
    assert asked.creates() == 2


@provider
def test_attempts_come_to_an_end(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """What expires each time is sent `max_attempts` times, and then has failed."""
    root = tmp_path / "ws"
    fake.default(expired(0))
    asked = online(root, fake, name)
    report = asked.wait()

    assert asked.creates() == 3
    if name == "gemini":
        # It serves nothing of an expired batch: the last send leaves ids without any answer.
        assert (report.exit_code, report.batch("1.r2").state) == (3, State.ATTENTION)
        return
    assert settled(report, root, "1", "1.r1", "1.r2")
    assert outcomes(root, "1.r2") == dict.fromkeys(range(1, 6), "failed")


@pytest.mark.parametrize("fate", [expired(0), cancelled(0)], ids=["expired", "cancelled"])
def test_an_early_end_without_a_file(tmp_path: Path, fake: FakeProvider, fate: Fate) -> None:
    """Gemini serves no file of a batch that ended early: all of it is asked again."""
    root = tmp_path / "ws"
    fake.script(fate)

    assert settled(online(root, fake, "gemini").wait(), root, "1", "1.r1")
    assert outcomes(root, "1.r1") == dict.fromkeys(range(1, 6), "answered")


def test_a_batch_with_neither_counts_nor_files_is_not_sent_again(tmp_path: Path, fake: FakeProvider) -> None:
    """A batch called completed, of which no answer is counted and none is shown, may have been paid for."""
    root = tmp_path / "ws"
    asked = online(root, fake, "openai")
    fake.script(Fate(counts={"completed": 0, "failed": 0}, late=9))
    report = asked.wait()
    assert (report.exit_code, report.batch("1").state) == (3, State.ATTENTION)
    assert asked.creates() == 1


@pytest.mark.parametrize("counts", [{}, {"completed": 0, "failed": 0}])
def test_a_file_that_is_named_after_a_person_was_asked_is_fetched(
    tmp_path: Path, fake: FakeProvider, counts: dict[str, int]
) -> None:
    """However late it is named: each pass looks, and one that learns nothing writes nothing."""
    root = tmp_path / "ws"
    asked = online(root, fake, "openai")
    fake.script(Fate(counts=counts, late=9))
    assert asked.wait().batch("1").state is State.ATTENTION
    before = tree(root)
    assert asked.run().batch("1").state is State.ATTENTION
    assert tree(root) == before
    for _ in range(9):
        fake.clock.advance(600)
        asked.run()
    assert set(outcomes(root).values()) == {"answered"}
    assert asked.creates() == 1


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_answers_that_are_named_after_an_early_end(tmp_path: Path, fake: FakeProvider, end: End) -> None:
    """What was answered before a batch was cut off is fetched, however late its file is named."""
    root = tmp_path / "ws"
    asked = online(root, fake, "openai")
    fake.script(Fate(end=end, done=2, counts={"completed": 0, "failed": 0}, late=2))
    asked.wait()
    assert [outcomes(root)[n] for n in (1, 2)] == ["answered", "answered"]


@pytest.mark.parametrize("kind", ["create", "get"])
def test_what_was_odd_before_is_no_look_at_the_end(tmp_path: Path, fake: FakeProvider, kind: Kind) -> None:
    """That creates were sent away, or a batch was not known twice, does not make its end believed sooner."""
    root = tmp_path / "ws"
    asked = online(root, fake, "openai")
    fake.script(Fate(end="expired", polls=0, done=2, counts={"completed": 0, "failed": 0}, late=2))
    if kind == "create":
        fake.fault("create", Refuse(429, "slow down"), times=3)
    else:
        asked.run()
        fake.fault("get", Refuse(404, "No such batch"), times=2)
    asked.wait()
    assert [outcomes(root)[n] for n in (1, 2)] == ["answered", "answered"]
    assert sorted(lines_in(root, "output")) == [1, 2]


@pytest.mark.parametrize("last", ["output", "error"])
@pytest.mark.parametrize("end", ["expired", "completed"])
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("openai", {}),
        ("openai", {"completed": 0, "failed": 0}),
        ("openai", {"completed": None, "failed": None}),
        ("mistral", {"succeeded_requests": None, "failed_requests": None}),
    ],
)
def test_files_that_are_named_one_after_the_other(  # noqa: PLR0913, PLR0917 - one parameter for each axis
    tmp_path: Path, fake: FakeProvider, name: str, counts: dict[str, Any], end: End, last: Last
) -> None:
    """The second of two files is fetched, too, whatever is counted: nothing that it answers is sent again."""
    root = tmp_path / "ws"
    asked = online(root, fake, name)
    failed = dict.fromkeys((3, 4, 5), http_error(400))
    fake.script(Fate(end=end, done=2, counts=counts, late=2, last=last, choose=by_number(failed)))
    report = asked.wait()

    assert report.exit_code == 0
    assert (lines_in(root, "output"), lines_in(root, "error")) == ([1, 2], [3, 4, 5])
    assert asked.creates() == (1 if end == "completed" else 2)


def test_looks_at_once_are_one_look(tmp_path: Path, fake: FakeProvider) -> None:
    """An end without files is not believed because a person has asked six times in a moment."""
    root = tmp_path / "ws"
    asked = online(root, fake, "openai")
    fake.script(Fate(end="expired", polls=0, done=2, counts={"completed": 0, "failed": 0}, late=7))
    for _ in range(7):
        asked.run()
    assert asked.wait().exit_code == 0
    assert lines_in(root, "output") == [1, 2]


@provider
def test_a_missing_answer_is_never_asked_again_by_itself(
    tmp_path: Path, fake: FakeProvider, name: str
) -> None:
    """An id that neither file has, in a batch that counts it as answered, is for a person to decide."""
    root = tmp_path / "ws"
    told: dict[str, Any] = {"anthropic": {"succeeded": 5}}.get(name, {})
    fake.script(Fate(choose=by_number({3: MISSING}), counts=told))
    fake.gemini.switches.partially_succeeded = False
    asked = online(root, fake, name)
    report = asked.wait()

    if name == "gemini":
        # It does not count the answer either: nobody will ever have it.
        assert settled(report, root, "1", "1.r1")
        return
    assert (report.exit_code, asked.creates()) == (3, 1)
    assert "q-3" in report.batch("1").because
