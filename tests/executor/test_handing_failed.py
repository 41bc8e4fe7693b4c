"""
A processor of whole batches that fails, dies or is stopped: nothing half done is published, and it may go on.

Each test makes real passes over a real workspace with a function plugged in.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import decide
from reconciler.errors import TransientError
from reconciler.processors.base import BatchContext, ProcessedBatch
from tests.executor.taking import Taken, published, publishing
from tests.plugging import Plugs, items, put_answers, sound, texts, unread
from tests.workspace.faults import in_child
from tests.workspaces import scratch, stats


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


def raises(_batch: ProcessedBatch, context: BatchContext) -> Any:
    """Publish something, then fail."""
    context.publish("a.txt", "x")
    raise ValueError("no use")


def returns_objects(_batch: ProcessedBatch, _context: BatchContext) -> Any:
    """Return what nobody can write down."""
    return {"a": object()}


def leaves(_batch: ProcessedBatch, _context: BatchContext) -> Any:
    """Leave."""
    raise SystemExit


@pytest.mark.parametrize(
    ("function", "reason"),
    [(raises, "ValueError: no use"), (returns_objects, "NoJson: returned dict"), (leaves, "SystemExit")],
)
def test_it_fails(root: Path, function: Callable[..., Any], reason: str) -> None:
    """When it fails, every answer of the batch counts as not handled, and nothing is published."""
    put_answers(root)
    seen = Taken(function)
    report = Plugs(seen).run(root)
    assert report.exit_code == 3
    (item,) = items(root)
    assert item["custom_id"] is None
    assert item["reason"].startswith(reason)
    assert item["token"] == seen.handed[0][0]
    assert "3 answers could not be handled" in report.batch("1").because
    assert published(root) == {}
    before = stats(root)
    assert Plugs(seen).run(root).exit_code == 3
    assert (len(seen.handed), stats(root)) == (1, before)


def test_it_is_mended(root: Path) -> None:
    """Another version gets the batch again, under another token, and the trace of the failure goes."""
    put_answers(root)
    seen, mended = Taken(raises), publishing(a__txt="x")
    Plugs(seen).run(root)
    assert Plugs(mended, version="2").run(root).exit_code == 0
    assert not mended.handed[0][1]
    assert mended.handed[0][0] != seen.handed[0][0]
    assert not (root / "failed-items" / "1.jsonl").exists()


def test_a_person_decides(root: Path) -> None:
    """`process` calls it again as a redelivery; `dismiss` settles without, the ids staying answered."""
    for verb, name in ((decide.process, "1"), (decide.dismiss, "2")):
        put_answers(root, name=name)
        seen = Taken(raises)
        Plugs(seen).run(root)
        token = seen.handed[0][0]
        seen.what = lambda _batch, _context: 7
        decision = Plugs(seen).decide(verb, root, name)
        assert decision.exit_code == 0
        assert seen.handed[1:] == ([(token, True)] if verb is decide.process else [])
        coverage = decision.report.batch(name).coverage
        assert coverage is not None
        assert (coverage.answered.requests, coverage.dismissed.requests) == (3, 0)
    sound(root)


def test_a_re_run_may_mend_it(root: Path) -> None:
    """A TransientError records nothing; the next pass calls with the same token and says so."""
    put_answers(root)
    seen = Taken()

    def busy(batch: ProcessedBatch, context: BatchContext) -> Any:
        seen(batch, context)
        raise TransientError("busy")

    assert Plugs(busy).run(root).exit_code == 1
    assert items(root) == []
    assert Plugs(seen).run(root).exit_code == 0
    assert seen.handed[1] == (seen.handed[0][0], True)


def test_what_it_publishes_may_be_mended_by_a_re_run(root: Path) -> None:
    """A TransientError of the data that it publishes, read after its return, records nothing either."""
    put_answers(root)
    seen = Taken()

    def pieces() -> Iterator[bytes]:
        yield b"some"
        raise TransientError("busy")

    def streams(batch: ProcessedBatch, context: BatchContext) -> Any:
        seen(batch, context)
        context.publish("a.txt", pieces())

    assert Plugs(streams).run(root).exit_code == 1
    assert (items(root), published(root)) == ([], {})
    assert Plugs(seen).run(root).exit_code == 0
    assert seen.handed[1] == (seen.handed[0][0], True)


def test_a_process_that_dies_in_it(root: Path) -> None:
    """Killed half way, nothing was published; the same token comes again, as a redelivery."""
    put_answers(root)

    def dies(_batch: ProcessedBatch, context: BatchContext) -> Any:
        context.publish("a.txt", "x")
        (root / "token").write_text(context.token, "utf-8")
        os._exit(7)

    assert in_child(lambda: Plugs(dies).run(root).exit_code) == 7
    assert published(root) == {}
    seen = Taken()
    assert Plugs(seen).run(root).exit_code == 0
    assert seen.handed == [((root / "token").read_text("utf-8"), True)]


def test_answers_that_cannot_be_read(root: Path) -> None:
    """Answers that are no JSON are written down once, however often the results are read."""
    put_answers(root, 3, output=texts('{"a": 1}', "no", "[2]"))
    found: list[Any] = []

    def twice(batch: ProcessedBatch, _context: BatchContext) -> None:
        found.extend([each.value for each in batch.results()] for _ in range(2))

    report = Plugs(Taken(twice), content="json").run(root)
    assert report.exit_code == 3
    assert report.batch("1").because.startswith("1 answer could not be handled: 1 broken ")
    assert found == [[{"a": 1}, None, [2]]] * 2
    assert [each["custom_id"] for each in unread(root)] == ["q-1"]
    assert items(root) == []


def test_stopping(root: Path) -> None:
    """An async processor that never ends is left when someone asks for an end; nothing is published."""
    put_answers(root)
    begun: list[str] = []

    async def forever(_batch: ProcessedBatch, context: BatchContext) -> None:
        context.publish("a.txt", "x")
        begun.append(context.token)
        await asyncio.Event().wait()

    assert Plugs(forever, stopping=lambda: bool(begun)).run(root).exit_code == 130
    assert published(root) == {}
    seen = Taken()
    assert Plugs(seen).run(root).exit_code == 0
    assert seen.handed == [(begun[0], True)]
