"""
The examples of batchata's README, line by line in our words, for each of its three providers.

The table of `docs/coming-from.md` says the same. Time is the provider's own, which a wait moves on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from pydantic import BaseModel

from reconciler import Batch, Run
from reconciler.authoring import stopping
from reconciler.choices import options_of, prepared
from reconciler.errors import UsageError
from reconciler.testing import FakeProvider
from reconciler.testing.fates import Fate, Outcome, http_error
from tests.authoring.documents import pdf

QUICK: Final = {"provider.per_batch_delay": 0.0, "policy.settle_seconds": 0.0}
MODELS: Final = {
    "anthropic": "claude-sonnet-4-20250514",
    "openai": "gpt-4.1-2025-04-14",
    "gemini": "gemini-2.5-flash",
}
VARIABLES: Final = {"anthropic": "ANTHROPIC", "openai": "OPENAI", "gemini": "GEMINI"}


class InvoiceAnalysis(BaseModel):
    """The form of its complete example."""

    invoice_number: str
    total_amount: float
    vendor: str
    payment_status: str


@pytest.fixture
def fake(fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """Its variables hold the keys, but that Gemini's is called as Google's own client calls it."""
    for name, variable in VARIABLES.items():
        monkeypatch.setenv(f"{variable}_API_KEY", fake_provider.key)
        monkeypatch.setenv(f"{variable}_BASE_URL", fake_provider.url(name))
    return fake_provider


@pytest.fixture
def invoices(tmp_path: Path) -> list[Path]:
    """Three invoices, of two pages each."""
    return [
        pdf(
            tmp_path / f"invoice{n}.pdf",
            f"Invoice number: INV-{n}\nVendor: Firm {n}",
            f"Total amount: {n},200.50 USD\nPayment status: paid",
        )
        for n in (1, 2, 3)
    ]


def said(n: int) -> InvoiceAnalysis:
    """What the *n*-th invoice says."""
    return InvoiceAnalysis(
        invoice_number=f"INV-{n}", total_amount=n * 1000 + 200.5, vendor=f"Firm {n}", payment_status="paid"
    )


def run_of(batch: Batch, fake: FakeProvider) -> Run:
    """`batch.run()`, in the provider's time."""
    run = batch.submit(settings=QUICK)
    chosen: Any = {"settings": QUICK}
    ready = prepared(run.workspace, chosen)
    options = attrs.evolve(
        options_of(ready, chosen, ()),
        clock=lambda: fake.clock.now,
        pause=lambda seconds, _stopping: fake.clock.advance(seconds),
    )
    stopping.wait(run.asking, ready.settings, options, timeout=7 * 86400)
    return run


@pytest.mark.parametrize("provider", list(MODELS))
def test_quick_start(provider: str, fake: FakeProvider, invoices: list[Path], tmp_path: Path) -> None:
    """
    A job for each file, with defaults for all of them; results by what became of them.

    Theirs: `Batch(results_dir=...).set_default_params(model=...)`, `.add_job(file=, prompt=)`, `.run()`,
    `.results()`.
    """
    fake.default(Fate(default=Outcome(text="A short summary.")))
    batch = Batch(tmp_path / "output", model=MODELS[provider])
    for file in invoices:
        batch.add(file=file, prompt="Summarize")

    run = run_of(batch, fake)

    results = run.results()
    assert [answer.value for answer in results.completed] == ["A short summary."] * 3
    assert (results.failed, results.cancelled, results.pending) == ([], [], [])


def test_the_complete_example(fake: FakeProvider, invoices: list[Path], tmp_path: Path) -> None:
    """
    Typed answers of PDFs with the page of each value, a limit of time, three requests a batch, and a status.

    Theirs prints `citations.get("vendor").page` of lists; ours is the page of the surest citation.
    """
    batch = Batch(
        tmp_path / "invoice_results",
        model=MODELS["anthropic"],
        items_per_batch=3,
        fresh=True,  # reuse_previous=False
        params={"temperature": 0.0},
    )
    batch.limit(minutes=10)
    for invoice_file in invoices:
        batch.add(
            file=invoice_file,
            prompt="Extract the invoice number, total amount, vendor name, and payment status.",
            response_model=InvoiceAnalysis,
            citations=True,
        )

    run = run_of(batch, fake)

    told = []
    for n, answer in enumerate(run.results().completed, 1):
        analysis, citations = answer.value, answer.citation_mappings
        assert analysis == said(n)
        told.append({name: citations[f"/{name}"][0].citation.first for name in InvoiceAnalysis.model_fields})
        assert {each.citation.title for (each, *_) in citations.values()} == {f"invoice{n}.pdf"}
    assert told == [{"invoice_number": 1, "vendor": 1, "total_amount": 2, "payment_status": 2}] * 3
    status = run.status()
    assert (status.requests.completed, status.requests.total) == (3, 3)
    assert (status.batches.completed, status.batches.total) == (1, 1)
    assert len(run.results().failed) + len(run.results().cancelled) == 0


@pytest.mark.parametrize("provider", ["openai", "gemini"])
def test_the_complete_example_elsewhere(
    provider: str, fake: FakeProvider, invoices: list[Path], tmp_path: Path
) -> None:
    """The same without citations, which they do not give either; fences around the answer do no harm."""
    fake.default(Fate(default=Outcome(text=f"```json\n{said(1).model_dump_json()}\n```")))
    batch = Batch(tmp_path / "results", model=MODELS[provider], params={"temperature": 0.0})
    batch.add(file=invoices[0], prompt="Extract.", response_model=InvoiceAnalysis)
    (answer,) = run_of(batch, fake).results().completed
    assert (answer.value, dict(answer.citation_mappings)) == (said(1), {})
    with pytest.raises(UsageError, match="gives no citations"):
        batch.add(file=invoices[0], prompt="Extract.", citations=True)


def test_failed_jobs_are_told(fake: FakeProvider, tmp_path: Path) -> None:
    """What its results call failed, with the error; as a JSON file each, too."""
    batch = Batch(tmp_path / "ws", model=MODELS["openai"])
    batch.add(messages=[{"role": "user", "content": "Hello"}], custom_id="good")
    batch.add(messages=[{"role": "user", "content": "Hello!"}], custom_id="bad")
    fake.default(Fate(outcomes={"bad": http_error(400, message="no such thing")}))
    run = run_of(batch, fake)
    (failed,) = run.results().failed
    assert (failed.custom_id, failed.is_success, failed.error) == ("bad", False, "no such thing")
    found = [json.loads(path.read_bytes()) for path in Path(run.to_json()).glob("*.json")]
    assert {each["custom_id"]: each["is_success"] for each in found} == {"good": True, "bad": False}


def test_where_theirs_starts_anew_or_loses(fake: FakeProvider, tmp_path: Path) -> None:
    """
    A dry run writes nothing; a script run again after its answers came asks nothing and has them all.

    Theirs keeps no batch ids, and removes the folder of results where it has no state file.
    """

    def script() -> Batch:
        return Batch(tmp_path / "ws", model=MODELS["openai"]).add("Hello").add("World")

    assert script().plan().requests == 2
    assert not (tmp_path / "ws").exists()
    first = run_of(script(), fake)
    sent = len(fake.calls.of("create"))
    again = run_of(script(), fake)
    assert len(fake.calls.of("create")) == sent == 1
    assert [a.value for a in again.results()] == [a.value for a in first.results()] == ["Hello", "World"]


def test_a_scan_cannot_be_cited(fake: FakeProvider, tmp_path: Path) -> None:
    """A PDF of pictures alone is refused when it is added, before anything is written, as theirs is."""
    batch = Batch(tmp_path / "ws", model=MODELS["anthropic"])
    with pytest.raises(UsageError, match="holds pictures of text and no text"):
        batch.add(file=pdf(tmp_path / "scan.pdf"), prompt="Read.", citations=True)
    assert not (tmp_path / "ws").exists()
    assert not fake.calls.of("create")
