"""
A whole batch goes to a processor; what it publishes appears once it has returned, whole.

Each test makes real passes over a real workspace with a function plugged in.
"""

import asyncio
import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler import decide
from reconciler.errors import TransientError
from reconciler.processors.base import BatchContext, ProcessedBatch
from tests.plugging import Plugs, items, put_answers, sound, texts, unread
from tests.workspace.faults import in_child
from tests.workspaces import answered, failed, leftovers, manifest, put, request, scratch, stats


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


@attrs.define
class Taken:
    """A processor of batches that notes what it gets, then does what it is told."""

    what: Callable[[ProcessedBatch, BatchContext], Any] = lambda _batch, _context: None
    batches: list[ProcessedBatch] = attrs.field(factory=list)
    contexts: list[BatchContext] = attrs.field(factory=list)

    def __call__(self, batch: ProcessedBatch, context: BatchContext) -> Any:
        """Note the call."""
        self.batches.append(batch)
        self.contexts.append(context)
        return self.what(batch, context)

    @property
    def handed(self) -> list[tuple[str, bool]]:
        """Token and redelivery of each call."""
        return [(each.token, each.redelivery) for each in self.contexts]


def published(root: Path, name: str = "1") -> dict[str, bytes]:
    """What lies in the folder of a batch's files."""
    folder = root / "target" / f"{name}.files"
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def test_what_it_gets(root: Path) -> None:
    """It gets the batch with its counts and every result in input order, and a context to work with."""
    put(
        root,
        "1",
        input=[request(n) for n in range(4)],
        output=[answered(3), answered(0), answered(1)],
        error=[failed(2)],
    )
    found: list[Any] = []

    def look(batch: ProcessedBatch, context: BatchContext) -> None:
        found.append([each.custom_id for each in batch.results()])
        found.append([each.outcome.value for each in batch.results()])
        paths = context.paths
        assert paths.keys() == {"input", "output", "error"}
        assert all(path.is_absolute() and path.is_file() for path in paths.values())
        assert paths["input"] == (root / "workdir" / "batch_input_1.jsonl").resolve()
        assert len(paths["output"].read_bytes().splitlines()) == 3

    seen = Taken(look)
    assert Plugs(seen).run(root).exit_code == 0
    assert found == [[f"q-{n}" for n in range(4)], ["answered", "answered", "failed", "answered"]]
    (batch,), (context,) = seen.batches, seen.contexts
    assert (batch.name, batch.attempt, batch.provider, batch.parent) == ("1", 1, None, None)
    assert (batch.requests, batch.answered, batch.failed) == (4, 3, 1)
    assert (context.workspace, context.content, context.operations) == (root.resolve(), "text", ())
    assert manifest(root, "1")["receipts"]["process-output"]["token"] == context.token


def test_paths_of_what_is_there(root: Path) -> None:
    """A role without a file has no path."""
    put_answers(root)
    seen = Taken()
    Plugs(seen).run(root)
    assert seen.contexts[0].paths.keys() == {"input", "output"}


def alone(batch: ProcessedBatch) -> Any:
    """Count without a context."""
    return {"answered": sum(1 for _ in batch.results())}


async def alone_later(batch: ProcessedBatch) -> Any:
    """Count in its own time."""
    await asyncio.sleep(0)
    return alone(batch)


async def both_later(batch: ProcessedBatch, context: BatchContext) -> Any:
    """Count in its own time, with a context."""
    assert context.token
    return await alone_later(batch)


@pytest.mark.parametrize("function", [alone, alone_later, both_later])
def test_what_it_returns(root: Path, function: Callable[..., Any]) -> None:
    """The value that it returns becomes one file, and the batch settles."""
    put_answers(root)
    assert Plugs(function).run(root).exit_code == 0
    assert json.loads((root / "target" / "1.value.json").read_bytes()) == {"answered": 3}
    assert published(root) == {}
    assert not (root / "target" / "1.results.jsonl").exists()
    sound(root)


def test_nothing_to_return(root: Path) -> None:
    """None makes no file."""
    put_answers(root)
    assert Plugs(Taken()).run(root).exit_code == 0
    assert not (root / "target").exists() or list((root / "target").iterdir()) == []


def test_a_settled_batch_is_left_alone(root: Path) -> None:
    """Once the batch has settled, nobody is called and nothing changes."""
    put_answers(root)
    seen = Taken()
    Plugs(seen).run(root)
    before = stats(root)
    assert Plugs(seen).run(root).exit_code == 0
    assert (len(seen.contexts), stats(root)) == (1, before)


# What it publishes


def publishing(**leaves: Any) -> Taken:
    """A processor that publishes so many files; the dots of their names are written as double underscores."""

    def publish(_batch: ProcessedBatch, context: BatchContext) -> None:
        for leaf, data in leaves.items():
            context.publish(leaf.replace("__", "."), data() if callable(data) else data)

    return Taken(publish)


def test_data_of_every_kind(root: Path) -> None:
    """Bytes, text and anything that gives bytes is published byte for byte."""
    put_answers(root)
    seen = publishing(
        a__bin=b"\x00\xff",
        b__txt="é\n",
        c__bin=lambda: (bytes([n]) for n in range(3)),
        d__bin=[b"x", bytearray(b"y"), memoryview(b"z")],
        e__bin=bytearray(b"e"),
        f__bin=b"",
    )
    assert Plugs(seen).run(root).exit_code == 0
    assert published(root) == {
        "a.bin": b"\x00\xff",
        "b.txt": "é\n".encode(),
        "c.bin": b"\x00\x01\x02",
        "d.bin": b"xyz",
        "e.bin": b"e",
        "f.bin": b"",
    }
    receipt = manifest(root, "1")["receipts"]["process-output"]
    assert receipt["files"].keys() == {f"target/1.files/{leaf}" for leaf in published(root)}
    sound(root)


def test_nothing_appears_before_it_has_returned(root: Path) -> None:
    """What it has published is not there while it still works."""
    put_answers(root)
    there: list[bool] = []

    def publish(_batch: ProcessedBatch, context: BatchContext) -> None:
        context.publish("a.txt", "x")
        there.append((root / "target").exists())

    Plugs(Taken(publish)).run(root)
    assert there == [False]
    assert published(root) == {"a.txt": b"x"}


def test_a_generator_may_read_the_results(root: Path) -> None:
    """Data may be made from the results while it is written."""
    put_answers(root)

    def publish(batch: ProcessedBatch, context: BatchContext) -> None:
        context.publish("texts.txt", (f"{each.text}\n".encode() for each in batch.results()))

    assert Plugs(Taken(publish)).run(root).exit_code == 0
    assert published(root)["texts.txt"] == b"answer 0\nanswer 1\nanswer 2\n"


@pytest.mark.parametrize(
    "leaf",
    [
        "../x",
        "a/b",
        "",
        ".",
        "..",
        "/etc/passwd",
        ".hidden",
        "-rf",
        "a\n",
        "a\0",
        "é",
        "a" * 121,
        "a\\b",
        "~",
        " a",
    ],
)
def test_a_name_that_is_refused(root: Path, leaf: str) -> None:
    """A name that is no plain leaf is refused where it is given, and nothing is written."""
    put_answers(root)

    def publish(_batch: ProcessedBatch, context: BatchContext) -> None:
        context.publish("good.txt", "x")
        context.publish(leaf, "x")

    assert Plugs(Taken(publish)).run(root).exit_code == 3
    assert items(root)[0]["reason"].startswith("ValueError: ")
    assert published(root) == {}


def test_a_name_that_is_given_twice(root: Path) -> None:
    """Names that are one on some file system are refused; who catches that may go on."""
    put_answers(root)
    refused: list[str] = []

    def publish(_batch: ProcessedBatch, context: BatchContext) -> None:
        context.publish("Sum.txt", "first")
        for leaf in ("Sum.txt", "sum.TXT"):
            try:
                context.publish(leaf, "second")
            except ValueError as error:
                refused.append(str(error))

    assert Plugs(Taken(publish)).run(root).exit_code == 0
    assert len(refused) == 2
    assert published(root) == {"Sum.txt": b"first"}


def broken() -> Iterable[bytes]:
    """Data that ends badly."""
    yield b"half"
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(broken, "OSError", id="raises-what-looks-like-a-full-disk"),
        pytest.param(["text"], "TypeError", id="strings"),
        pytest.param(7, "TypeError", id="number"),
        pytest.param(None, "TypeError", id="none"),
        pytest.param({"a": 1}, "TypeError", id="dict"),
        pytest.param(len, "TypeError", id="function"),
    ],
)
def test_data_that_cannot_be_written(root: Path, data: Any, kind: str) -> None:
    """Data that is none is the processor's fault: the batch is written down as not handled, exit 3."""
    put_answers(root)
    assert Plugs(publishing(a__txt=data if data is not len else lambda: len)).run(root).exit_code == 3
    (item,) = items(root)
    assert (item["custom_id"], item["why"]) == (None, "processor")
    assert item["reason"].startswith(f"{kind}: ")
    assert published(root) == {}
    assert leftovers(root) == []


def test_a_disk_that_is_full(root: Path) -> None:
    """A disk that is full is nobody's fault: exit 1, nothing under a final name, the batch comes again."""
    put_answers(root)
    seen = publishing(a__txt="x", b__txt=lambda: iter([b"y"]))

    def tap(change: str, path: str) -> None:
        if change == "write" and path.startswith("target/"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert Plugs(seen, tap=tap).run(root).exit_code == 1
    assert (items(root), published(root)) == ([], {})
    assert Plugs(seen).run(root).exit_code == 0
    (first, second) = seen.handed
    assert (first[1], second) == (False, (first[0], True))
    assert published(root).keys() == {"a.txt", "b.txt"}


# What it cannot handle


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
