"""Batches of three providers and one more, at several attempts, as one table."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.render_results import table
from reconciler.model.rows import COLUMNS
from reconciler.processors.parquet import pyarrow
from reconciler.results import Results
from reconciler.testing import FakeProvider
from tests.five import client_of, lines_of
from tests.online import Online, put_input
from tests.workspaces import answered, failed, put, request, run, scratch, settings

PROVIDERS = ("openai", "anthropic", "gemini")


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
    shown = [name for name in COLUMNS if name not in {"text", "tool_calls", "usage", "body", "value"}]
    lines = list(table(found, ["lineage", "custom_id", "outcome", "attempt", "text"]))[1:]
    assert [line.split(maxsplit=4) for line in lines] == [
        [row["lineage"], row["custom_id"], row["outcome"], str(row["attempt"]), row["text"]]
        for row in parquet
    ]
    assert [[row[name] for name in shown] for row in rows] == [
        [row[name] for name in shown] for row in parquet
    ]
