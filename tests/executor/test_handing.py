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

import pytest

from reconciler.model.operation import ProcessOutput
from reconciler.processors.base import BatchContext, ProcessedBatch
from tests.executor.taking import Taken, published, publishing
from tests.plugging import Plugs, items, put_answers, sound
from tests.workspaces import answered, failed, leftovers, manifest, put, request, scratch, stats


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


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


@pytest.mark.parametrize(("count", "more"), [(2, ""), (3, ""), (4, " and 1 more")])
def test_three_files_are_named_and_the_others_counted(root: Path, count: int, more: str) -> None:
    """The report names no more than three files, and says how many others there are."""
    put_answers(root)
    leaves = [f"{letter}.txt" for letter in "abcd"[:count]]
    (batch,) = (
        Plugs(publishing(**dict.fromkeys((each.replace(".", "__") for each in leaves), b"")))
        .run(root)
        .batches
    )
    told = next(each.summary for each in batch.receipts if each.verb == ProcessOutput.verb)
    named = ", ".join(f"target/1.files/{each}" for each in leaves[:3])
    assert told == f"published {named}{more}"


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
