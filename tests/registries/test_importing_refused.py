"""What of a pairwiseLLM registry is refused, and what is known already: the other rows are taken over."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.errors import UsageError
from reconciler.model.report import State
from reconciler.testing import FakeProvider
from tests.registries.ancestor import OutputDir, anthropic_outputs, ids_of, openai_outputs
from tests.registries.taking_over import online, take
from tests.workspaces import answered, leftovers, put, request, run, scratch, stats, tree


@pytest.fixture
def place() -> Iterator[Path]:
    """A place for a workspace and for an output folder of the ancestor, in memory."""
    with scratch() as folder:
        (folder / "ws" / "workdir").mkdir(parents=True)
        yield folder


@pytest.fixture
def fake(fake_provider: FakeProvider) -> FakeProvider:
    """A fake provider whose clock is past the times of all files."""
    fake_provider.clock.advance(60)
    return fake_provider


def test_the_same_import_twice_changes_nothing(place: Path) -> None:
    """A second import finds every batch, live or settled, and touches no file."""
    folder = OutputDir(place / "out")
    folder.add("openai", "batch_1", ids_of("openai", 2))
    folder.add("anthropic", "msgbatch_2", ids_of("anthropic", 2), done="TRUE")
    folder.output(2).write_text(anthropic_outputs(ids_of("anthropic", 2)))
    root = place / "ws"
    take(root, folder.write())
    for _ in range(2):
        before = {path: stat for path, stat in stats(root).items() if path not in (".", "workdir")}

        found = take(root, folder.write())

        assert [row.outcome for row in found.rows] == ["known", "known"]
        after = {path: stat for path, stat in stats(root).items() if path not in (".", "workdir")}
        assert (found.exit_code, after) == (0, before)
        run(root)


def test_what_was_removed_since_is_known(place: Path) -> None:
    """A batch whose JSONL `[retain]` has removed is that batch still, with an id of a provider or without."""
    folder = OutputDir(place / "out")
    for number, batch_id in enumerate(("batch_1", ""), start=1):
        ids = ids_of("openai", 2, 10 * number)
        folder.add("openai", batch_id, ids, done="TRUE")
        folder.output(number).write_text(openai_outputs(ids))
    root = place / "ws"
    take(root, folder.write())
    run(root, jsonl="remove")
    assert not [*root.rglob("batch_input_*")]

    found = take(root, folder.write())

    assert [(row.outcome, row.because) for row in found.rows if row.outcome != "known"] == []


def test_a_row_that_is_refused_does_not_stop_the_others(place: Path) -> None:
    """Input gone, unknown provider, no id, a wrong word: each is told with its line, the others come."""
    folder = OutputDir(place / "out")
    for number in range(1, 6):
        folder.add("openai", f"batch_{number}", ids_of("openai", 2, number))
    (folder.path / "batch_01_input.jsonl").unlink()
    folder.rows[1][1] = "bedrock"
    folder.rows[2][3] = "NA"
    folder.rows[3][8] = "maybe"

    found = take(place / "ws", folder.write())

    assert [row.outcome for row in found.rows] == ["refused"] * 4 + ["imported"]
    told = [row.because for row in found.rows]
    assert "its input is gone" in told[0]
    assert "'bedrock'" in told[1]
    assert "no batch_id" in told[2]
    assert "done is 'maybe'" in told[3]
    assert [row.where for row in found.rows] == [f"jobs_registry.csv:{n}" for n in range(2, 7)]
    assert found.exit_code == 3
    assert leftovers(place / "ws") == []


def test_a_row_without_paths_is_refused(place: Path) -> None:
    """Where no path is named nothing is taken for the file, above all not the folder; and it is said so."""
    folder = OutputDir(place / "out")
    for number in (1, 2):
        folder.add("openai", f"batch_{number}", ids_of("openai", 2, number))
    folder.rows[0][4] = "NA"
    folder.rows[1][5], folder.rows[1][6], folder.rows[1][8] = "NA", "NA", "TRUE"

    found = take(place / "ws", folder.write())

    assert [row.outcome for row in found.rows] == ["refused"] * 2
    assert "its input is gone: no path" in found.rows[0].because
    assert "it is done, and its output is gone: no path" in found.rows[1].because
    assert "what was made of it" not in found.rows[1].because
    assert tree(place / "ws") == {}


def _live(root: Path) -> None:
    put(root, "out_01", input=[request(0)])


def _live_but_for_case(root: Path) -> None:
    put(root, "OUT_01", input=[request(0)])


def _metadata_alone(root: Path) -> None:
    own = {"schema": 1, "generation": 1, "name": "out_01", "attempt": 1, "state": "submitted"}
    put(root, "out_01", metadata={**own, "batch_id": "batch_9", "provider": "openai"})


def _quarantined(root: Path) -> None:
    put(root, "out_01", input=[request(0)], output=[answered(0), answered(0)])
    run(root)


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        (_live, "the name out_01 is taken by something else (workdir/batch_input_out_01.jsonl)"),
        (_live_but_for_case, "the name out_01 is taken by something else (workdir/batch_input_OUT_01.jsonl)"),
        (_metadata_alone, "workdir/batch_metadata_out_01.jsonl is there already and speaks of another batch"),
        (_quarantined, "the name out_01 is taken by something else (quarantine/out_01.1)"),
    ],
)
def test_a_name_that_is_taken_is_refused(place: Path, taken: Callable[[Path], None], told: str) -> None:
    """Something else under the name stays as it is, wherever it is; another prefix takes the batch in."""
    folder = OutputDir(place / "out")
    folder.add("openai", "batch_1", ids_of("openai", 2))
    root = place / "ws"
    taken(root)
    before = tree(root)

    found = take(root, folder.write())

    assert (found.rows[0].outcome, found.rows[0].because.partition(";")[0]) == ("refused", told)
    assert "--name" in found.rows[0].hint
    assert tree(root) == before
    assert [row.name for row in take(root, folder.write(), name="mine").rows] == ["mine_01"]


def test_another_input_under_the_name_of_an_import_is_refused(place: Path) -> None:
    """Without an id of a provider a batch is known by its input; another one takes no name and no file."""
    root = place / "ws"
    for first in (1, 10):
        folder = OutputDir(place / str(first) / "out")
        ids = ids_of("openai", 2, first)
        folder.add("openai", "", ids, done="TRUE")
        folder.output(1).write_text(openai_outputs(ids))
        before = tree(root)

        found = take(root, folder.write())

    assert [row.outcome for row in found.rows] == ["refused"]
    assert "batch_metadata_out_01.jsonl is there already and speaks of another batch" in found.rows[0].because
    assert tree(root) == before


def test_a_batch_that_is_here_under_another_name_is_known(place: Path) -> None:
    """A batch id that this workspace has already is not taken in a second time."""
    folder = OutputDir(place / "out")
    folder.add("openai", "batch_1", ids_of("openai", 2))
    take(place / "ws", folder.write())

    found = take(place / "ws", folder.write(), name="other")

    assert [(row.name, row.outcome) for row in found.rows] == [("out_01", "known")]


def test_an_imported_input_is_not_sent_as_a_copy(place: Path, fake: FakeProvider) -> None:
    """The same input dropped into the live folder under a second name is refused: it was paid for."""
    folder = OutputDir(place / "out")
    ids = ids_of("openai", 2)
    path = folder.add("openai", "batch_1", ids)
    root = place / "ws"
    take(root, folder.write())
    (root / "workdir/batch_input_copy.jsonl").write_bytes(path.read_bytes())
    fake.clock.advance(600)

    report = online(fake, root, "openai").run()

    assert report.batch("copy").state is State.ATTENTION
    assert "out_01" in report.batch("copy").because
    assert fake.calls.count("create") == 0


def test_an_input_in_the_wrong_shape_is_refused(place: Path) -> None:
    """Lines that the named provider cannot have taken are refused, with the line."""
    folder = OutputDir(place / "out")
    folder.add("openai", "batch_1", ids_of("openai", 2))
    folder.rows[0][1] = "anthropic"

    found = take(place / "ws", folder.write())

    assert "batch_01_input.jsonl:1: a line in the shape of openai" in found.rows[0].because


def test_a_document_that_is_larger_than_memory_is_refused(place: Path) -> None:
    """One document is read whole; lines are not, and may be as many as there are."""
    folder = OutputDir(place / "out")
    path = Path(folder.add("anthropic", "batch_1", ids_of("anthropic", 2)))
    with path.open("r+b") as stream:
        stream.truncate((1 << 30) + 1)

    found = take(place / "ws", folder.write())

    assert found.rows[0].outcome == "refused"
    assert "1073741825 bytes in one document" in found.rows[0].because
    assert tree(place / "ws") == {}


def test_a_document_of_another_provider(place: Path) -> None:
    """What is wrong with one of its requests is told by its number, since the lines are its own affair."""
    folder = OutputDir(place / "out")
    folder.add("gemini", "batches/1", ids_of("gemini", 2))
    folder.rows[0][1] = "anthropic"

    found = take(place / "ws", folder.write())

    assert found.rows[0].outcome == "refused"
    assert "batch_01_input.jsonl: request 1: a line in the shape of gemini" in found.rows[0].because
    assert leftovers(place / "ws") == []


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_an_input_that_is_written_to_meanwhile_is_refused(place: Path, provider: str) -> None:
    """What was copied is not what stands there any more: nobody knows which of both was sent."""
    folder = OutputDir(place / "out")
    path = Path(folder.add(provider, "batch_1", ids_of(provider, 2)))

    def tap(change: str, written: str) -> None:
        if change == "write" and "batch_input" in written:
            os.utime(path, ns=(0, 0))

    found = take(place / "ws", folder.write(), options={"tap": tap})

    assert found.rows[0].outcome == "refused"
    assert "was written to while it was read" in found.rows[0].because
    assert leftovers(place / "ws") == []


def test_a_copy_that_somebody_takes_away_meanwhile(place: Path) -> None:
    """A temporary file that is gone before it was looked at is told, and the next import has it."""
    folder = OutputDir(place / "out")
    folder.add("anthropic", "batch_1", ids_of("anthropic", 2))
    registry = folder.write()

    def tap(change: str, written: str) -> None:
        if change == "fsync" and "batch_input" in written:
            (place / "ws" / written).unlink()

    found = take(place / "ws", registry, options={"tap": tap})

    assert found.rows[0].outcome == "refused"
    assert "has just gone" in found.rows[0].because
    assert take(place / "ws", registry).rows[0].outcome == "imported"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no column provider"),
        ("a,b\n1,2\n", "found a, b"),
        ("provider,batch_id,batch_input_path\nopenai,x\n", ":2: 2 cells under 3 columns"),
        ("provider,batch_id,batch_input_path,provider\n", "stands there twice"),
        ('provider,batch_id,batch_input_path\n"openai,x,y\n', "not CSV"),
        ("provider,batch_id,batch_input_path\n\xff\n", "not UTF-8"),
    ],
)
def test_what_is_no_registry_is_refused_whole(place: Path, text: str, told: str) -> None:
    """A file that is no registry is refused, with the line, and nothing is made."""
    path = place / "r.csv"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(UsageError) as caught:
        take(place / "ws", path)

    assert told in caught.value.message


def test_rows_without_what_is_needed_are_refused_whole(place: Path) -> None:
    """What a program hands over needs the same columns as a file; nothing is made."""
    with pytest.raises(UsageError, match="the rows is no registry of batches: no column batch_input_path"):
        take(place / "ws", [{"provider": "openai", "batch_id": "x"}])
    assert not [*(place / "ws").rglob("batch_*")]
