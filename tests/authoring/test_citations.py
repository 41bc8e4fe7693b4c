"""From documents to typed answers that say where in them each value was found, over the wire to the fake."""

from __future__ import annotations

import csv
import json
from enum import Enum
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from pydantic import BaseModel

from reconciler import Workspace
from reconciler.authoring.answers import Answer
from reconciler.authoring.batch import Batch
from reconciler.authoring.runs import Run
from reconciler.check import check
from reconciler.errors import UsageError
from reconciler.model.citation import Unit
from reconciler.providers.keys import KeyMissing, ProviderOptions
from reconciler.providers.registry import make
from reconciler.testing import FakeProvider
from reconciler.testing.fates import Fate, Outcome
from tests.authoring.documents import pdf, png, text
from tests.cli.calling import call
from tests.online import Online
from tests.workspaces import settings

MODEL: Final = "claude-sonnet-4-5"


class Status(Enum):
    """Of a bill."""

    PAID = "paid"
    OPEN = "open"


class Vendor(BaseModel):
    """Who wants the money."""

    vendor: str
    city: str | None = None


class Invoice(BaseModel):
    """A bill, with a form within and a list."""

    number: str
    from_whom: Vendor
    total: float
    status: Status
    item: list[str]


PAGES: Final = (
    "Number: A-17\nVendor: Acme",
    "Item: one hammer\nItem: two nails",
    "Total: 1,234.50 EUR\nStatus: paid",
)


def _online(tmp_path: Path, fake: FakeProvider) -> Online:
    options = ProviderOptions(base_url=fake.url("anthropic"))
    client = make("anthropic", options, {"ANTHROPIC_API_KEY": FakeProvider.key})
    assert not isinstance(client, KeyMissing)
    return Online(tmp_path / "ws", fake, client, flags={"provider": "none"})


def _answered(batch: Batch, online: Online) -> list[Answer]:
    batch.write()
    report = online.wait()
    assert report.exit_code == 0, [each.because for each in report.batches]
    return list(Run(str(online.root), batch.write(), report).results())


def test_values_of_a_nested_model_name_their_pages(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """
    Each value has the citation of its own line, on its own page, in its own file, and is sure of it.

    A member that the document does not give is there with its default, and nothing vouches for it.
    """
    batch = Batch(tmp_path / "ws", MODEL)
    batch.add(
        "What is owed?", file=pdf(tmp_path / "bill.pdf", *PAGES), response_model=Invoice, citations=True
    )
    online = _online(tmp_path, fake_provider)
    (answer,) = _answered(batch, online)
    assert answer.value == Invoice(
        number="A-17",
        from_whom=Vendor(vendor="Acme"),
        total=1234.5,
        status=Status.PAID,
        item=["one hammer", "two nails"],
    )
    assert answer.row is not None
    mappings = answer.row.citation_mappings or {}
    assert {where: (each.citation.first, each.confidence) for where, (each,) in mappings.items()} == {
        "/number": (1, 1.0),
        "/from_whom/vendor": (1, 1.0),
        "/item/0": (2, 1.0),
        "/item/1": (2, 1.0),
        "/total": (3, 1.0),
        "/status": (3, 1.0),
    }
    total = mappings["/total"][0].citation
    assert (total.title, total.unit, total.last) == ("bill.pdf", Unit.PAGE, 3)
    assert (total.cited_text, total.text) == ("Total: 1,234.50 EUR", "1234.50")
    assert not check(str(tmp_path / "ws"), settings()).findings


def test_a_text_is_cited_by_its_characters(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """The characters of the file from the first to the last are what is quoted; no form, so no mapping."""
    file = text(tmp_path / "sky.txt", "The sky is blue. So is the sea.")
    online = _online(tmp_path, fake_provider)
    (answer,) = _answered(Batch(tmp_path / "ws", MODEL).add("Why?", file=file, citations=True), online)
    assert answer.value == "The sky is blue."
    assert answer.row is not None
    (found,) = answer.row.citations or ()
    assert found.first is not None
    assert found.last is not None
    assert file.read_text()[found.first : found.last + 1] == found.cited_text == "The sky is blue."
    assert (found.title, found.document, answer.row.citation_mappings) == ("sky.txt", 0, None)


def test_a_later_process_finds_them_in_every_table(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """What was published, `results` and its CSV say the same; also where only what was published is left."""
    batch = Batch(tmp_path / "ws", MODEL)
    file = pdf(tmp_path / "bill.pdf", *PAGES)
    batch.add("?", file=file, response_model=Invoice, citations=True, custom_id="a")
    online = _online(tmp_path, fake_provider)
    _answered(batch, online)
    published = tmp_path / "ws" / "target" / "requests-0001.results.jsonl"
    line = json.loads(published.read_bytes())
    (row,) = Workspace.open(tmp_path / "ws").results()
    told = json.loads(msgspec.json.encode([row.citations, row.citation_mappings]))
    assert told == [line["citations"], line["citation_mappings"]]
    assert len(line["citations"]) == 6
    Workspace.open(tmp_path / "ws").results().write(str(tmp_path / "all.csv"))
    (cells,) = csv.DictReader((tmp_path / "all.csv").read_text().splitlines())
    assert json.loads(cells["citation_mappings"]) == line["citation_mappings"]
    assert json.loads(cells["value"])["from_whom"] == {"vendor": "Acme", "city": None}
    for each in (tmp_path / "ws" / "done" / "requests-0001").glob("batch_*"):
        each.unlink()
    (left,) = Workspace.open(tmp_path / "ws").results()
    assert (left.citations, left.citation_mappings) == (row.citations, row.citation_mappings)


def test_the_form_is_asked_for_in_the_prompt(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """A plan says so, and nothing else is sent: the provider refuses a schema beside citations."""
    file = pdf(tmp_path / "bill.pdf", *PAGES)
    batch = Batch(tmp_path / "ws", MODEL).add("?", file=file, response_model=Invoice, citations=True)
    batch.add("?", file=file, response_model=Invoice)
    (part,) = batch.plan().parts
    assert (part.in_words, len(part.items)) == (1, 2)
    cited, plain = (json.loads(item.line(custom_id))["params"] for custom_id, item in part.items)
    assert "output_config" not in cited
    assert "JSON Schema" in cited["messages"][0]["content"][-1]["text"]
    assert plain["output_config"]["format"]["type"] == "json_schema"
    assert "citations" not in plain["messages"][0]["content"][0]
    online = _online(tmp_path, fake_provider)
    fake_provider.script(Fate(default=Outcome(text=json.dumps(SAID))))
    answers = _answered(batch, online)
    assert [answer.outcome for answer in answers] == ["answered", "answered"]


SAID: Final = {
    "number": "A-17",
    "from_whom": {"vendor": "Acme", "city": None},
    "total": 1234.5,
    "status": "paid",
    "item": [],
}


def test_prose_and_a_fence_around_the_json_do_no_harm(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """A model that talks first: the JSON is found, and each value has its own citation all the same."""
    said = f"Here you are:\n```json\n{json.dumps(SAID, indent=1)}\n```\nAnything else?"
    fake_provider.script(Fate(default=Outcome(text=said)))
    file = pdf(tmp_path / "bill.pdf", *PAGES)
    batch = Batch(tmp_path / "ws", MODEL).add("?", file=file, response_model=Invoice, citations=True)
    (answer,) = _answered(batch, _online(tmp_path, fake_provider))
    assert answer.row is not None
    mappings = answer.row.citation_mappings or {}
    found = {where: (each.citation.first, each.confidence) for where, (each, *_) in mappings.items()}
    # It cites what it says word for word: the line of the total says it in another way.
    assert found == {"/number": (1, 1.0), "/from_whom/vendor": (1, 1.0), "/status": (3, 1.0)}


def test_a_conversation_may_cite_its_files(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Files among messages are documents too; without one, or with a picture alone, it is refused."""
    file = pdf(tmp_path / "bill.pdf", *PAGES)
    asked: Any = [{"role": "user", "content": [file, "What is it?"]}]
    batch = Batch(tmp_path / "ws", MODEL).add(messages=asked, citations=True)
    (answer,) = _answered(batch, _online(tmp_path, fake_provider))
    assert answer.row is not None
    assert [each.first for each in answer.row.citations or ()] == [1, 2, 3]
    with pytest.raises(UsageError, match="citations of what"):
        batch.add(messages=[{"role": "user", "content": "What?"}], citations=True)
    with pytest.raises(UsageError, match="cannot be cited"):
        batch.add(messages=[{"role": "user", "content": [png(tmp_path / "a.png"), "?"]}], citations=True)


def test_the_command_line_asks_for_citations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`add --citations` with a schema: the dry run says that the prompt asks for the form."""
    pdf(tmp_path / "bill.pdf", *PAGES)
    rows = text(tmp_path / "rows.csv", "path\nbill.pdf\n")
    form = text(tmp_path / "form.json", json.dumps(Invoice.model_json_schema()))
    words: list[str | Path] = [
        "add",
        tmp_path / "ws",
        rows,
        "--template",
        "What?",
        "--model",
        MODEL,
        "--file-column",
        "path",
    ]
    words += ["--schema", form, "--citations", "--dry-run"]
    told = call(capsys, *words)
    assert told.code == 0
    assert "the prompt asks for the form of the answers" in told.out
    assert json.loads(call(capsys, *words, "--json").out)["batches"][0]["form_in_prompt"] == 1


def test_an_invalid_answer_is_asked_again_with_all_that_it_was_asked_with(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """
    The child has the document, the form and its name; the row then holds the valid answer and its citations.

    The pass that asks again, and the one that reads, have none of the code that asked.
    """
    fake_provider.script(Fate(default=Outcome(text="I see three pages.")))
    batch = Batch(tmp_path / "ws", MODEL)
    batch.add("?", file=pdf(tmp_path / "bill.pdf", *PAGES), response_model=Invoice, citations=True)
    batch.write()
    online = _online(tmp_path, fake_provider)
    online.flags = {}  # with `provider = "none"`, only `reconcile retry` asks again
    again: Any = {"invalid-answer": "retry"}
    assert online.wait(**again).exit_code == 0
    assert online.creates() == 2
    (row,) = Workspace.open(tmp_path / "ws").results()
    assert (row.outcome, row.attempt, row.batch) == ("answered", 2, "requests-0001.r1")
    assert Invoice.model_validate(row.value).number == "A-17"
    assert {where: each[0].citation.first for where, each in (row.citation_mappings or {}).items()}[
        "/total"
    ] == 3
    manifest = json.loads((tmp_path / "ws" / "done" / "requests-0001.r1" / "manifest.json").read_bytes())
    assert '"title":"Invoice"' in json.dumps(manifest).replace("\\", "").replace('": "', '":"')
