"""`target/jobs_registry.csv` and `registry export`: true after every change, written only when it changes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler import Workspace, engine
from reconciler.codec.registry import ANCESTOR, COLUMNS, HEADER, decode, encode_line
from reconciler.errors import Clash, UsageError
from reconciler.registry import export
from reconciler.session import Options
from reconciler.testing import FakeProvider, Fate
from tests.online import Online
from tests.stopping import client_of, lines_of
from tests.workspace.faults import Crash, Trip, errno_failure
from tests.workspaces import (
    answered,
    failed,
    files,
    jsonl,
    put,
    record,
    request,
    run,
    scratch,
    settings,
    stats,
)

FILE: Final = "target/jobs_registry.csv"


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


def rows(root: Path) -> list[dict[str, str]]:
    """The registry as a spreadsheet reads it."""
    return list(csv.DictReader(io.StringIO((root / FILE).read_text("utf-8"))))


def put_three(root: Path) -> None:
    """A batch that settles, one that waits for a person, and one that goes to quarantine."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1)])
    put(root, "2", input=[request(2)])
    put(root, "3", input=[request(3)], output=[answered(9)])


def new_workspace(place: Path) -> Path:
    """An empty workspace."""
    (place / "other" / "workdir").mkdir(parents=True)
    return place / "other"


def keep(root: Path, **more: Any) -> Any:
    """A pass that keeps the registry."""
    return engine.reconcile(str(root), settings(registry=True), Options(**more))


def test_a_row_for_each_batch(root: Path) -> None:
    """Settled, pending and quarantined batches stand there, in the ancestor's columns and words."""
    put_three(root)
    (root / "target").mkdir()
    (root / "target/1.results.csv").write_text("a\n")

    keep(root)

    lines = (root / FILE).read_text("utf-8").splitlines()
    assert lines[0].split(",")[:9] == list(ANCESTOR)
    found = rows(root)
    assert [row["segment_index"] for row in found] == ["1", "2", "3"]
    assert [(row["name"], row["state"], row["done"]) for row in found] == [
        ("1", "settled", "TRUE"),
        ("2", "pending", "FALSE"),
        ("3", "quarantined", "FALSE"),
    ]
    assert [found[0][column] for column in ("requests", "answered", "failed")] == ["2", "1", "1"]
    assert [row["csv_path"] for row in found] == [f"{root}/target/1.results.csv", "NA", "NA"]
    assert [row["batch_id"] for row in found] == ["NA"] * 3
    assert all(Path(row["batch_input_path"]).is_file() for row in found)
    assert {row["model"] for row in found} == {"m"}


def test_without_the_setting_there_is_none(root: Path) -> None:
    """Nobody who has not asked for it gets one."""
    put_three(root)
    run(root)

    assert not (root / FILE).exists()


def test_a_pass_over_a_settled_workspace_writes_nothing(root: Path) -> None:
    """With the registry kept, a second pass changes no file and no time stamp."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    keep(root)
    before = stats(root)

    keep(root)

    assert stats(root) == before


def test_a_registry_that_was_changed_or_lost_is_mended(root: Path) -> None:
    """The next pass replaces what somebody wrote into it, and what is gone."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    keep(root)
    wanted = (root / FILE).read_bytes()
    (root / FILE).write_bytes(wanted.replace(b"TRUE", b"FALSE"))
    keep(root)
    assert (root / FILE).read_bytes() == wanted

    (root / FILE).unlink()
    keep(root)
    assert (root / FILE).read_bytes() == wanted


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_an_id_is_in_it_before_anything_else_happens(
    root: Path, fake_provider: FakeProvider, provider: str
) -> None:
    """When the second batch is sent, the first one's id stands there; when it is polled, its status."""
    fake_provider.reset()
    fake_provider.clock.advance(60)
    fake_provider.default(Fate(polls=2))
    for number in range(3):
        put(root, str(number), input=lines_of(provider, number)[:1])
    known: list[list[str]] = []

    def tap(change: str, _path: str) -> None:
        if change == "POST create":
            there = rows(root) if (root / FILE).exists() else []
            known.append([row["batch_id"] for row in there if row["batch_id"] != "NA"])

    online = Online(
        root, fake_provider, client_of(provider, fake_provider), tap=tap, flags={"registry": True}
    )
    online.run()

    assert [len(each) for each in known] == [0, 1, 2]
    found = rows(root)
    assert [row["batch_id"] for row in found] == [record(root, row["name"])["batch_id"] for row in found]
    assert {row["state"] for row in found} == {"in flight"}
    assert all(row["status"] not in ("NA", "") for row in found)
    online.wait()
    assert {(row["state"], row["done"], row["answered"]) for row in rows(root)} == {("settled", "TRUE", "1")}


def test_a_status_is_in_it_before_the_answers_are_fetched(root: Path, fake_provider: FakeProvider) -> None:
    """Each step of one batch stands there before the next step has an effect."""
    fake_provider.reset()
    fake_provider.clock.advance(60)
    put(root, "1", input=lines_of("openai")[:1])
    known: list[str] = []

    def tap(change: str, path: str) -> None:
        if change == "create" and path.endswith("tmp-batch_output_1.jsonl"):
            known.extend(row["status"] for row in rows(root))

    client = client_of("openai", fake_provider)
    Online(root, fake_provider, client, tap=tap, flags={"registry": True}).wait()

    assert known == ["completed"]


def test_stopped_before_every_effect_it_is_whole_or_absent(root: Path) -> None:
    """Whatever a crash leaves is a whole registry or none, and the next pass makes it true."""
    put_three(root)
    trip = Trip()
    keep(root, tap=trip)
    assert sum(FILE in path for _, path in trip.seen) >= 2
    for point in range(1, len(trip.seen) + 1):
        with scratch() as folder:
            at = folder / "w"
            put_three(at)
            with pytest.raises(Crash):
                keep(at, tap=Trip(point))
            if (at / FILE).exists():
                assert (at / FILE).read_bytes().startswith(HEADER)
                assert (at / FILE).read_bytes().endswith(b"\n")
                assert len(rows(at)) == 3

            keep(at)

            assert [(row["name"], row["state"]) for row in rows(at)] == [
                ("1", "settled"),
                ("2", "pending"),
                ("3", "quarantined"),
            ], trip.seen[point - 1]
            assert not list((at / "target").glob(".reconciler-tmp*"))


def test_verbs_without_a_pass_keep_it_too(root: Path, tmp_path: Path) -> None:
    """A dismissal out of quarantine, a split and an import stand in it when they end."""
    put(root, "3", input=[request(3)], output=[answered(9)])
    workspace = Workspace.open(root, settings={"results.registry": True}, environment=False)
    workspace.reconcile()
    workspace.dismiss("3")
    assert [(row["name"], row["state"]) for row in rows(root)] == [("3", "settled")]

    (tmp_path / "s.jsonl").write_bytes(jsonl([request(1), request(2)]))
    workspace.split(tmp_path / "s.jsonl", segments=2)

    assert [(row["name"], row["state"]) for row in rows(root)] == [
        ("3", "settled"),
        ("s_01", "pending"),
        ("s_02", "pending"),
    ]
    export(str(root), settings(), str(tmp_path / "r.csv"))
    other = Workspace.open(new_workspace(tmp_path), settings={"results.registry": True}, environment=False)
    other.import_registry(tmp_path / "r.csv")
    assert len(rows(tmp_path / "other")) == 1


def test_a_registry_that_cannot_be_written_stops_no_batch(root: Path) -> None:
    """A full disk for the registry is told at the end; every batch was settled before."""
    put(root, "1", input=[request(0)], output=[answered(0)])
    put(root, "2", input=[request(1)], output=[answered(1)])

    def full(change: str, path: str) -> None:
        if change == "write" and "jobs_registry" in path:
            failure = errno_failure(28)()
            raise failure

    with pytest.raises(OSError, match="No space"):
        keep(root, tap=full)

    assert sorted(path.name for path in (root / "done").iterdir()) == ["1", "2"]
    keep(root)
    assert len(rows(root)) == 2


def test_workers_and_groups_are_in_it(root: Path) -> None:
    """Many batches, settled in groups or by worker processes, all stand there with their end."""
    for number in range(20):
        put(root, str(number), input=[request(number)], output=[answered(number)])

    keep(root, workers=attrs.evolve(Options().workers, worth=1))

    assert {(row["state"], row["answered"]) for row in rows(root)} == {("settled", "1")}
    assert [row["name"] for row in rows(root)] == [str(number) for number in range(20)]


# --- export -------------------------------------------------------------------------------------------------


def test_export_writes_the_same_and_changes_nothing(root: Path, tmp_path: Path) -> None:
    """A CSV file anywhere, with the rows that a pass keeps; the workspace stays as it is."""
    put_three(root)
    keep(root)
    before = stats(root)

    count = Workspace.open(root).export_registry(tmp_path / "r.csv")

    assert (count, (tmp_path / "r.csv").read_bytes()) == (3, (root / FILE).read_bytes())
    assert stats(root) == before
    assert export(str(root), settings(), str(tmp_path / "r.csv")) == 3


def test_paths_of_a_batch_that_was_given_up_under_another_name(root: Path) -> None:
    """Its row names the files that lie there, which keep their names, and the model of its requests."""
    put(root, "1", input=[request(0)], output=[answered(9)])
    keep(root)
    put(root, "1", input=[request(0)], output=[answered(0)])
    keep(root)
    Workspace.open(root, settings={"results.registry": True}, environment=False).dismiss("1")

    (twin,) = [row for row in rows(root) if row["name"] == "1.q1"]

    assert Path(twin["batch_input_path"]).is_file()
    assert Path(twin["batch_output_path"]).is_file()
    assert twin["model"] == "m"


def test_export_overwrites_nothing_but_a_registry(root: Path, tmp_path: Path) -> None:
    """Any other file is left as it is."""
    put_three(root)
    (tmp_path / "r.csv").write_text("mine\n")

    with pytest.raises(Clash, match="was not replaced"):
        export(str(root), settings(), str(tmp_path / "r.csv"))

    assert (tmp_path / "r.csv").read_text() == "mine\n"


@pytest.mark.parametrize(
    "path", ["workdir/batch_input_9.jsonl", "done/1/r.csv", ".reconciler/r.csv", "target/1.results.csv"]
)
def test_export_takes_no_name_of_the_workspace(root: Path, path: str) -> None:
    """A new file among those of the workspace would be taken for one of its own: an input, for one."""
    put_three(root)
    before = files(root)
    with pytest.raises(UsageError, match="a name that the workspace has for files of its own"):
        export(str(root), settings(), str(root / path))
    assert files(root) == before
    assert export(str(root), settings(), str(root / "target/mine.csv")) == 3


def test_what_was_exported_is_imported(root: Path, tmp_path: Path) -> None:
    """A registry of ours takes settled batches to another workspace, failures included."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1)])
    run(root)
    export(str(root), settings(), str(tmp_path / "r.csv"))
    other = new_workspace(tmp_path)

    found = Workspace.open(other).import_registry(tmp_path / "r.csv")
    run(other)

    assert [(row.name, row.outcome) for row in found.rows] == [("1", "imported")]
    assert (other / "target/1.results.jsonl").read_bytes() == (root / "target/1.results.jsonl").read_bytes()


# --- the file format ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["=1+1", "+x", "-x", "@x", "plain", 'a "quoted" one', "a,b", "a\nb", "ümläut", "'tick"]
)
def test_cells_are_what_they_were_and_run_nowhere(value: str) -> None:
    """What a spreadsheet would run is written so that it does not, and read as it was."""
    line = encode_line([None] * 3 + [value] + [None] * (len(COLUMNS) - 4))

    (row,) = decode(HEADER + line, "r.csv")

    assert row["batch_id"] == value
    assert not line.decode().split(",")[3].startswith(("=", "+", "-", "@"))


def test_what_readr_and_others_write_is_read() -> None:
    """A byte order mark, CRLF, semicolons, quotes, blank lines and NA."""
    text = '\ufeffprovider;batch_id;batch_input_path;done\r\n"openai";NA;"a b.jsonl";TRUE\r\n\r\n'

    (row,) = decode(text.encode(), "r.csv")

    assert (row["provider"], row["batch_id"], row["batch_input_path"], row.done) == (
        "openai",
        "",
        "a b.jsonl",
        True,
    )
    assert (row.where, row.segment, row.attempt) == ("r.csv:2", 1, 1)
