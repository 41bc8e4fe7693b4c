"""Batches of three providers and one more, at several attempts, as one table."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.check import check
from reconciler.cli.render_results import table
from reconciler.importing import import_registry
from reconciler.model.rows import COLUMNS
from reconciler.processors.parquet import pyarrow
from reconciler.results import Results
from reconciler.session import Options
from reconciler.testing import FakeProvider, Fate, Outcome
from reconciler.testing.fates import EXPIRED, MISSING, http_error
from tests.five import client_of, lines_of, number_of, online
from tests.online import Online, put_input
from tests.registries.ancestor import OutputDir, create, ids_of, requests_of, write_input
from tests.workspaces import answered, failed, put, request, run, scratch, settings

PROVIDERS = ("openai", "anthropic", "gemini")
SHORT = [name for name in COLUMNS if name not in {"text", "tool_calls", "usage", "body", "value"}]


@pytest.fixture
def root() -> Iterator[Path]:
    """A workspace with a batch of each provider, and one that was answered elsewhere, in two attempts."""
    with scratch() as folder, FakeProvider() as fake:
        for number, name in enumerate(PROVIDERS, start=1):
            put_input(folder / "w", lines_of(name), str(number))
            Online(folder / "w", fake, client_of(name, fake)).wait()
        put(folder / "w", "4", input=[request(0), request(1)], output=[answered(1)], error=[failed(0, 500)])
        run(folder / "w", provider="mistral")
        put(folder / "w", "4.r1", output=[answered(0)])
        run(folder / "w")
        yield folder / "w"


def test_three_providers_and_one_of_pairwisellm_are_one_table() -> None:
    """
    Three batches at three providers and one that pairwiseLLM had sent: one CSV, one Parquet, one table.

    The CSV and the Parquet are those that passes keep; row for row they and the table say the same.
    """
    with scratch() as folder, FakeProvider() as fake:
        root, there = folder / "w", OutputDir(folder / "multi")
        fake.clock.advance(60)
        ids = ids_of("openai", 4)
        asked = requests_of("openai", ids)
        there.path.mkdir()
        write_input(there.path / "x.jsonl", "openai", asked)
        there.add("openai", create(fake, "openai", there.path / "x.jsonl", asked), ids)
        there.write()
        clients = {name: client_of(name, fake) for name in PROVIDERS}
        for number, name in enumerate(PROVIDERS, start=1):
            put_input(root, lines_of(name), str(number))
            others = tuple(client for other, client in clients.items() if other != name)
            place = Online(root, fake, clients[name], {"combined": "all.csv", "csv": True}, others=others)
            place.wait()
        import_registry(str(root), settings(), there.path, Options(clock=place.now))
        assert place.wait().exit_code == 0
        assert place.wait(combined="all.parquet").exit_code == 0
        assert place.creates() == 4

        found = list(Results(str(root), settings()))
        rows = [{name: getattr(row, name) for name in COLUMNS} for row in found]
        in_csv = list(csv.DictReader(io.StringIO((root / "target/all.csv").read_text(), newline="")))
        parquet = pyarrow()[1].read_table(str(root / "target/all.parquet")).to_pylist()
        lines = list(table(found, ["lineage", "custom_id", "outcome", "attempt", "text"]))[1:]
    assert [(row["lineage"], row["custom_id"], row["provider"], row["outcome"]) for row in rows] == [
        *[
            (str(number), f"q-{n}", name, "answered")
            for number, name in enumerate(PROVIDERS, start=1)
            for n in range(1, 6)
        ],
        *[("multi_01", each, "openai", "answered") for each in ids],
    ]
    assert in_csv == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in parquet
    ]
    assert [[row[name] for name in SHORT] for row in rows] == [
        [row[name] for name in SHORT] for row in parquet
    ]
    assert [line.split()[:4] for line in lines] == [
        [row["lineage"], row["custom_id"], row["outcome"], str(row["attempt"])] for row in parquet
    ]


def leftover(custom_id: str) -> Outcome | None:
    """What becomes of request number n: of 1,000, 30 fail for now, 15 expire and 15 never come."""
    number = number_of(custom_id)
    if number % 100 in (3, 50, 99):
        return http_error((429, 500, 503)[number % 3])
    if number % 200 in (7, 8, 100):
        return EXPIRED
    return MISSING if number % 200 in (11, 151, 197) else None


def test_exactly_what_is_left_over_is_asked_again() -> None:
    """
    1,000 requests, 60 left over (errors, expiry, missing): exactly these 60 are sent again, bytes unchanged.

    The results hold all 1,000, in order, each with its attempt, and `check` balances.
    """
    again = [number for number in range(1, 1001) if leftover(f"q-{number}") is not None]
    assert len(again) == 60
    with scratch() as folder, FakeProvider() as fake:
        root = folder / "w"
        place = online(root, fake, "openai", 1000, flags={"combined": "all.csv"})
        before = (root / "workdir/batch_input_1.jsonl").read_bytes().splitlines(keepends=True)
        # What never came is not counted as answered either: else a person would have to decide.
        fake.script(Fate(choose=leftover, counts={"completed": 940, "failed": 45}))
        assert place.wait().exit_code == 0
        assert [batch.total for batch in fake.batches] == [1000, 60]
        sent = (root / "done/1.r1/batch_input_1.r1.jsonl").read_bytes()
        assert sent == b"".join(before[number - 1] for number in again)
        rows = list(csv.DictReader(io.StringIO((root / "target/all.csv").read_text(), newline="")))
        assert [(row["custom_id"], row["outcome"], row["attempt"]) for row in rows] == [
            (f"q-{number}", "answered", "2" if number in again else "1") for number in range(1, 1001)
        ]
        verdict = check(str(root), settings())
        assert verdict.findings == []


def test_three_providers_and_one_more_are_one_table(root: Path, tmp_path: Path) -> None:
    """CSV, Parquet and the table for people hold the same rows, in order, each with provider and attempt."""
    found = Results(str(root), settings())
    rows = [{name: getattr(row, name) for name in COLUMNS} for row in found]
    assert found.problems == []
    asked = [
        (str(number), f"q-{n}", name, 1)
        for number, name in enumerate(PROVIDERS, start=1)
        for n in range(1, 6)
    ]
    assert [(row["lineage"], row["custom_id"], row["provider"], row["attempt"]) for row in rows] == [
        *asked,
        ("4", "q-0", "mistral", 2),
        ("4", "q-1", None, 1),
    ]
    assert {row["outcome"] for row in rows} == {"answered"}

    parquet = pyarrow()[1].read_table(found.write(str(tmp_path / "all.parquet"))).to_pylist()
    text = Path(found.write(str(tmp_path / "all.csv"))).read_text("utf-8")
    in_csv = list(csv.DictReader(io.StringIO(text, newline="")))
    assert in_csv == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in parquet
    ]
    lines = list(table(found, ["lineage", "custom_id", "outcome", "attempt", "text"]))[1:]
    assert [line.split(maxsplit=4) for line in lines] == [
        [row["lineage"], row["custom_id"], row["outcome"], str(row["attempt"]), row["text"]]
        for row in parquet
    ]
    assert [[row[name] for name in SHORT] for row in rows] == [
        [row[name] for name in SHORT] for row in parquet
    ]
