"""What published files say once a child asks ids again that were published as failed."""

from pathlib import Path
from typing import Any

import pytest

from reconciler import decide, engine
from reconciler.config import settle
from reconciler.model.exchange import Result
from tests.plugging import Plugs, Seen, items, put_answers, texts, unread
from tests.workspaces import answered, failed, manifest, put, record, request, results, settings


def loud(result: Result) -> Any:
    """Something of our own."""
    return {"loud": (result.text or "").upper()}


def test_retrying_a_settled_batch_keeps_its_values(tmp_path: Path) -> None:
    """Only outcome and child of the line change; values of the others stay, and the receipt tells them."""
    put(tmp_path, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 429)])
    assert Plugs(loud).run(tmp_path).exit_code == 0
    before = results(tmp_path, "1")
    assert decide.retry(str(tmp_path), settings(), ["1"]).told
    after = results(tmp_path, "1")
    assert after[0] == before[0]
    assert after[0]["value"] is not None
    assert after[1] == {**before[1], "outcome": "retried", "child": "1.r1"}
    path = tmp_path / "target" / "1.results.jsonl"
    assert manifest(tmp_path, "1")["receipts"]["process-output"]["bytes"] == path.stat().st_size


def test_files_get_an_index_that_says_so_and_no_results(tmp_path: Path) -> None:
    """With `files`, the index is what changes; no results file appears."""
    put(tmp_path, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 429)])
    assert Plugs("files").run(tmp_path).exit_code == 0
    decide.retry(str(tmp_path), settings(), ["1"])
    index = (tmp_path / "target" / "1.files" / "index.jsonl").read_text("utf-8")
    assert '"outcome":"retried"' in index
    assert not (tmp_path / "target" / "1.results.jsonl").exists()


@pytest.mark.parametrize("gone", [True, False], ids=["results-gone", "a-value-alone"])
def test_where_no_outcomes_are_published_none_appear(tmp_path: Path, *, gone: bool) -> None:
    """Results that were moved away, or a value of the whole batch, are left so; the child asks anyway."""
    put(tmp_path, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 429)])
    plugs = Plugs() if gone else Plugs(lambda batch, _context: {"answered": batch.answered})
    assert plugs.run(tmp_path).exit_code == 0
    if gone:
        (tmp_path / "target/1.results.jsonl").unlink()
    before = {path.name: path.read_bytes() for path in (tmp_path / "target").iterdir()}
    proof = manifest(tmp_path, "1")["receipts"]["process-output"]
    decide.retry(str(tmp_path), settings(), ["1"])
    assert {path.name: path.read_bytes() for path in (tmp_path / "target").iterdir()} == before
    assert manifest(tmp_path, "1")["receipts"]["process-output"] == proof
    assert manifest(tmp_path, "1")["coverage"]["retried"]["requests"] == 1
    assert (tmp_path / "batch_input_1.r1.jsonl").exists()


def test_a_line_that_somebody_edited_stays(tmp_path: Path) -> None:
    """A line that is not ours any more is left as it is."""
    put(tmp_path, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 429)])
    assert Plugs(loud).run(tmp_path).exit_code == 0
    path = tmp_path / "target" / "1.results.jsonl"
    path.write_bytes(b"not ours\n\xff\n" + path.read_bytes())
    decide.retry(str(tmp_path), settings(), ["1"])
    assert path.read_bytes().startswith(b"not ours\n\xff\n")
    assert b'"outcome":"retried"' in path.read_bytes()


def test_a_table_of_lines_that_somebody_edited_stays(tmp_path: Path) -> None:
    """The CSV is made of the lines; where one of them is none of ours it stays as it was; retry goes on."""
    put(tmp_path, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 429)])
    assert Plugs(loud).run(tmp_path, csv=True).exit_code == 0
    lines, table = tmp_path / "target" / "1.results.jsonl", tmp_path / "target" / "1.results.csv"
    before = table.read_bytes()
    lines.write_bytes(lines.read_bytes() + b"not ours\n")
    assert decide.retry(str(tmp_path), settings(csv=True), ["1"]).told
    assert b'"outcome":"retried"' in lines.read_bytes()
    assert table.read_bytes() == before
    assert not [path for path in (tmp_path / "target").iterdir() if path.name.startswith(".")]
    assert (tmp_path / "batch_input_1.r1.jsonl").exists()


def test_a_table_says_what_its_lines_say(tmp_path: Path) -> None:
    """Once a child asks a request again, the CSV says so, too."""
    put(tmp_path, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 429)])
    assert Plugs(loud).run(tmp_path, csv=True).exit_code == 0
    decide.retry(str(tmp_path), settings(csv=True), ["1"])
    table = (tmp_path / "target" / "1.results.csv").read_text("utf-8").splitlines()
    assert [("retried" in line, "1.r1" in line) for line in table[1:]] == [(False, False), (True, True)]


def test_a_processor_that_was_chosen_clears_what_another_left(tmp_path: Path) -> None:
    """Settled by `results` because somebody said so: no file says any more that answers were not handled."""
    put_answers(tmp_path, 2, output=texts("{", "no"))
    assert Plugs(content="json").run(tmp_path).exit_code == 3
    assert unread(tmp_path)
    assert Plugs().run(tmp_path).exit_code == 3, "a pass that merely lacks the flag settles nothing"
    chosen = settle(flags={"output.processor": "results"})
    assert engine.reconcile(str(tmp_path), chosen).exit_code == 0
    assert unread(tmp_path) == []
    assert items(tmp_path) == []


@pytest.mark.parametrize("order", [("1", "2", "1"), ("1", "2", "3", "2")], ids="-".join)
def test_every_token_that_has_begun_is_remembered(tmp_path: Path, order: tuple[str, ...]) -> None:
    """Going back to an earlier version is a redelivery, under the token that it had the first time."""
    put_answers(tmp_path)
    told: dict[str, list[tuple[str, bool]]] = {}
    for version in order:
        seen = Seen(lambda _result: 1 / 0)
        Plugs(seen, version=version).run(tmp_path)
        told.setdefault(version, []).append((seen.calls[0].token, seen.calls[0].redelivery))
    first, again = told[order[-1]]
    assert (first[1], again) == (False, (first[0], True))
    begun = record(tmp_path, "1")["receipts"]["process-output"]["begun"]
    assert len(begun) == len(set(order))
