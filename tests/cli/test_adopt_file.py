"""A results file that a person has downloaded becomes the answers of an input, and stays where it is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.testing import FakeProvider, Fate
from tests.cli.calling import call
from tests.cli.remote import There, asked, reach
from tests.workspaces import Line, answered, failed, files, jsonl, ledger, leftovers, manifest, put, request


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    """A folder outside the workspace."""
    (tmp_path / "downloads").mkdir()
    return tmp_path / "downloads"


def put_results(folder: Path, lines: Sequence[Line], name: str = "results.jsonl") -> Path:
    """A results file."""
    path = folder / name
    path.write_bytes(jsonl(lines))
    return path


def kept(root: Path) -> Mapping[str, bytes]:
    """Every file that says something about a batch, as it is."""
    return {path: data for path, data in files(root).items() if path.startswith(("workdir/", "done/"))}


def test_a_file_is_split_and_settles_its_batch(
    workspace: Path, downloads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One file of answers and failures becomes the two files of the triple, and the batch settles."""
    put(workspace, "1", input=[request(n) for n in range(3)])
    lines = [answered(2), failed(1), answered(0)]
    path = put_results(downloads, lines)

    said = call(capsys, "adopt", workspace, "1", path)

    assert said.code == 0, said
    assert f"1: 2 lines of output, 1 line of error adopted from {path}" in said.out
    done = workspace / "done" / "1"
    assert (done / "batch_output_1.jsonl").read_bytes() == jsonl([lines[0], lines[2]])
    assert (done / "batch_error_1.jsonl").read_bytes() == jsonl([lines[1]])
    assert path.read_bytes() == jsonl(lines)
    (event,) = [each for each in ledger(workspace) if each["event"] == "batch.adopted"]
    assert (event["batch"], event["file"], len(event["sha256"])) == ("1", "results.jsonl", 64)
    assert call(capsys, "check", workspace).code == 0


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        pytest.param(
            [answered(0), answered(1), answered(7), answered(9)],
            '2 answers to ids that were never asked: "q-7" (results.jsonl:3), "q-9" (results.jsonl:4)',
            id="foreign",
        ),
        pytest.param(
            [answered(0), answered(n := 1), answered(n), *(answered(0) for _ in range(4))],
            '"q-1" (results.jsonl:3), "q-0" (results.jsonl:4), "q-0" (results.jsonl:5) and 2 more',
            id="twice",
        ),
        pytest.param([answered(0), b'{"custom_id": "q-1", "resp'], "results.jsonl:2", id="cut"),
        pytest.param([request(0), request(1)], "results.jsonl:1", id="an-input"),
        pytest.param([], "holds no answer", id="empty"),
    ],
)
def test_what_answers_something_else_is_refused(
    lines: Sequence[Line],
    told: str,
    workspace: Path,
    downloads: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A line of nobody's, an id twice, or no answers: 3, the exact difference, and nothing is changed."""
    put(workspace, "1", input=[request(0), request(1)])
    path = put_results(downloads, lines)
    before = kept(workspace)

    said = call(capsys, "adopt", workspace, "1", path)

    assert (said.code, kept(workspace)) == (3, before), said
    assert told in said.err


def test_what_is_missing_is_told(
    workspace: Path, downloads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that lacks answers is taken over, and the batch says which ids have none."""
    put(workspace, "1", input=[request(n) for n in range(3)])

    said = call(capsys, "adopt", workspace, "1", put_results(downloads, [answered(0)]))

    assert said.code == 3
    assert "1 line of output adopted" in said.out
    assert "2 requests without an answer in it" in said.out
    assert "2 of 3 ids have no answer" in said.out


@pytest.mark.parametrize("name", ["nowhere.jsonl", "./nowhere", "/nowhere"])
def test_a_file_that_is_not_there_is_no_batch_id(
    name: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What looks like a file and is none ends with 2; no provider is asked for it."""
    put(workspace, "1", input=[request(0)])

    said = call(capsys, "adopt", workspace, "1", name, "--provider", "openai")

    assert (said.code, f"there is no file {name}" in said.err) == (2, True), said


def test_a_folder_or_a_pipe_is_no_file(
    workspace: Path, downloads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only a regular file is read."""
    put(workspace, "1", input=[request(0)])
    os.mkfifo(downloads / "pipe")

    assert [call(capsys, "adopt", workspace, "1", each).code for each in (downloads, downloads / "pipe")] == [
        2,
        2,
    ]


def test_answers_that_are_here_are_not_replaced(
    workspace: Path, downloads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A batch with an answer file takes over no other one."""
    put(workspace, "1", input=[request(0), request(1)], output=[answered(0)])
    before = kept(workspace)

    said = call(capsys, "adopt", workspace, "1", put_results(downloads, [answered(1)]))

    assert (said.code, kept(workspace)) == (3, before)
    assert "only an input without answers" in said.err


def test_an_adoption_that_was_cut_off_is_done_again(
    workspace: Path, downloads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Metadata knows the files and one is not there yet: the same command finishes, no other file does."""
    put(workspace, "1", input=[request(0), request(1)])
    path = put_results(downloads, [answered(0), failed(1)])
    call(capsys, "adopt", workspace, "1", path, "--log-level", "error")
    done = workspace / "done" / "1"
    live = workspace / "workdir"
    # What a crash between the two files leaves: both in metadata, one of them named.
    record = json.loads((done / "batch_metadata_1.jsonl").read_bytes())
    record = {key: record[key] for key in ("schema", "name", "generation", "input", "roles") if key in record}
    (live / "batch_input_1.jsonl").write_bytes((done / "batch_input_1.jsonl").read_bytes())
    (live / "batch_output_1.jsonl").write_bytes((done / "batch_output_1.jsonl").read_bytes())
    (live / "batch_metadata_1.jsonl").write_bytes(jsonl([record]))
    for leaf in [*done.iterdir()]:
        leaf.unlink()
    done.rmdir()
    (workspace / "target" / "1.results.jsonl").unlink()

    other = call(
        capsys, "adopt", workspace, "1", put_results(downloads, [answered(0), failed(1, 429)], "other")
    )
    assert leftovers(workspace) == []
    again = call(capsys, "adopt", workspace, "1", path)

    assert (other.code, "is not the error that 1 had before" in other.err) == (3, True), other
    assert again.code == 0, again
    assert manifest(workspace, "1")["coverage"]["failed"]["requests"] == 1


@pytest.fixture
def anthropic(
    fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> There:
    """Anthropic, where ids travel as numbers."""
    return reach(fake_provider, "anthropic", monkeypatch, capsys)


def results_of(there: There) -> list[dict[str, Any]]:
    """The results of the last batch as the provider serves them."""
    address = f"{there.fake.url('anthropic')}/v1/messages/batches/{there.batch_id}"
    headers = {"x-api-key": there.fake.key, "anthropic-version": "2023-06-01"}
    for _ in range(3):
        httpx.get(address, headers=headers, trust_env=False)
    text = httpx.get(f"{address}/results", headers=headers, trust_env=False).text
    return [json.loads(line) for line in text.splitlines()]


def test_ids_on_the_wire_are_put_back(anthropic: There, workspace: Path, downloads: Path) -> None:
    """A file as Anthropic serves it bears wire ids; the answers get the ids of their requests again."""
    put(workspace, "1", input=[asked("anthropic", n) for n in range(3)])
    anthropic.fake.clock.advance(10)
    anthropic.call(workspace)
    lines = results_of(anthropic)
    assert all(not line["custom_id"].startswith("q-") for line in lines)

    said = anthropic.call("adopt", workspace, "1", put_results(downloads, lines))

    assert said.code == 0, said
    found = (workspace / "done" / "1" / "batch_output_1.jsonl").read_text("utf-8").splitlines()
    assert sorted(json.loads(line)["custom_id"] for line in found) == ["q-0", "q-1", "q-2"]
    assert anthropic.creates() == 1


def test_wire_ids_of_another_batch_are_foreign(anthropic: There, workspace: Path, downloads: Path) -> None:
    """The results of one batch are not those of another, though their numbers would fit."""
    anthropic.fake.default(Fate(polls=2))
    for name, start in (("1", 0), ("2", 10)):
        put(workspace, name, input=[asked("anthropic", start + n) for n in range(2)])
    anthropic.fake.clock.advance(10)
    anthropic.call(workspace)
    path = put_results(downloads, results_of(anthropic))

    said = anthropic.call("adopt", workspace, "1", path)

    assert said.code == 3
    assert "2 answers to ids that were never asked" in said.err
