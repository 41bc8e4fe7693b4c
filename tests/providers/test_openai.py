"""The client of OpenAI's batch API and of its copies: batches are made, looked at, listed and cancelled."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import CallRefused, NotThere, TransientError, Uncertain
from reconciler.model.exchange import Dialect
from reconciler.model.identity import Role
from reconciler.model.record import Counts, Refusal
from reconciler.model.remote import Order, RemoteBatch
from reconciler.providers.calls import Kind
from reconciler.providers.openai import OPENAI, Switches
from reconciler.providers.times import DAY
from tests.providers.asking_openai import INTENT, call, client
from tests.wires import Script, any_json, error_of, reply, source_of

ORDER = Order(INTENT, "/v1/chat/completions", None, 3)
NOBODY = source_of(b"")

BATCH: dict[str, Any] = {
    "id": "batch_1",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "errors": None,
    "input_file_id": "file-in",
    "completion_window": "24h",
    "status": "validating",
    "output_file_id": None,
    "error_file_id": None,
    "created_at": 1711471533,
    "request_counts": {"total": 0, "completed": 0, "failed": 0},
    "metadata": {"reconciler_intent": INTENT},
}
READ = RemoteBatch(
    "batch_1",
    "validating",
    endpoint="/v1/chat/completions",
    created_at=1711471533.0,
    intent=INTENT,
    input_file_id="file-in",
    results_until=1711471533.0 + 30 * DAY,
)


def test_says_what_it_is() -> None:
    """An input is uploaded, batches are found by their tags, and answers come as two files."""
    asked = client()

    assert (asked.name, asked.takes_file, asked.tags, asked.one_stream) == ("openai", True, True, False)
    assert asked.dialects == {Dialect.OPENAI}
    assert client(Switches(bare=True)).dialects == {Dialect.OPENAI, Dialect.MISTRAL}
    assert not client(Switches(metadata=False)).tags


@pytest.mark.parametrize(
    ("switches", "more"),
    [
        (OPENAI, {"metadata": {"reconciler_intent": INTENT}}),
        (Switches(metadata=False), {}),
        (Switches(window="7d"), {"completion_window": "7d", "metadata": {"reconciler_intent": INTENT}}),
        (
            Switches(expires_after=3600),
            {
                "metadata": {"reconciler_intent": INTENT},
                "output_expires_after": {"anchor": "created_at", "seconds": 3600},
            },
        ),
    ],
)
def test_create(switches: Switches, more: dict[str, Any]) -> None:
    """A create names the file, the endpoint and the window, and carries the intent as a tag."""
    wire = Script(BATCH)
    body = {"input_file_id": "file-in", "endpoint": "/v1/chat/completions", "completion_window": "24h"} | more

    assert client(switches).create(wire, ORDER, NOBODY, "file-in").batch_id == "batch_1"
    assert wire.calls == [call(Kind.CREATE, "POST", "/batches", json=body)]


@pytest.mark.parametrize(
    "answer", [b"<html>", b"", [], None, {}, {"id": None}, {"id": ""}, {"job": {}}, {"job": None}]
)
def test_a_create_that_names_no_batch_is_uncertain(answer: Any) -> None:
    """A provider that said yes and named no batch may have made one: no reader takes it for a refusal."""
    scripted = reply(answer) if isinstance(answer, bytes) else answer
    with pytest.raises(Uncertain):
        client().create(Script(scripted), ORDER, NOBODY, "file-in")


def test_a_created_batch_counts_even_without_a_status() -> None:
    """An id is all that a create has to bring: what was paid for is never lost over a missing word."""
    assert client().create(Script({"id": "batch_1"}), ORDER, NOBODY, "f") == RemoteBatch("batch_1", "")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, {}, id="validating"),
        pytest.param(
            {"request_counts": {"total": 10, "completed": 1, "failed": 0}, "status": "expired"},
            {"counts": Counts(10, 1, 0), "status": "expired"},
            id="expired-in-part",
        ),
        pytest.param({"output_file_id": "o"}, {"files": {Role.OUTPUT: "o"}}, id="output-alone"),
        pytest.param({"error_file_id": "e"}, {"files": {Role.ERROR: "e"}}, id="all-failed"),
        pytest.param(
            {"output_file_id": "o", "error_file_id": ""}, {"files": {Role.OUTPUT: "o"}}, id="empty-file-id"
        ),
        pytest.param(
            {"created_at": "2024-03-26T16:45:33Z", "status": "Validating"},
            {"status": "Validating"},
            id="azure-iso-and-capital",
        ),
        pytest.param(
            {"request_counts": {"total": None, "completed": None, "failed": None}}, {}, id="azure-null-counts"
        ),
        pytest.param({"request_counts": None}, {}, id="no-counts"),
        pytest.param({"metadata": None}, {"intent": None}, id="no-metadata"),
        pytest.param({"metadata": {"other": "x"}}, {"intent": None}, id="another-tool's-batch"),
        pytest.param({"created_at": None}, {"created_at": None, "results_until": None}, id="no-time"),
        pytest.param({"status": "PROGRESS"}, {"status": "PROGRESS"}, id="unknown-word"),
        pytest.param(
            {"output_expires_after": {"anchor": "created_at", "seconds": 3600}},
            {"results_until": 1711471533.0 + 3600},
            id="told-expiry",
        ),
        pytest.param(
            {
                "status": "failed",
                "errors": {
                    "object": "list",
                    "data": [
                        {"code": "invalid_json_line", "line": 3, "message": "no JSON", "param": None},
                        {"code": "token_limit_exceeded", "line": None, "message": "too much"},
                    ],
                },
            },
            {
                "status": "failed",
                "refusals": (
                    Refusal("invalid_json_line", "no JSON", 3),
                    Refusal("token_limit_exceeded", "too much"),
                ),
                "error": (
                    '{"object":"list","data":['
                    '{"code":"invalid_json_line","line":3,"message":"no JSON","param":null},'
                    '{"code":"token_limit_exceeded","line":null,"message":"too much"}]}'
                ),
            },
            id="refused-with-lines",
        ),
        pytest.param(
            {"status": "FAILED", "error": "bad file"},
            {"status": "FAILED", "refusals": (Refusal("", "bad file"),), "error": '"bad file"'},
            id="together-error-is-a-text",
        ),
        pytest.param({"errors": {"data": None}}, {}, id="empty-errors"),
        pytest.param(
            {"errors": {"data": [None, 7, {}, {"line": "x"}, {"message": "m", "line": 0}]}},
            {
                "refusals": (Refusal("", "m"),),
                "error": '{"data":[null,7,{},{"line":"x"},{"message":"m","line":0}]}',
            },
            id="errors-of-wrong-types",
        ),
    ],
)
def test_status(change: dict[str, Any], expected: dict[str, Any]) -> None:
    """Every shape of a batch that a provider is known to write is read as what it means."""
    wire = Script(BATCH | change)

    assert client().status(wire, "batch_1") == attrs.evolve(READ, **expected)
    assert wire.calls == [call(Kind.READ, "GET", "/batches/batch_1", paced=True)]


def test_together_wraps_what_it_creates() -> None:
    """A created batch below `job` is the batch."""
    assert client().create(Script({"job": BATCH}), ORDER, NOBODY, "file-in") == READ


@pytest.mark.parametrize("answer", [{}, [], None, {"id": 1}, {"id": None}, {"id": "batch_1", "status": None}])
def test_an_unreadable_status_is_a_passing_fault(answer: Any) -> None:
    """A reply without id or status tells nothing of the batch, and is asked for again."""
    with pytest.raises(TransientError) as caught:
        client().status(Script(answer), "batch_1")
    assert not isinstance(caught.value, Uncertain)


@pytest.mark.parametrize("bad", ["", ".", ".."])
def test_what_is_no_id_is_not_asked_for(bad: str) -> None:
    """An id that would change the path is no id: nothing is sent."""
    wire = Script()
    with pytest.raises(NotThere):
        client().status(wire, bad)
    assert wire.calls == []


def test_ids_stay_one_part_of_the_path() -> None:
    """Whatever an id holds, it reaches no other address."""
    wire = Script(BATCH)
    client().status(wire, "../files/a?b#c d")
    assert wire.calls[0].path == "/batches/..%2Ffiles%2Fa%3Fb%23c%20d"


def page(*ids: str, more: Any = False, key: str = "data", at: float | None = None) -> dict[str, Any]:
    """One page of a list, its batches a second apart, the newest first."""
    made = [BATCH | {"id": each, "created_at": None if at is None else at - n} for n, each in enumerate(ids)]
    return {"object": "list", key: made, "has_more": more}


@pytest.mark.parametrize(
    ("switches", "script", "asked", "found"),
    [
        pytest.param(OPENAI, [page("a", "b")], [{"limit": 100}], ["a", "b"], id="one-page"),
        pytest.param(
            OPENAI,
            [page("a", "b", more=True), page("c")],
            [{"limit": 100}, {"limit": 100, "after": "b"}],
            ["a", "b", "c"],
            id="two-pages",
        ),
        pytest.param(
            Switches(page=0),
            [page("a", more=True), page("b")],
            [{}, {"after": "a"}],
            ["a", "b"],
            id="no-limit",
        ),
        pytest.param(
            Switches(page=2),
            [page("a", "b", more=None), page("c", more=None)],
            [{"limit": 2}, {"limit": 2, "after": "b"}],
            ["a", "b", "c"],
            id="a-full-page-without-has-more",
        ),
        pytest.param(OPENAI, [page("a", key="value")], [{"limit": 100}], ["a"], id="azure-value"),
        pytest.param(OPENAI, [page()], [{"limit": 100}], [], id="empty"),
        pytest.param(Switches(page=0), [page("a", "b")["data"]], [{}], ["a", "b"], id="a-bare-list"),
    ],
)
def test_list(switches: Switches, script: list[Any], asked: list[Any], found: list[str]) -> None:
    """A list is read to its end, page by page."""
    wire = Script(*script)

    assert [batch.batch_id for batch in client(switches).batches(wire)] == found
    assert wire.calls == [call(Kind.READ, "GET", "/batches", params=params, paced=True) for params in asked]


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([page("a", more=True), page("a", more=True)], id="circle"),
        pytest.param([page(more=True)], id="goes-on-nowhere"),
        pytest.param([{"data": None}], id="no-data"),
        pytest.param(["x"], id="no-object"),
        pytest.param([{"data": [None]}], id="unreadable-batch"),
        pytest.param([{"data": [{"id": None}]}], id="batch-without-id"),
    ],
)
def test_a_list_that_cannot_be_read_is_no_list(script: list[Any]) -> None:
    """A batch that was overlooked would be paid for again: a list is whole, or an error."""
    with pytest.raises(TransientError):
        list(client().batches(Script(*script)))


def test_a_list_newest_first_ends_where_it_is_old() -> None:
    """With an order to go by, what is older than asked for is not fetched; without one, all is."""
    falling = Script(page("a", "b", more=True, at=100.0), page("c", more=True, at=50.0))
    assert [each.batch_id for each in client().batches(falling, since=60.0)] == ["a", "b", "c"]

    rising = Script(page("a", more=True, at=10.0), page("b", more=True, at=50.0), page("c", at=90.0))
    assert [each.batch_id for each in client().batches(rising, since=60.0)] == ["a", "b", "c"]
    assert (falling.left, rising.left) == (0, 0)


def test_cancel() -> None:
    """A cancel is one call."""
    wire = Script(BATCH | {"status": "cancelling"})
    client().cancel(wire, "batch_1")
    assert wire.calls == [call(Kind.CHANGE, "POST", "/batches/batch_1/cancel")]


@pytest.mark.parametrize("status", ["completed", "cancelled", "cancelling", "CANCELLED", "failed", "expired"])
@pytest.mark.parametrize("code", [400, 409])
def test_a_cancel_of_what_has_ended_is_done(status: str, code: int) -> None:
    """Who refuses to cancel because it is over already has given what was asked for."""
    wire = Script(CallRefused("no", status=code), BATCH | {"status": status})
    client().cancel(wire, "batch_1")
    assert wire.left == 0


@pytest.mark.parametrize(
    "script",
    [
        [CallRefused("no", status=409), BATCH | {"status": "in_progress"}],
        [CallRefused("no", status=403)],
        [NotThere("no", status=404)],
    ],
)
def test_a_cancel_that_was_refused_says_so(script: list[Any]) -> None:
    """A batch that still runs was not cancelled."""
    with pytest.raises(CallRefused):
        client().cancel(Script(*script), "batch_1")


@given(any_json(BATCH), st.sampled_from(["create", "status", "batches", "files", "upload", "is_ready"]))
def test_any_reply_is_read_or_refused(answer: Any, verb: str) -> None:
    """Whatever JSON comes back: a value, or an error of ours; never any other exception."""
    asked = client(Switches(processes=True))
    wire = Script(answer)

    def run() -> object:
        match verb:
            case "create":
                return asked.create(wire, ORDER, NOBODY, "f")
            case "status":
                return asked.status(wire, "batch_1")
            case "batches":
                return list(asked.batches(wire))
            case "files":
                return list(asked.files(wire))
            case "upload":
                return asked.upload(wire, source_of(b"x"), "a.jsonl")
            case _:
                return asked.is_ready(wire, "f")

    error = error_of(run)

    assert error is None or isinstance(error, Uncertain) == (verb == "create")
