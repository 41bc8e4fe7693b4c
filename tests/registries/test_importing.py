"""Taking over the batches that a pairwiseLLM registry names: none is sent again, none is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from reconciler import decide
from reconciler.check import check
from reconciler.errors import UsageError
from reconciler.importing import Import, import_registry
from reconciler.model.report import State
from reconciler.session import Options
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import Outcome
from tests.online import Online
from tests.registries.ancestor import (
    OutputDir,
    anthropic_outputs,
    create,
    gemini_outputs,
    ids_of,
    openai_outputs,
    requests_of,
    write_input,
)
from tests.stopping import client_of
from tests.workspace.faults import Crash, Trip
from tests.workspaces import (
    answered,
    files,
    ledger,
    leftovers,
    put,
    record,
    request,
    results,
    run,
    scratch,
    settings,
    stats,
    tree,
)

THREE: Final = ("openai", "anthropic", "gemini")
OUTPUTS: Final = {"openai": openai_outputs, "anthropic": anthropic_outputs, "gemini": gemini_outputs}
each_provider: Final = pytest.mark.parametrize("provider", THREE)


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


def online(fake: FakeProvider, root: Path, provider: str) -> Online:
    """A workspace that can ask all three, and sends to *provider*."""
    others = tuple(client_of(each, fake) for each in THREE if each != provider)
    return Online(root, fake, client_of(provider, fake), others=others)


def take(root: Path, source: Any, **more: Any) -> Import:
    """Import."""
    return import_registry(str(root), settings(), source, Options(**more.pop("options", {})), **more)


def sent(fake: FakeProvider, folder: OutputDir, provider: str, count: int = 4) -> list[str]:
    """A segment that the ancestor has sent; gives its ids."""
    ids = ids_of(provider, count, 10 * len(folder.rows) + 1)
    path = folder.path / "before.jsonl"
    folder.path.mkdir(parents=True, exist_ok=True)
    write_input(path, provider, requests_of(provider, ids))
    folder.add(provider, create(fake, provider, path, requests_of(provider, ids)), ids)
    path.unlink()
    return ids


# --- polled, fetched, settled -------------------------------------------------------------------------------


@each_provider
def test_a_batch_in_flight_is_polled_fetched_and_settled(
    place: Path, fake: FakeProvider, provider: str
) -> None:
    """A row that is not done is asked for under its id, and its answers go to `done/`, each to its own id."""
    folder = OutputDir(place / "out")
    ids = sent(fake, folder, provider)
    root = place / "ws"

    found = take(root, folder.write())

    assert [(row.name, row.outcome) for row in found.rows] == [("out_01", "imported")]
    assert fake.calls.count("get") == 0
    report = online(fake, root, provider).wait()
    assert [(batch.name, batch.state) for batch in report.batches] == [("out_01", State.SETTLED)]
    assert [line["custom_id"] for line in results(root, "out_01")] == ids
    assert {line["outcome"] for line in results(root, "out_01")} == {"answered"}
    assert (len(fake.batches), check(str(root), settings()).findings) == (1, [])


def test_three_providers_in_one_registry(place: Path, fake: FakeProvider) -> None:
    """One registry with a batch at each provider is settled whole, and nothing is created."""
    folder = OutputDir(place / "out")
    ids = [sent(fake, folder, provider) for provider in THREE]
    root = place / "ws"
    folder.write()
    take(root, place / "out")

    report = online(fake, root, "openai").wait()

    assert [batch.state for batch in report.batches] == [State.SETTLED] * 3
    assert [[line["custom_id"] for line in results(root, f"out_{n:02}")] for n in (1, 2, 3)] == ids
    assert len(fake.batches) == 3


def test_gemini_answers_without_keys_belong_to_the_requests_in_their_place(
    place: Path, fake: FakeProvider
) -> None:
    """Requests that went out without keys are answered in order: a failure in the middle stays there."""
    folder = OutputDir(place / "out")
    wrong = Outcome("error", status=3, message="blocked")
    turns = iter([None, wrong, None])
    fake.script(Fate(choose=lambda _no_id: next(turns)))
    ids = sent(fake, folder, "gemini", 3)
    root = place / "ws"
    take(root, folder.write())

    online(fake, root, "gemini").wait()

    found = results(root, "out_01")
    assert [line["custom_id"] for line in found] == ids
    assert [line["outcome"] for line in found] == ["answered", "failed", "answered"]
    assert (root / "done/out_01/batch_metadata_out_01.jsonl").read_text().count("by-position") == 1


def test_gemini_answers_that_are_too_few_are_nobodys(place: Path, fake: FakeProvider) -> None:
    """Where answers without ids are not as many as the requests, none is published, and a person is asked."""
    folder = OutputDir(place / "out")
    sent(fake, folder, "gemini", 3)
    path = folder.path / "batch_01_input.jsonl"
    write_input(path, "gemini", requests_of("gemini", ids_of("gemini", 4)))
    root = place / "ws"
    take(root, folder.write())

    report = online(fake, root, "gemini").wait()

    assert report.batch("out_01").state is State.ATTENTION
    assert "which answers what cannot be told" in report.batch("out_01").because
    assert not (root / "workdir/batch_output_out_01.jsonl").exists()
    assert len(fake.batches) == 1


# --- finished batches ---------------------------------------------------------------------------------------


@each_provider
def test_a_finished_batch_is_copied_and_not_asked_for(place: Path, fake: FakeProvider, provider: str) -> None:
    """A row that is done settles from the copies of its files: no call is made, whatever the provider."""
    folder = OutputDir(place / "out")
    ids = ids_of(provider, 3)
    folder.add(provider, f"{provider}-id", ids, done="TRUE")
    folder.output(1).write_text(OUTPUTS[provider](ids))
    before = files(place / "out")
    root = place / "ws"

    found = take(root, folder.write())
    report = online(fake, root, provider).run()

    assert found.exit_code == 0
    assert report.batch("out_01").state is State.SETTLED
    assert [line["custom_id"] for line in results(root, "out_01")] == ids
    assert (len(fake.calls), len(fake.batches)) == (0, 0)
    assert files(place / "out") == before | {"jobs_registry.csv": folder.write().read_bytes()}


def test_a_finished_batch_whose_output_is_gone_is_reported(place: Path) -> None:
    """Without its output a finished row is refused, and the CSV that was made of it is named."""
    folder = OutputDir(place / "out")
    folder.add("openai", "batch_1", ids_of("openai", 2), done="TRUE")
    (folder.path / "batch_01_results.csv").write_text("ID1,ID2\n")

    found = take(place / "ws", folder.write())

    assert (found.exit_code, found.rows[0].outcome) == (3, "refused")
    assert "its output is gone" in found.rows[0].because
    assert "batch_01_results.csv" in found.rows[0].because
    assert list((place / "ws/workdir").iterdir()) == []


def test_failures_of_an_imported_batch_are_not_sent_by_a_pass(place: Path, fake: FakeProvider) -> None:
    """What may be asked again is left to a person: nobody knows what was asked again elsewhere."""
    folder = OutputDir(place / "out")
    fake.script(Fate(outcomes={ids_of("openai", 1)[0]: Outcome("http", status=503)}))
    sent(fake, folder, "openai")
    root = place / "ws"
    take(root, folder.write())
    there = online(fake, root, "openai")

    report = there.wait()
    assert (report.batch("out_01").state, len(fake.batches)) == (State.SETTLED, 1)

    there.decide(decide.retry, "out_01")
    assert len(fake.batches) == 2


# --- what is refused, what is known -------------------------------------------------------------------------


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


# --- where files are ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["", "./", "out/", "/gone/elsewhere/", "C:\\Temp\\"])
def test_paths_count_from_the_folder_of_the_registry(place: Path, head: str) -> None:
    """Relative paths are looked for beside the registry; so are files of a folder that was moved."""
    folder = OutputDir(place / "out")
    folder.add("openai", "batch_1", ids_of("openai", 2), folder=head)

    assert take(place / "ws", folder.write()).rows[0].outcome == "imported"
    copied = (place / "ws/workdir/batch_input_out_01.jsonl").read_bytes()
    assert copied == (place / "out/batch_01_input.jsonl").read_bytes()


def test_rows_from_python(place: Path) -> None:
    """Mappings are a registry too; None, NaN, numbers and booleans are what they are in a file."""
    folder = OutputDir(place / "out")
    path = folder.add("openai", "batch_1", ids_of("openai", 2))
    row = {
        "segment_index": 3.0,
        "provider": "openai",
        "model": None,
        "batch_id": "batch_1",
        "batch_input_path": path,
        "done": False,
        "csv_path": float("nan"),
    }

    found = take(place / "ws", [row], name="p")

    assert [(each.name, each.outcome) for each in found.rows] == [("p_03", "imported")]


def test_no_rows_from_python(place: Path) -> None:
    """An empty registry is one: there is nothing to import, and that is no error."""
    found = take(place / "ws", [], name="p")

    assert (found.rows, found.exit_code) == ((), 0)
    assert tree(place / "ws") == {}


def test_rows_of_a_data_frame(place: Path) -> None:
    """What gives its rows as pandas does is a registry too."""
    path = OutputDir(place / "out").add("openai", "batch_1", ids_of("openai", 2))

    class Table:
        def to_dict(self, orient: str, /) -> list[dict[str, object]]:
            """The rows."""
            row: dict[str, object] = {
                "provider": "openai",
                "batch_id": "batch_1",
                "batch_input_path": str(path),
            }
            return [row] if orient == "records" else []

    assert [each.name for each in take(place / "ws", Table()).rows] == ["registry_01"]


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


# --- crashes ------------------------------------------------------------------------------------------------


def registry_of_three(folder: Path) -> OutputDir:
    """A batch in flight, a finished one, and one that has to be made lines of."""
    out = OutputDir(folder)
    out.add("openai", "batch_1", ids_of("openai", 2))
    out.add("anthropic", "msgbatch_2", ids_of("anthropic", 3), done="TRUE")
    out.output(2).write_text(anthropic_outputs(ids_of("anthropic", 3)))
    out.add("gemini", "batches/3", ids_of("gemini", 2))
    out.write()
    return out


def test_stopped_before_every_effect(place: Path, fake: FakeProvider) -> None:
    """Stopped anywhere, a pass sends nothing, and the same import comes to the same files."""
    out = registry_of_three(place / "out")
    trip = Trip()
    with scratch() as folder:
        (folder / "ws/workdir").mkdir(parents=True)
        take(folder / "ws", out.path, options={"tap": trip})
        wanted = tree(folder / "ws")
    assert len(trip.seen) > 30
    for point in range(1, len(trip.seen) + 1):
        with scratch() as folder:
            root = folder / "ws"
            (root / "workdir").mkdir(parents=True)
            with pytest.raises(Crash):
                take(root, out.path, options={"tap": Trip(point)})
            # A pass in between must take nothing of it for new; nobody can be asked.
            there = Online(root, fake, client_of("openai", fake), keyless=dict.fromkeys(THREE, "no key"))
            there.run()
            assert len(fake.calls) == 0, trip.seen[point - 1]
            done = root / "done"
            early = sorted(path.name for path in done.iterdir()) if done.exists() else []

            found = take(root, out.path)

            assert found.exit_code == 0, (trip.seen[point - 1], found)
            if not early and not (root / "target").exists():
                assert tree(root) == wanted, trip.seen[point - 1]
            names = [each["batch"] for each in ledger(root) if each["event"] == "batch.imported"]
            assert sorted(names) == ["out_01", "out_02", "out_03"], trip.seen[point - 1]
            assert record(root, "out_01")["batch_id"] == "batch_1"
            assert leftovers(root) == []


def test_metadata_says_where_a_batch_came_from(place: Path) -> None:
    """What the registry said that has no other place is kept: number, model, and the source file."""
    out = registry_of_three(place / "out")
    take(place / "ws", out.path)

    found = record(place / "ws", "out_03")

    assert found["imported"]["segment_index"] == 3
    assert found["imported"]["ids"] == "by-position"
    assert found["imported"]["input"]["file"] == "batch_03_input.jsonl"
    lines = (place / "ws/workdir/batch_input_out_03.jsonl").read_text("utf-8").splitlines()
    asked = requests_of("gemini", ids_of("gemini", 2))
    assert [json.loads(line) for line in lines] == [
        {"key": each["custom_id"], "request": each["request"]} for each in asked
    ]
