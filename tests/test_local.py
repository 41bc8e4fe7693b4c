"""
Batches that a function on this machine answers: each request is called once, and nobody else answers it.

What goes wrong with one request is shown in test_local_failures.py, and what stops the process in
test_local_stopped.py.
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.check import check
from reconciler.engine import reconcile
from reconciler.errors import PermanentError
from reconciler.executor.hooks import Hooks, Plugged
from reconciler.model.exchange import Request
from reconciler.model.failure import BadInput
from reconciler.model.policy import LOCAL
from reconciler.model.report import State
from reconciler.providers.echo import echo
from reconciler.session import Options
from reconciler.testing import FakeProvider
from tests.five import client_of
from tests.workers import LIVE, PATIENCE, Noted, answer, begun, chat, ids, names, noted, progress, raising
from tests.workspaces import (
    answered,
    failed,
    jsonl,
    ledger,
    manifest,
    put,
    record,
    request,
    results,
    run,
    scratch,
    settings,
)


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


@pytest.fixture
def log(root: Path) -> Path:
    """Where calls are written down."""
    return root.parent / "calls"


# What comes of it


def test_a_batch_is_answered_and_settles(root: Path, log: Path) -> None:
    """Each request is called once; the answers are a normal triple in input order; nothing else is left."""
    put(root, "1", input=[request(n) for n in range(5)])
    assert answer(root, Noted(log)).exit_code == 0
    assert noted(log) == Counter(names(5))
    assert ids(root / "done/1/batch_output_1.jsonl") == names(5)
    assert not (root / "done/1/batch_error_1.jsonl").exists()
    assert [line["text"] for line in results(root, "1")] == [f"answer to {each}" for each in names(5)]
    assert manifest(root, "1")["provider"] == "local"
    assert list((root / LIVE).iterdir()) == []
    assert [line["event"] for line in ledger(root)] == ["batch.begun", "batch.settled"]
    assert check(str(root), settings()).findings == []


def test_published_answers_need_no_progress(root: Path, log: Path) -> None:
    """A batch that stays for a person has its answers beside the input; its progress is gone all the same."""
    put(root, "1", input=[request(0)])
    report = answer(root, Noted(log, raising(PermanentError("no"))), failed="attention")
    assert report.batch("1").state is State.ATTENTION
    assert ids(root / "workdir/batch_error_1.jsonl") == ["q-0"]
    assert list((root / LIVE).iterdir()) == []


def test_a_settled_batch_is_not_called_again(root: Path, log: Path) -> None:
    """A second pass calls nothing, nor does one that finds a copy of the input back in the live folder."""
    put(root, "1", input=[request(0)])
    answer(root, Noted(log))
    assert answer(root, Noted(log)).batches == ()
    put(root, "1", input=[request(0)])
    assert answer(root, Noted(log)).exit_code == 0
    put(root, "1", input=[request(1)])
    assert answer(root, Noted(log)).batch("1").state is State.ATTENTION
    assert noted(log) == Counter(names(1))


def test_answers_come_in_input_order_whatever_order_they_end_in(root: Path) -> None:
    """The last request ends first and the first one last; the file does not show it."""
    put(root, "1", input=[request(n) for n in range(4)])
    gates: dict[str, asyncio.Event] = {}
    order: list[str] = []

    async def worker(asked: Request) -> dict[str, Any]:
        gates[asked.custom_id] = asyncio.Event()
        if len(gates) == 4:
            gates["q-3"].set()
        await gates[asked.custom_id].wait()
        order.append(asked.custom_id)
        following = f"q-{int(asked.custom_id[2:]) - 1}"
        if following in gates:
            gates[following].set()
        return chat(asked.custom_id)

    assert answer(root, worker).exit_code == 0
    assert order == ["q-3", "q-2", "q-1", "q-0"]
    assert ids(root / "done/1/batch_output_1.jsonl") == names(4)


# How many at once


def test_an_async_worker_fills_the_concurrency_and_no_more(root: Path) -> None:
    """Four can meet, so four are under way at once; nobody ever sees a fifth."""
    put(root, "1", input=[request(n) for n in range(12)])
    meeting = asyncio.Barrier(4)
    busy: list[int] = [0]
    most: list[int] = [0]

    async def worker(asked: Request) -> dict[str, Any]:
        busy[0] += 1
        most.append(busy[0])
        async with asyncio.timeout(PATIENCE):
            await meeting.wait()
        busy[0] -= 1
        return chat(asked.custom_id)

    assert answer(root, worker, concurrency=4).exit_code == 0
    assert max(most) == 4


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_plain_worker_is_called_in_threads_and_no_more_than_asked_for(concurrency: int, root: Path) -> None:
    """A plain function may block: so many calls as asked for can meet in threads, never one more."""
    put(root, "1", input=[request(n) for n in range(6)])
    meeting = threading.Barrier(concurrency)
    guard = threading.Lock()
    busy, most = [0], [0]

    def worker(asked: Request) -> dict[str, Any]:
        with guard:
            busy[0] += 1
            most.append(busy[0])
        meeting.wait(PATIENCE)
        with guard:
            busy[0] -= 1
        return chat(asked.custom_id)

    assert answer(root, worker, concurrency=concurrency).exit_code == 0
    assert max(most) == concurrency


# Bad input


@pytest.mark.parametrize(
    ("lines", "where", "words"),
    [
        pytest.param([request(0), b"{"], "workdir/batch_input_1.jsonl:2", "", id="no-json"),
        pytest.param([request(0), request(1), request(0)], ":3", "stands on an earlier line", id="twice"),
        pytest.param([b'{"custom_id":"a"}'], ":1", "no request", id="no-request"),
        pytest.param([b'{"a":NaN}'], ":1", "", id="nan"),
        pytest.param([], "workdir/batch_input_1.jsonl", "no request in it", id="empty"),
        pytest.param(
            [b"[]"] * 7 + [request(0)],
            ":1",
            "; line 2: not a JSON object: '[]'; line 3: not a JSON object: '[]'; line 4: not a JSON object:"
            " '[]'; line 5: not a JSON object: '[]'; and 2 more",
            id="many",
        ),
    ],
)
def test_a_bad_input_calls_nothing(lines: list[Any], where: str, words: str, root: Path, log: Path) -> None:
    """The whole input is read before the first call: exit 3, file and line; not even good lines go out."""
    put(root, "1", input=lines)
    before = (root / "workdir/batch_input_1.jsonl").read_bytes()
    report = answer(root, Noted(log))
    found = report.batch("1")
    assert (report.exit_code, found.state) == (3, State.ATTENTION)
    assert where in found.because
    assert words in found.because
    assert isinstance(found.failure, BadInput)
    assert noted(log) == Counter()
    assert not progress(root, "1").exists()
    assert (root / "workdir/batch_input_1.jsonl").read_bytes() == before


# Never chosen silently


@pytest.mark.parametrize("provider", ["none", "openai", "anthropic", "gemini", "mistral", "azure"])
def test_only_the_provider_local_calls_the_worker(provider: str, root: Path, log: Path) -> None:
    """A worker at hand is no reason to call it: only `[provider] name = "local"` is."""
    put(root, "1", input=[request(0)])
    report = answer(root, Noted(log), provider=provider)
    assert report.batch("1").state is State.HELD
    assert noted(log) == Counter()


def test_the_built_in_provider_is_none(root: Path) -> None:
    """Without any setting nothing is called, and nothing is echoed."""
    put(root, "1", input=[request(0)])
    assert run(root).batch("1").state is State.HELD
    assert not (root / LIVE).exists()


@pytest.mark.parametrize("submit", ["manual"])
def test_a_person_may_keep_the_decision(submit: str, root: Path, log: Path) -> None:
    """`submit = "manual"` holds for the embedded provider too."""
    put(root, "1", input=[request(0)])
    assert answer(root, Noted(log), submit=submit).batch("1").state is State.HELD
    assert noted(log) == Counter()


def test_failures_of_another_provider_are_not_called_here(root: Path, log: Path) -> None:
    """Answers that were put there by hand, retryable failures among them: the worker gets none of them."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 429)])
    report = answer(root, Noted(log))
    assert report.exit_code == 0
    assert noted(log) == Counter()
    assert not (root / "done/1.r1").exists()
    assert results(root, "1")[1]["outcome"] == "failed"


def test_missing_answers_of_another_provider_are_not_called_here(root: Path, log: Path) -> None:
    """An id without an answer needs a person, though a worker could answer it."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)])
    assert answer(root, Noted(log)).batch("1").state is State.ATTENTION
    assert noted(log) == Counter()


def test_a_run_goes_on_here_whoever_is_configured_by_now(root: Path, log: Path) -> None:
    """What was begun here is ended here: the other provider would be paid for what is answered already."""
    begun(root, log)
    assert answer(root, Noted(log), provider="openai").exit_code == 0
    assert noted(log) == Counter(names(6)[2:])


def test_metadata_says_who_answers_before_the_first_call(root: Path, log: Path) -> None:
    """By the time of the first call, metadata knows provider and input, and history that it began."""
    put(root, "1", input=[request(0)])
    seen: list[Any] = []

    def then(_asked: Request) -> dict[str, Any]:
        seen.append((record(root, "1"), [line["event"] for line in ledger(root)]))
        return chat("x")

    answer(root, Noted(log, then))
    ((known, events),) = seen
    assert (known["provider"], known["status"], known["input"]["requests"]) == ("local", "in_progress", 1)
    assert events == ["batch.begun"]


# Shapes


def test_every_shape_is_answered_in_its_own(root: Path) -> None:
    """The built-in echo answers each provider's lines in that provider's shape, with the last words."""
    asked = {"messages": [{"role": "user", "content": "hello"}]}
    lines = [
        {"custom_id": "chat", "method": "POST", "url": "/v1/chat/completions", "body": asked},
        {"custom_id": "responses", "method": "POST", "url": "/v1/responses", "body": {"input": "hello"}},
        {"custom_id": "embeddings", "method": "POST", "url": "/v1/embeddings", "body": {"input": "hello"}},
        {"custom_id": "anthropic", "params": asked},
        {"key": "gemini", "request": {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}},
        {"custom_id": "mistral", "body": asked},
    ]
    put(root, "1", input=lines)
    assert answer(root, echo).exit_code == 0
    found = {line["custom_id"]: line for line in results(root, "1")}
    assert {name: line["text"] for name, line in found.items()} == {
        "chat": "hello",
        "responses": "hello",
        "embeddings": None,
        "anthropic": "hello",
        "gemini": "hello",
        "mistral": "hello",
    }
    assert {line["outcome"] for line in found.values()} == {"answered"}
    output = [json.loads(line) for line in (root / "done/1/batch_output_1.jsonl").read_bytes().splitlines()]
    assert [sorted(line) for line in output[3:5]] == [["custom_id", "result"], ["key", "response"]]


def test_the_input_is_never_touched(root: Path, log: Path) -> None:
    """The bytes of the input in done/ are those that were put there."""
    put(root, "1", input=[request(0), request(1)])
    answer(root, Noted(log))
    assert (root / "done/1/batch_input_1.jsonl").read_bytes() == jsonl([request(0), request(1)])


def test_what_is_no_runner_of_ours_answers_nothing(
    root: Path, log: Path, fake_provider: FakeProvider
) -> None:
    """Whatever else a program registers as `local` is told, and nothing is called or written as begun."""
    put(root, "1", input=[request(0)])
    made = Hooks(providers={LOCAL: client_of("openai", fake_provider)})
    report = reconcile(str(root), settings(provider=LOCAL), Options(plugged=Plugged(lambda _name: made)))
    assert "no worker was given for the provider 'local'" in report.batch("1").because
    assert not (root / ".reconciler/live").exists()
    assert ledger(root) == []
    assert answer(root, Noted(log)).batch("1").state is State.SETTLED
