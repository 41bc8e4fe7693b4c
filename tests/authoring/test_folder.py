"""
A folder of scans and PDFs becomes a typed table whose values name their pages.

One folder in two sizes: a few files in every run, two hundred as `slow`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from pydantic import BaseModel

from reconciler import Workspace
from reconciler.authoring.batch import Batch
from reconciler.authoring.parting import Part
from reconciler.authoring.runs import Run
from reconciler.check import check
from reconciler.codec.jsonl import Line
from reconciler.codec.request import decode_request
from reconciler.pricing.book import price_of
from reconciler.pricing.estimate import estimate
from reconciler.providers.keys import KeyMissing, ProviderOptions
from reconciler.providers.registry import make
from reconciler.testing import FakeProvider
from tests.authoring.documents import pdf, png
from tests.online import Online
from tests.workspaces import settings

MODEL: Final = "claude-sonnet-4-5"
PARTS: Final = 4
"""Batches that the folder makes."""


class Party(BaseModel):
    """Who wants the money."""

    vendor: str
    city: str | None = None


class Bill(BaseModel):
    """A row of the table."""

    number: str
    total: float
    party: Party
    item: list[str]


def bill(at: int) -> Bill:
    """What the *at*-th file says."""
    items = [f"thing {at}-{n}" for n in range(at % 3)]
    return Bill(number=f"N-{at:04}", total=at * 10.25, party=Party(vendor=f"Firm {at}"), item=items)


def folder_of(path: Path, size: int) -> list[Path]:
    """Files of a folder: every fourth is a picture, the others have two pages of text."""
    path.mkdir()
    found = []
    for at in range(size):
        said = bill(at)
        first = f"Number: {said.number}\nVendor: {said.party.vendor}"
        second = "\n".join([*(f"Item: {each}" for each in said.item), f"Total: {said.total} EUR"])
        if at % 4 == 3:
            found.append(png(path / f"{at:04}.png", f"{first}\n{second}"))
        else:
            found.append(pdf(path / f"{at:04}.pdf", first, second))
    return found


def batch_of(workspace: Path, files: list[Path]) -> Batch:
    """The requests: pictures cannot be cited, and are asked without."""
    batch = Batch(workspace, MODEL, items_per_batch=len(files) // PARTS, params={"max_tokens": 500})
    for file in files:
        cited = file.suffix == ".pdf"
        batch.add(
            "What does this bill say?", file=file, response_model=Bill, citations=cited, custom_id=file.stem
        )
    return batch


def _reserved(parts: Sequence[Part]) -> float:
    """What the dearest of some batches may cost, in dollars, by the estimate that a pass makes."""
    price = price_of("anthropic", MODEL)
    assert price is not None
    found = []
    for part in parts:
        lines = [Line(1, 0, item.line(custom_id).rstrip(b"\n")) for custom_id, item in part.items]
        guesses = [estimate(decode_request(line, "input"), price.most) for line in lines]
        found.append(sum(float(price.of(guess.tokens)) for guess in guesses))
    return max(found)


@pytest.mark.parametrize("size", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_a_folder_becomes_a_typed_table(size: int, tmp_path: Path, fake_provider: FakeProvider) -> None:
    """
    Every file has its row, with the values that stand in it; of a PDF each value names its file and page.

    A limit of cost stops it on the way, and what is spent stays below; raised, it is finished. Run again, the
    script adds nothing and sends nothing.
    """
    files = folder_of(tmp_path / "bills", size)
    options = ProviderOptions(base_url=fake_provider.url("anthropic"))
    client = make("anthropic", options, {"ANTHROPIC_API_KEY": FakeProvider.key})
    assert not isinstance(client, KeyMissing)
    online = Online(tmp_path / "ws", fake_provider, client, flags={"provider": "none"})
    batch = batch_of(tmp_path / "ws", files)
    added = batch.write()
    assert (added.requests, len(added.parts)) == (size, PARTS)
    assert sum(part.in_words for part in added.parts) == size - size // 4
    limit = _reserved(added.parts)  # room for any batch, and none for the dearest once something is spent
    stopped = online.wait(max_cost_usd=limit)
    assert stopped.exit_code == 3
    answers = Run(str(tmp_path / "ws"), batch.write(), stopped).results()
    assert 0 < len(answers.completed) < size
    assert len(answers.completed) + len(answers.pending) == size
    assert 0 < sum(each.cost_usd or 0 for each in answers) <= limit
    report = online.wait(max_cost_usd=10 * limit)
    assert report.exit_code == 0, [each.because for each in report.batches]

    answers = Run(str(tmp_path / "ws"), batch_of(tmp_path / "ws", files).write(), report).results()
    assert [answer.value for answer in answers] == [bill(at) for at in range(size)]
    table = Workspace.open(tmp_path / "ws").results().write(str(tmp_path / "bills.csv"))
    rows = list(csv.DictReader(Path(table).read_text("utf-8").splitlines()))
    assert [row["custom_id"] for row in rows] == [file.stem for file in files]
    for at, (row, file) in enumerate(zip(rows, files, strict=True)):
        assert Bill.model_validate_json(row["value"]) == bill(at)
        if file.suffix == ".png":
            assert (row["citations"], row["citation_mappings"]) == ("", "")
            continue
        mappings = json.loads(row["citation_mappings"])
        pages = {"/number": 1, "/party/vendor": 1, "/total": 2}
        pages |= {f"/item/{n}": 2 for n in range(at % 3)}
        assert {where: each[0]["citation"]["first"] for where, each in mappings.items()} == pages
        assert {each[0]["citation"]["title"] for each in mappings.values()} == {file.name}
        assert {each[0]["confidence"] for each in mappings.values()} == {1.0}
    creates = online.creates()
    assert batch_of(tmp_path / "ws", files).write().requests == 0
    assert online.wait().exit_code == 0
    assert online.creates() == creates == len(added.parts)
    assert not check(str(tmp_path / "ws"), settings()).findings
