"""Taking over the batches that a pairwiseLLM registry names: none is sent again, none is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from reconciler import decide
from reconciler.check import check
from reconciler.model.report import State
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import Outcome
from tests.online import Online
from tests.registries.ancestor import (
    OutputDir,
    anthropic_outputs,
    gemini_outputs,
    ids_of,
    openai_outputs,
    requests_of,
    write_input,
)
from tests.registries.taking_over import THREE, online, sent, take
from tests.stopping import client_of
from tests.workspace.faults import Crash, Trip
from tests.workspaces import files, ledger, leftovers, record, results, scratch, settings, tree

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
    (known,) = (root / "done/out_01").glob("batch_metadata_*")
    assert json.loads(known.read_bytes()).get("endpoint") == {"openai": "/v1/chat/completions"}.get(provider)
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
