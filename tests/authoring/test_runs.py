"""`Run`: where described requests stand, seen from any process, waited for, stopped, and kept as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler import Batch, Run, Workspace
from reconciler.authoring import stopping
from reconciler.authoring.answers import Answer
from reconciler.authoring.counting import Count, RunStatus
from reconciler.check import check
from reconciler.choices import options_of, prepared
from reconciler.config import Settings
from reconciler.errors import UsageError
from reconciler.testing import FakeProvider
from reconciler.testing.fates import Fate, Outcome, http_error, refused
from reconciler.workspace.effects import Effects
from tests.workspaces import put, request, settings

QUICK: Final = {"provider.per_batch_delay": 0.0, "policy.settle_seconds": 0.0, "provider.poll_seconds": 1.0}
LATER: Final = Fate(polls=99)
ULM: Final = '{"name": "Ulm", "people": 128928}'


@attrs.frozen
class City:
    """A form of answers."""

    name: str
    people: int


@pytest.fixture
def fake(fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """A provider that is reached by environment, as by any official client."""
    monkeypatch.setenv("OPENAI_API_KEY", fake_provider.key)
    monkeypatch.setenv("OPENAI_BASE_URL", fake_provider.url("openai"))
    return fake_provider


def submitted(root: Path, prompts: str = "abcd", **more: Any) -> Run:
    """A run that was sent: a request for each letter, with that letter as its id."""
    batch = Batch(root / "ws", "gpt-4o-mini", **more)
    return batch.add_many({"prompt": p, "custom_id": p} for p in prompts).submit(settings=QUICK)


def ids(answers: list[Answer]) -> str:
    """Their ids, in order."""
    return "".join(answer.custom_id for answer in answers)


def waited(run: Run, fake: FakeProvider, **flags: Any) -> None:
    """Wait as `Run.wait` does, in the virtual time of the provider."""
    stopping.wait(*_passes(run, fake, **flags), timeout=7 * 86400)


def _passes(run: Run, fake: FakeProvider, **flags: Any) -> tuple[Any, Settings, Any]:
    chosen: Any = {"settings": {**QUICK, **flags}}
    ready = prepared(run.workspace, chosen)
    options = attrs.evolve(
        options_of(ready, chosen, ()),
        clock=lambda: fake.clock.now,
        pause=lambda seconds, _stopping: fake.clock.advance(seconds),
    )
    return run.asking, ready.settings, options


def test_a_status_counts_every_request_once(tmp_path: Path, fake: FakeProvider) -> None:
    """Pending before it is sent, active at the provider, then completed or failed; the parts add up."""
    batch = Batch(tmp_path / "ws", "gpt-4o-mini").add_many({"prompt": p, "custom_id": p} for p in "abcd")
    batch.write()
    opened = Run.open(tmp_path / "ws", settings=QUICK)
    assert opened.status().requests == Count(total=4, pending=4)
    assert opened.status().batches == Count(total=1, pending=1)
    fake.script(Fate(polls=1, outcomes={"b": http_error(400)}))

    run = batch.submit(settings=QUICK)

    assert run.status().requests == Count(total=4, active=4)
    assert (run.is_complete, run.status().batches) == (False, Count(total=1, active=1))
    waited(run, fake)
    found = run.status()
    assert found.requests == Count(total=4, completed=3, failed=1)
    assert (found.is_complete, found.batches, found.eta) == (True, Count(total=1, completed=1), None)
    assert found.elapsed is not None
    assert attrs.evolve(opened.status(), seen_at=0) == attrs.evolve(found, seen_at=0)


def test_another_process_sees_the_same_without_the_code_that_asked(
    tmp_path: Path, fake: FakeProvider
) -> None:
    """Values come by the schema that travels with the batch; only their type stays behind."""
    fake.script(Fate(default=Outcome(text=ULM)))
    batch = (
        Batch(tmp_path / "ws", "gpt-4o-mini")
        .add("Ulm?", response_model=City)
        .add("Bonn?", response_model=City)
    )
    run = batch.submit(settings=QUICK)
    waited(run, fake)

    opened = Run.open(tmp_path / "ws")

    assert [answer.value for answer in run.results()] == [City("Ulm", 128928)] * 2
    assert [answer.value for answer in opened.results()] == [json.loads(ULM)] * 2
    assert [answer.custom_id for answer in opened.results()] == [a.custom_id for a in run.results()]
    assert (len(run), len(opened), opened.is_complete) == (2, 2, True)


def test_a_run_may_be_opened_of_some_batches(tmp_path: Path) -> None:
    """Names and patterns choose batches as everywhere; what matches nothing is refused."""
    for name in ("cities", "rivers"):
        Batch(tmp_path / "ws", provider="local", name=name).add(name).write()

    assert len(Run.open(tmp_path / "ws")) == 2
    assert ids(list(Run.open(tmp_path / "ws", "rivers-*").results())) != ""
    assert len(Run.open(tmp_path / "ws", "rivers-*")) == 1
    with pytest.raises(UsageError, match="no batch is called lakes"):
        Run.open(tmp_path / "ws", "lakes").status()
    with pytest.raises(UsageError):
        Run.open(tmp_path / "nowhere")


def test_results_come_in_groups_and_in_the_order_of_adding(tmp_path: Path, fake: FakeProvider) -> None:
    """Whatever batches they went out in; each request is in one group."""
    batch = Batch(tmp_path / "ws", "gpt-4o-mini")
    for at, each in enumerate("abcdef"):
        batch.add(each, custom_id=each, model="gpt-4o" if at % 2 else "")
    fake.default(Fate(outcomes={"b": http_error(400), "c": http_error(400)}))
    run = batch.submit(settings=QUICK)
    waited(run, fake)

    results = run.results()

    assert len(fake.batches) == 2
    assert (ids(list(results)), ids(results.completed), ids(results.failed)) == ("abcdef", "adef", "bc")
    assert (results.cancelled, results.pending, len(results)) == ([], [], 6)
    assert (results[0].custom_id, results[-1].custom_id, ids(results[1:3])) == ("a", "f", "bc")
    with pytest.raises(IndexError):
        results[6]


def test_an_answer_says_whose_batch_it_was_and_what_it_took(tmp_path: Path, fake: FakeProvider) -> None:
    """The id of the batch at its provider, and tokens as they were counted there."""
    run = submitted(tmp_path, "a")
    waited(run, fake)

    (answer,) = run.results()

    assert answer.row is not None
    assert (answer.batch_id, answer.row.batch) == (fake.batches[0].id, "requests-0001")
    assert answer.usage is not None
    assert answer.total_tokens == answer.usage["total_tokens"] > 0
    assert (answer.is_success, answer.text, answer.error) == (True, "a", None)
    assert (answer.citations, answer.citation_mappings) == ((), {})


def test_an_answer_elsewhere_counts_more_than_a_failure(tmp_path: Path, fake: FakeProvider) -> None:
    """A request that a person has put right under another name has its answer, and is counted once."""
    fake.script(Fate(default=http_error(400)), Fate())
    run = submitted(tmp_path, "ab")
    waited(run, fake)
    assert ids(run.results().failed) == "ab"
    failed = (tmp_path / "ws/done/requests-0001/batch_input_requests-0001.jsonl").read_bytes()
    line = failed.replace(b'"temperature"', b'"top_p"').splitlines(keepends=True)[0]
    (tmp_path / "ws/workdir/batch_input_mended.jsonl").write_bytes(
        line.replace(b'"content":"a"', b'"content":"A"')
    )
    for _ in range(3):
        Workspace.open(tmp_path / "ws", provider="openai", settings=QUICK).reconcile()

    assert [(answer.custom_id, answer.is_success) for answer in run.results()] == [("a", True), ("b", False)]
    assert run.status().requests == Count(total=2, completed=1, failed=1)
    assert len(Run.open(tmp_path / "ws")) == 3


def test_each_answer_is_a_file(tmp_path: Path, fake: FakeProvider) -> None:
    """Whole files with harmless names, an index, and each file makes the same answer again."""
    batch = Batch(tmp_path / "ws", "gpt-4o-mini").add("a", custom_id="a").add("b", custom_id="../b")
    run = batch.submit(settings=QUICK)
    assert _leaves(run.to_json(tmp_path / "early")) == {"index.jsonl"}
    waited(run, fake)

    folder = Path(run.to_json())

    assert folder == tmp_path / "ws/target/answers"
    index = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
    assert [(each["custom_id"], each["outcome"]) for each in index] == [
        ("a", "completed"),
        ("../b", "completed"),
    ]
    assert {each["file"] for each in index} | {"index.jsonl"} == _leaves(folder)
    found = [json.loads((folder / each["file"]).read_text()) for each in index]
    assert [Answer.from_dict(each) for each in found] == list(run.results())
    assert found[0]["total_tokens"] == run.results()[0].total_tokens
    assert found[0]["batch_id"] == fake.batches[0].id
    assert not check(str(tmp_path / "ws"), settings()).findings
    assert Path(run.to_json(tmp_path / "mine")) == tmp_path / "mine"
    with pytest.raises(UsageError, match="files of its own"):
        run.to_json(tmp_path / "ws/done")


def test_requests_of_one_id_have_a_file_each(tmp_path: Path) -> None:
    """Batches of somebody else may share ids; nothing is overwritten."""
    for name in ("1", "2"):
        lines = [request(0) | {"body": {"model": name, "messages": []}}]
        put(tmp_path / "ws", name, input=lines, output=[_answer(name)])
    Workspace.open(tmp_path / "ws", provider="none").reconcile()

    folder = Path(Run.open(tmp_path / "ws").to_json())

    assert sorted(json.loads(p.read_text())["text"] for p in folder.glob("*.json")) == [
        "said by 1",
        "said by 2",
    ]


def _leaves(folder: str | Path) -> set[str]:
    return {each.name for each in Path(folder).iterdir()}


def _answer(name: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": f"said by {name}"}
    body = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return {"id": "r", "custom_id": "q-0", "response": {"status_code": 200, "body": body}, "error": None}


def test_cancelling_stops_what_is_in_flight_and_keeps_what_is_done(
    tmp_path: Path, fake: FakeProvider
) -> None:
    """What was answered is fetched, the rest is cancelled, and no later pass sends anything of the run."""
    fake.default(attrs.evolve(LATER, done=2, cancelling=1))
    run = submitted(tmp_path)
    other = tmp_path / "ws"
    Batch(other, "gpt-4o-mini", name="other").add("not of this run", custom_id="z").write()

    decision = run.cancel()

    assert fake.calls.count("cancel") == 1
    assert [told.partition(":")[0] for told in decision.told] == ["requests-0001"]
    waited(run, fake, **{"policy.max_attempts": 5})
    assert (ids(run.results().completed), ids(run.results().cancelled)) == ("ab", "cd")
    assert run.status().requests == Count(total=4, completed=2, cancelled=2)
    assert run.status().batches == Count(total=1, cancelled=1)
    assert len(fake.batches) == 1, "waiting for a run sends nothing of another one"
    Workspace.open(other, provider="openai", settings=QUICK).reconcile()
    assert len(fake.batches) == 2, "and a later pass sends that other one alone"
    assert not check(str(other), settings()).findings


def test_cancelling_ends_what_was_never_sent(tmp_path: Path, fake: FakeProvider) -> None:
    """Another process stops all of a workspace: in flight or not, nothing of it is sent by a later pass."""
    fake.default(attrs.evolve(LATER, done=0))
    submitted(tmp_path, "ab")
    Batch(tmp_path / "ws", "gpt-4o-mini", name="later").add("never", custom_id="c").write()
    run = Run.open(tmp_path / "ws", settings=QUICK)

    decision = run.cancel()

    assert (len(decision.told), decision.refused) == (2, ())
    waited(run, fake)
    assert run.status().requests == Count(total=3, cancelled=3)
    assert run.status().batches == Count(total=2, cancelled=2)
    assert (len(fake.batches), fake.calls.count("cancel")) == (1, 1)
    assert run.cancel().told == ()
    assert not check(str(tmp_path / "ws"), settings()).findings


def test_cancelling_asks_nobody_where_all_has_ended(tmp_path: Path, fake: FakeProvider) -> None:
    """A run that is complete is left as it is."""
    run = submitted(tmp_path)
    waited(run, fake)

    decision = run.cancel()

    assert run.status().requests == Count(total=4, completed=4)
    assert (fake.calls.count("cancel"), decision.told, decision.exit_code) == (0, (), 0)


@pytest.mark.usefixtures("fake")
def test_an_end_can_be_told_by_the_pace_of_a_batch(tmp_path: Path) -> None:
    """Not before a count has moved, nor while something is not sent."""
    run = submitted(tmp_path)
    assert run.status().eta is None
    fake_counts = {"total": 4, "completed": 3, "failed": 0}
    path = tmp_path / "ws/workdir/batch_metadata_requests-0001.jsonl"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "counts": fake_counts, "sent_at": record["sent_at"] - 300}) + "\n")

    found = run.status()

    assert (found.arriving, found.requests.active) == (3, 4)
    assert found.eta == pytest.approx(100, abs=20)
    Batch(tmp_path / "ws", "gpt-4o-mini", name="more").add("more").write()
    assert Run.open(tmp_path / "ws").status().eta is None


def test_a_refused_batch_has_failed_and_is_no_end_of_its_requests(tmp_path: Path, fake: FakeProvider) -> None:
    """Nothing ran: its requests can still be sent, and nobody is told that they failed."""
    fake.script(refused())
    run = submitted(tmp_path)
    waited(run, fake)

    assert run.status().batches == Count(total=1, failed=1)
    assert (run.status().requests.pending, run.is_complete) == (4, False)


@pytest.mark.usefixtures("fake")
def test_looking_changes_nothing(tmp_path: Path) -> None:
    """Status, results and their length take no lock: they work while a pass holds it."""
    run = submitted(tmp_path, "ab")
    fx = Effects(str(tmp_path / "ws"))
    with fx.lock(".reconciler/lock"):
        assert isinstance(run.status(), RunStatus)
        assert (len(run), ids(run.results().pending)) == (2, "ab")
    fx.close()
