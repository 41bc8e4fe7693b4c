"""`Batch` from a script to typed answers, over the wire to a provider that keeps the real rules."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import attrs
import pytest

from reconciler import Workspace
from reconciler.authoring.batch import Batch
from reconciler.authoring.runs import Run
from reconciler.check import check
from reconciler.errors import UsageError
from reconciler.providers.keys import KeyMissing, ProviderOptions
from reconciler.providers.registry import make
from reconciler.testing import FakeProvider
from reconciler.testing.fates import Fate, Outcome
from tests.authoring.documents import pdf, png, text
from tests.online import Online
from tests.workspaces import record, settings

KEYS: Final = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "mistral": "MISTRAL_API_KEY",
}
MODELS: Final = {
    "openai": "gpt-4o-mini",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "mistral": "mistral-small-latest",
}
ULM: Final = '{"name": "Ulm", "people": 128928}'
EAGER: Final = {"policy.settle_seconds": 0}


@attrs.frozen
class City:
    """A form of answers."""

    name: str
    people: int


def test_a_script_runs_to_its_answers_and_pays_nothing_the_second_time(tmp_path: Path) -> None:
    """What was answered is read again, not asked again; equal rows keep an answer each."""

    def script() -> Batch:
        batch = Batch(tmp_path / "ws", provider="local", system="Say it back.")
        return batch.add("one").add("two").add("one")

    run = script().run(settings=EAGER)
    assert run.is_complete
    assert [answer.value for answer in run.results()] == ["one", "two", "one"]
    again = script().run(settings=EAGER)
    assert (again.added.requests, again.added.there) == (0, 3)
    assert [answer.value for answer in again.results()] == ["one", "two", "one"]


@pytest.mark.parametrize(("raw_files", "there"), [(None, True), (True, True), (False, False)])
def test_raw_files_are_kept_or_removed_with_their_results_published(
    tmp_path: Path, *, raw_files: bool | None, there: bool
) -> None:
    """False is `[retain] jsonl = "remove"`; the answers stay in any case, and nothing is asked again."""
    batch = Batch(tmp_path / "ws", provider="local", raw_files=raw_files).add("one")

    run = batch.run(settings=EAGER)

    assert (tmp_path / "ws/done/requests-0001/batch_input_requests-0001.jsonl").exists() == there
    assert [answer.value for answer in run.results()] == ["one"]
    assert batch.run(settings=EAGER).added.there == 1
    assert not check(str(tmp_path / "ws"), settings()).findings


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    """Not even the workspace; it says what would be made and what is there."""
    batch = Batch(tmp_path / "ws", "gpt-4o-mini", items_per_batch=2).add_many({"prompt": p} for p in "abc")
    found = batch.plan()
    assert [(part.provider, len(part.items)) for part in found.parts] == [("openai", 2), ("openai", 1)]
    assert not (tmp_path / "ws").exists()
    batch.write()
    assert (batch.plan().requests, batch.plan().there) == (0, 3)


def test_nothing_to_ask_is_refused(tmp_path: Path) -> None:
    """An empty batch is a mistake of its author, and makes no workspace."""
    for call in ("plan", "write", "run"):
        with pytest.raises(UsageError, match="empty batch"):
            getattr(Batch(tmp_path / "ws", "gpt-4o-mini"), call)()
    assert not (tmp_path / "ws").exists()


def test_a_row_that_cannot_be_asked_is_named(tmp_path: Path) -> None:
    """Which row it was, and why; the rows before it are in."""
    batch = Batch(tmp_path / "ws", "gpt-4o-mini")
    with pytest.raises(UsageError, match="row 1: neither a prompt nor messages"):
        batch.add_many([{"prompt": "a"}, {"system": "b"}])
    with pytest.raises(UsageError, match="row 0 is no row"):
        batch.add_many(cast("Any", ["a"]))
    assert len(batch) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda batch: batch.add(5),
        lambda batch: batch.add("a", file=5),
        lambda batch: batch.add("a", file=["a.txt", 5]),
        lambda batch: batch.add("a", response_model={"name": "Ulm"}),
        lambda batch: batch.limit(cost_usd="5"),
        lambda batch: batch.limit(cost_usd="5 dollars"),
        lambda batch: batch.canary("ten"),
        lambda batch: batch.canary(5, at_least="most"),
        lambda batch: Batch(batch.workspace, items_per_batch=cast("Any", "5")),
    ],
)
def test_values_of_the_wrong_type_are_mistakes_of_the_author(
    wrong: Callable[[Any], object], tmp_path: Path
) -> None:
    """Each is told as such, and none ends in an error of Python."""
    text(tmp_path / "a.txt", "a")
    with pytest.raises(UsageError):
        wrong(Batch(tmp_path / "ws", "gpt-4o-mini"))


def test_answers_come_in_the_form_that_was_asked_for(tmp_path: Path) -> None:
    """A value of the model, through fences and prose; what is none has failed, and says why."""
    said = iter(['```json\n{"name": "Ulm", "people": 128928}\n```', '{"name": "Ulm"}'])

    async def answer(_request: Any) -> Mapping[str, Any]:
        message = {"role": "assistant", "content": next(said)}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}

    batch = (
        Batch(tmp_path / "ws", provider="local").add("a", response_model=City).add("b", response_model=City)
    )
    run = batch.run(worker=answer, settings={**EAGER, "local.concurrency": 1})
    first, second = run.results()
    assert first.value == City("Ulm", 128928)
    assert (second.outcome, second.value) == ("failed", None)
    assert "people" in (second.error or "")
    rows = list(Workspace.open(tmp_path / "ws").results())
    assert rows[0].value == {"name": "Ulm", "people": 128928}
    assert rows[1].error_class == "invalid-answer"


def test_an_invalid_answer_is_asked_again_where_the_policy_says_so(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """The schema travels with the batch and its retry child: a later pass needs none of the script's code."""
    client = make(
        "openai", ProviderOptions(base_url=fake_provider.url("openai")), {KEYS["openai"]: FakeProvider.key}
    )
    assert not isinstance(client, KeyMissing)
    fake_provider.script(
        Fate(outcomes={"a": Outcome(text="no idea")}), Fate(outcomes={"a": Outcome(text=ULM)})
    )
    batch = Batch(tmp_path / "ws", "gpt-4o-mini").add("Ulm?", custom_id="a", response_model=City)
    batch.write()
    online = Online(tmp_path / "ws", fake_provider, client)
    again: Any = {"invalid-answer": "retry"}
    assert online.wait(**again).exit_code == 0
    assert online.creates() == 2
    (row,) = Workspace.open(tmp_path / "ws").results()
    assert (row.value, row.attempt) == ({"name": "Ulm", "people": 128928}, 2)
    (answer,) = Run(str(tmp_path / "ws"), batch.write(), online.wait()).results()
    assert answer.value == City("Ulm", 128928)


def test_it_works_beside_a_running_loop(tmp_path: Path) -> None:
    """The async twins give the same."""
    batch = Batch(tmp_path / "ws", provider="local").add("one")
    run = asyncio.run(batch.run_async(settings=EAGER))
    assert [answer.value for answer in run.results()] == ["one"]
    assert asyncio.run(batch.submit_async(settings=EAGER)).added.there == 1


@pytest.mark.parametrize("provider", list(KEYS))
def test_a_batch_with_files_is_answered_by_each_provider(
    provider: str, tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """From a prompt, a picture and a PDF to answers: a batch for each form, of the model that was named."""
    client = make(
        provider, ProviderOptions(base_url=fake_provider.url(provider)), {KEYS[provider]: FakeProvider.key}
    )
    assert not isinstance(client, KeyMissing)
    files = [png(tmp_path / "a.png"), pdf(tmp_path / "b.pdf", "Hello")]
    batch = Batch(tmp_path / "ws", MODELS[provider], params={"max_tokens": 50})
    batch.add("What is this?", file=files).add("And this?", custom_id="mine", response_model=City)
    batch.write()
    fake_provider.script(*[Fate(default=Outcome(text=ULM))] * 2)
    online = Online(tmp_path / "ws", fake_provider, client, flags={"provider": "none"})
    report = online.wait()
    assert report.exit_code == 0, [each.because for each in report.batches]
    assert online.creates() == 2
    run = Run(str(tmp_path / "ws"), batch.write(), report)
    assert [answer.outcome for answer in run.results()] == ["answered", "answered"]
    assert run.results()[1].value == City("Ulm", 128928)
    assert not check(str(tmp_path / "ws"), settings()).findings


@pytest.mark.parametrize(
    "said",
    [
        {"time": "2h30m"},
        {"time": 9000},
        {"time": dt.timedelta(hours=2.5)},
        {"hours": 2, "minutes": 30},
        {"hours": 1, "minutes": 89, "seconds": 60},
    ],
)
def test_a_time_limit_is_said_in_any_words(tmp_path: Path, said: dict[str, Any]) -> None:
    """They all mean the same, and stand in the metadata of each batch that is made."""
    before = time.time()
    Batch(tmp_path / "ws", "gpt-4o-mini", items_per_batch=1).add("a").add("b").limit(**said).write()
    for name in ("requests-0001", "requests-0002"):
        found = record(tmp_path / "ws", name)["limit"]
        assert found["seconds"] == 9000.0
        assert before + 9000 <= found["until"] <= time.time() + 9000


@pytest.mark.parametrize(
    "said",
    [{}, {"time": 0}, {"time": -1}, {"time": "soon"}, {"hours": 1, "minutes": -1}, {"time": 1, "hours": 1}],
)
def test_no_time_is_refused(tmp_path: Path, said: dict[str, Any]) -> None:
    """Nothing, less than nothing, no time at all, or two of them; nothing is written."""
    with pytest.raises(UsageError):
        Batch(tmp_path / "ws", "gpt-4o-mini").add("a").limit(**said)
    assert not (tmp_path / "ws").exists()
