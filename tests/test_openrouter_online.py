"""
What only OpenRouter's way of taking batches asks of a workspace: one model, one endpoint, pages, no cancel.

What it has in common with the others is in `test_online.py`, `test_online_ended.py` and
`test_online_doubts.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.decide_online import cancel
from reconciler.errors import ReconcilerError
from reconciler.inventory import audit
from reconciler.model.report import State
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import End, expired
from tests.five import client_of
from tests.online import Online, put_input
from tests.workspaces import live, record, results

CHAT = "/v1/chat/completions"


@pytest.fixture
def fake(fake_provider: FakeProvider) -> FakeProvider:
    """A fake provider whose clock is past the times of all files."""
    fake_provider.clock.advance(60)
    return fake_provider


def line(number: int, url: str = CHAT, **body: Any) -> dict[str, Any]:
    """A request."""
    messages = [{"role": "user", "content": f"question {number}"}]
    body = {"model": "maker/model", "max_tokens": 9, "messages": messages, **body}
    body = {name: value for name, value in body.items() if value is not None}
    return {"custom_id": f"q-{number}", "method": "POST", "url": url, "body": body}


def asked_of(root: Path, fake: FakeProvider, *lines: dict[str, Any]) -> Online:
    """A workspace with these requests."""
    put_input(root, list(lines))
    return Online(root, fake, client_of("openrouter", fake))


@pytest.mark.parametrize(
    ("lines", "where", "words"),
    [
        ([line(1), line(2), line(3, model="other/model")], 3, "its model is other/model"),
        ([line(1, model=None), line(2, model="a"), line(3, model="b")], 3, "that of the batch is a"),
        ([line(1), line(2, "/v1/responses")], 2, "its url is /v1/responses"),
        ([line(1, model=None), line(2, model=None)], 1, "no line names a model"),
    ],
)
def test_what_holds_for_the_whole_batch(
    tmp_path: Path, fake: FakeProvider, lines: list[Any], where: int, words: str
) -> None:
    """Lines that do not agree on model and endpoint are told by file and line; nothing was sent."""
    asked = asked_of(tmp_path / "ws", fake, *lines)
    report = asked.run()

    assert (report.exit_code, report.batch("1").state) == (3, State.ATTENTION)
    assert f"batch_input_1.jsonl:{where}: " in report.batch("1").because
    assert words in report.batch("1").because
    assert len(fake.calls) == 0


@pytest.mark.parametrize("url", [CHAT, "/v1/responses", "/v1/messages", "/v1/embeddings"])
def test_each_endpoint(tmp_path: Path, fake: FakeProvider, url: str) -> None:
    """The lines say which endpoint the batch is for; answers of each are read."""
    asked = asked_of(
        tmp_path / "ws", fake, line(1, url, input="hello"), line(2, url, input="hello", model=None)
    )

    assert asked.wait().exit_code == 0
    assert fake.batches[0].extra["endpoint"] == url
    assert fake.batches[0].extra["model"] == "maker/model"
    texts = [each["text"] for each in results(asked.root, "1")]
    assert texts == ([None, None] if url.endswith("embeddings") else ["question 1", "question 2"])


@pytest.mark.parametrize("pages", [True, False], ids=["pages", "in-the-batch"])
@pytest.mark.parametrize("first", [True, False], ids=["results-first", "results-last"])
def test_many_results(tmp_path: Path, fake: FakeProvider, *, pages: bool, first: bool) -> None:
    """Results of several pages, or in the batch itself, arrive whole, whatever the order of its members."""
    fake.openrouter.switches.pages, fake.openrouter.switches.results_first = pages, first
    asked = asked_of(tmp_path / "ws", fake, *[line(number) for number in range(1, 451)])

    assert asked.wait().exit_code == 0
    found = results(asked.root, "1")
    assert [each["custom_id"] for each in found] == [f"q-{number}" for number in range(1, 451)]
    assert {each["outcome"] for each in found} == {"answered"}
    assert fake.calls.count("download") == (3 if pages else 1)


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_an_early_end_without_results(tmp_path: Path, fake: FakeProvider, end: End) -> None:
    """Where nothing is held of a batch that ended early, all of it is asked again."""
    fake.openrouter.switches.early = False
    fake.script(Fate(end=end, done=0))
    asked = asked_of(tmp_path / "ws", fake, line(1), line(2))

    assert asked.wait().exit_code == 0
    assert {each["outcome"] for each in results(asked.root, "1")} == {"retried"}
    assert {each["outcome"] for each in results(asked.root, "1.r1")} == {"answered"}


def test_a_batch_that_cannot_be_stopped(tmp_path: Path, fake: FakeProvider) -> None:
    """A cancel is refused before anything is written; what expires later is asked again as ever."""
    fake.script(Fate(end="expired", done=1, polls=3))
    asked = asked_of(tmp_path / "ws", fake, line(1), line(2))
    asked.run()
    before = record(asked.root, "1")
    with pytest.raises(ReconcilerError, match="no call that stops a batch"):
        asked.decide(cancel)

    assert record(asked.root, "1") == before
    assert asked.wait().exit_code == 0
    assert [each["outcome"] for each in results(asked.root, "1")] == ["answered", "retried"]


def test_settled_batches_are_removed_there(tmp_path: Path, fake: FakeProvider) -> None:
    """`audit --delete-remote` removes a settled batch with what it holds, and none that runs."""
    asked = asked_of(tmp_path / "ws", fake, line(1))
    asked.wait()
    fake.default(Fate(polls=100))
    put_input(asked.root, [line(2)], "2")
    asked.wait(timeout=300)
    inventory = audit(str(asked.root), asked.settings(), asked.options, delete_remote=True)

    (held,) = inventory.held
    assert (held.batches, held.files, held.removed, inventory.findings) == (2, 1, 1, ())
    assert [batch.deleted for batch in fake.batches] == [True, False]
    assert (live(asked.root) / "batch_metadata_2.jsonl").exists()


def test_the_same_ids_on_the_wire(tmp_path: Path, fake: FakeProvider) -> None:
    """What leaves is numbered under the intent; what is kept has its own ids."""
    asked = asked_of(tmp_path / "ws", fake, line(7), line(8))
    fake.script(expired(1))
    asked.run()
    intent = record(asked.root, "1")["intent"]
    batch = fake.batches[0]
    sent = [json.loads(each) for each in batch.source.line_at(iter(batch.lines))]

    assert [each["custom_id"] for each in sent] == [f"{intent[:8]}-1", f"{intent[:8]}-2"]
    assert [set(each) for each in sent] == [{"custom_id", "body"}] * 2
    assert asked.wait().exit_code == 0
    kept = (asked.root / "done/1/batch_output_1.jsonl").read_bytes()
    assert json.loads(kept)["custom_id"] == "q-7"
