"""The client of OpenRouter's batch API: calls out, batches and pages of results in."""

from __future__ import annotations

import json
import time
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import BadLine, CallRefused, NotThere, PermanentError, TransientError, Uncertain
from reconciler.model.exchange import Dialect
from reconciler.model.identity import Role
from reconciler.model.record import Counts, Refusal
from reconciler.model.remote import Order, RemoteBatch, RemoteFile
from reconciler.providers.calls import Call, Kind, Origin, Secret, Source
from reconciler.providers.inline import array_of
from reconciler.providers.openrouter import OpenRouter
from reconciler.providers.openrouter_shape import LARGEST, Enough, Head
from reconciler.providers.times import DAY
from tests.wires import Fetched, Memory, Script, any_json, error_of, reply, source_of

ORIGIN = Origin("openrouter", "https://openrouter.ai/api/v1", {}, {"Authorization": Secret("Bearer k")})
INTENT = "0123456789abcdef0123456789abcdef"
CLIENT = OpenRouter(ORIGIN, "0" * 16)
CREATED = 1782097200

BATCH: dict[str, Any] = {
    "id": "batch_123",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "model": "openai/gpt-4o",
    "completion_window": "24h",
    "status": "validating",
    "created_at": CREATED,
    "finalized_at": None,
    "request_counts": {"total": 3, "completed": 0, "failed": 0},
    "usage": None,
    "results": None,
    "error": None,
}
READ = RemoteBatch(
    "batch_123",
    "validating",
    endpoint="/v1/chat/completions",
    counts=Counts(3, 0, 0),
    created_at=CREATED,
    results_until=CREATED + 30 * DAY,
)
ROW: dict[str, Any] = {
    "id": "batch_req_1",
    "custom_id": "01234567-1",
    "response": {"status_code": 200, "request_id": "r", "body": {"choices": [{"message": {}}]}},
    "error": None,
}
ENDED = BATCH | {"status": "completed", "request_counts": {"total": 3, "completed": 2, "failed": 1}}
FILES = {Role.OUTPUT: "batch_123"}
LINE = b'{"custom_id":"a","method":"POST","url":"/v1/responses","body":{"model":"m","input":"\\u00e4"}}\n'
BARE = b'\n{"body" : {"input": "x"},"custom_id":"b"}\r\n'


def call(kind: Kind, method: str, path: str, **more: Any) -> Call:
    """A call to the test's origin."""
    return Call(kind, ORIGIN, method, path, **more)


def order(requests: int, model: str | None = "m", endpoint: str = "/v1/responses") -> Order:
    """An order for so many lines."""
    return Order(INTENT, endpoint, model, requests)


def told(batch: dict[str, Any]) -> bytes:
    """A batch object as the service writes it."""
    return json.dumps(batch, separators=(",", ":")).encode()


def page(*rows: Any, cursor: str | None = None) -> dict[str, Any]:
    """A page of results."""
    return {"object": "list", "data": list(rows), "has_more": cursor is not None, "next_cursor": cursor}


def test_says_what_it_is() -> None:
    """The create carries the input, nothing is tagged, answers are one stream, and nothing stops a batch."""
    assert (CLIENT.takes_file, CLIENT.tags, CLIENT.numbers_ids, CLIENT.one_stream) == (
        False,
        False,
        True,
        True,
    )
    assert (CLIENT.one_model, CLIENT.cancels) == (True, False)
    assert CLIENT.dialects == {Dialect.OPENAI, Dialect.MISTRAL}
    assert (CLIENT.model, CLIENT.endpoint) == (None, "/v1/chat/completions")


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_create(block: int) -> None:
    """Endpoint and model stand before the requests; each of those is its number and its body, untouched."""
    wire = Script(BATCH)

    assert CLIENT.create(wire, order(2), source_of(LINE + BARE, block), None) == READ
    (made,) = wire.calls
    assert (made.kind, made.method, made.path) == (Kind.CREATE, "POST", "/batches")
    body = (
        b'{"endpoint":"/v1/responses","model":"m","requests":['
        b'{"custom_id":"01234567-1","body":{"model":"m","input":"\\u00e4"}},'
        b'{"custom_id":"01234567-2","body":{"input": "x"}}]}'
    )
    assert wire.bodies == [body]


def test_a_create_goes_on_anywhere() -> None:
    """The body of a create is the same bytes from every offset on."""
    wire = Script(BATCH)
    CLIENT.create(wire, order(2), source_of(LINE + BARE), None)
    content = wire.calls[0].content

    assert isinstance(content, Source)
    for offset in range(len(wire.bodies[0]) + 1):
        assert b"".join(content.read(offset)) == wire.bodies[0][offset:]


@pytest.mark.parametrize(
    ("data", "model", "error"),
    [
        (LINE, None, PermanentError),
        (b'{"custom_id":"a","params":{}}\n', "m", BadLine),
        (b'{"body":{}}\n', "m", BadLine),
    ],
)
def test_what_cannot_be_said_is_not_sent(data: bytes, model: str | None, error: type[Exception]) -> None:
    """Without a model for the batch, or without a body or an id for a request, no call is made."""
    wire = Script()
    with pytest.raises(error):
        CLIENT.create(wire, order(1, model), source_of(data), None)
    assert wire.calls == []


@pytest.mark.parametrize("answer", [{}, {"id": None}, {"id": ""}, [], None])
def test_a_create_that_names_no_batch_is_uncertain(answer: Any) -> None:
    """A provider that said yes and named no batch may have made one."""
    with pytest.raises(Uncertain):
        CLIENT.create(Script(answer), order(1), source_of(LINE), None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, {}, id="validating"),
        pytest.param({"status": "cancelling"}, {"status": "cancelling"}, id="cancelling-is-no-end"),
        pytest.param({"status": "completed"}, {"status": "completed", "files": FILES}, id="completed"),
        pytest.param({"status": "expired"}, {"status": "expired", "files": FILES}, id="expired"),
        pytest.param({"status": "cancelled"}, {"status": "cancelled", "files": FILES}, id="cancelled"),
        pytest.param(
            {"status": "failed", "error": {"message": "no such model"}},
            {
                "status": "failed",
                "refusals": (Refusal("", "no such model"),),
                "error": '{"message":"no such model"}',
            },
            id="failed",
        ),
        pytest.param(
            {"status": "failed", "request_counts": {"total": 3, "completed": 2, "failed": 0}},
            {"status": "failed", "counts": Counts(3, 2, 0), "files": FILES},
            id="failed-with-answers-that-are-paid",
        ),
        pytest.param({"request_counts": None}, {"counts": Counts()}, id="no-counts"),
        pytest.param({"created_at": None}, {"created_at": None, "results_until": None}, id="no-time"),
        pytest.param({"status": "paused"}, {"status": "paused"}, id="unknown-word"),
    ],
)
def test_status(change: dict[str, Any], expected: dict[str, Any]) -> None:
    """Every shape of a batch is read as what it means."""
    wire = Script(told(BATCH | change))

    assert CLIENT.status(wire, "batch_123") == attrs.evolve(READ, **expected)
    assert wire.calls == [call(Kind.READ, "GET", "/batches/batch_123", paced=True)]


@pytest.mark.parametrize("block", [1, 5, 64, 100_000])
def test_the_results_of_a_status_are_not_read(block: int) -> None:
    """A look at a batch that has ended ends where its results begin, wherever the blocks do."""
    whole = told(ENDED | {"results": [ROW] * 500})
    blocks = [whole[at : at + block] for at in range(0, len(whole), block)]
    head, given = Head(), 0
    for each in blocks:
        given += len(each)
        try:
            head.write(each)
        except Enough:
            break

    assert given < whole.index(b"batch_req") + 2 * block
    assert head.read(ORIGIN)["status"] == "completed"
    found = CLIENT.status(Script(Fetched({}, *blocks)), "batch_123")
    assert (found.files, found.counts) == (FILES, Counts(3, 2, 1))


@pytest.mark.parametrize(
    "batch",
    [
        pytest.param({"results": [ROW, ROW]} | {"id": "b", "status": "completed"}, id="results-first"),
        pytest.param({"id": "b", "status": "completed", "results": []}, id="none"),
        pytest.param({"id": "b", "status": "completed", "usage": {"results": [1]}}, id="inside-of-another"),
        pytest.param({"id": "b", "note": ',"results":[', "status": "completed"}, id="inside-of-a-text"),
    ],
)
def test_a_status_in_any_order(batch: dict[str, Any]) -> None:
    """Wherever the results stand, the batch is read."""
    assert CLIENT.status(Script(told(batch)), "b").status == "completed"


def test_a_status_without_an_end_is_no_memory() -> None:
    """A batch object that never comes to anything is given up."""
    head = Head()
    head.write(b'{"id":"' + b"a" * (LARGEST - 10))
    with pytest.raises(TransientError):
        head.write(b"a" * 10)


@pytest.mark.parametrize("answer", [b"{}", b"[]", b"null", b'{"id":1}', b'{"id":"a"}', b"", b'{"id":"a"'])
def test_an_unreadable_status_is_a_passing_fault(answer: bytes) -> None:
    """A reply without id or status tells nothing of the batch."""
    with pytest.raises(TransientError):
        CLIENT.status(Script(answer), "batch_123")


def test_list() -> None:
    """A list is read to its end, after the last batch of each page."""
    wire = Script(
        {"data": [BATCH, BATCH | {"id": "b"}], "has_more": True, "last_id": "b"},
        {"data": [BATCH | {"id": "c"}], "has_more": False},
    )

    assert [batch.batch_id for batch in CLIENT.batches(wire)] == ["batch_123", "b", "c"]
    assert [each.params for each in wire.calls] == [{"limit": 100}, {"limit": 100, "after": "b"}]


@pytest.mark.parametrize(
    "script",
    [
        [{"data": [BATCH], "has_more": True}, {"data": [BATCH], "has_more": True}],
        [{"data": [], "has_more": True}],
        [{"data": None}],
        [{"data": [{}]}],
    ],
)
def test_a_list_that_cannot_be_read_is_no_list(script: list[Any]) -> None:
    """A batch that was overlooked would be paid for again: a list is whole, or an error."""
    with pytest.raises(TransientError):
        list(CLIENT.batches(Script(*script)))


def test_download() -> None:
    """Pages follow one another by their cursors; each result is one line, its bytes as they came."""
    first = b'{"data":[{"custom_id": "a",\n "x":"\\u00e4"}],"has_more":true,"next_cursor":"c1"}'
    wire, sink = Script(reply(first), page(ROW)), Memory(b"left over")

    size = CLIENT.download(wire, "batch_123", sink)
    assert sink.data == b'{"custom_id": "a",  "x":"\\u00e4"}\n' + told(ROW) + b"\n"
    assert size == len(sink.data)
    path = "/batches/batch_123/results"
    assert wire.calls == [
        call(Kind.DOWNLOAD, "GET", path, params={"limit": 200, "cursor": None}),
        call(Kind.DOWNLOAD, "GET", path, params={"limit": 200, "cursor": "c1"}),
    ]


@pytest.mark.parametrize("status", [400, 404, 405, 409, 410])
def test_results_that_the_batch_holds(status: int) -> None:
    """A service without pages holds the results in the batch; they are fetched from there."""
    wire, sink = Script(CallRefused("no", status=status), ENDED | {"results": [ROW, ROW]}), Memory()

    assert CLIENT.download(wire, "batch_123", sink) == len(sink.data)
    assert sink.data == (told(ROW) + b"\n") * 2
    assert wire.calls[1] == call(Kind.DOWNLOAD, "GET", "/batches/batch_123")


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_an_early_end_without_results(status: str) -> None:
    """Of a batch that ended early a service may hold nothing: a file of no lines."""
    sink = Memory()
    script = Script(NotThere("no", status=404), BATCH | {"status": status})

    assert CLIENT.download(script, "batch_123", sink) == 0
    assert sink.data == b""


@pytest.mark.parametrize(
    ("script", "error"),
    [
        pytest.param([NotThere("no", status=404), ENDED], NotThere, id="no-results-yet"),
        pytest.param([NotThere("no", status=404)] * 2, NotThere, id="no-batch"),
        pytest.param([CallRefused("no", status=403)], CallRefused, id="not-allowed"),
        pytest.param([page(ROW, cursor="c"), NotThere("no", status=404)], NotThere, id="in-the-middle"),
        pytest.param([page(ROW, cursor="c"), page(ROW, cursor="c")], TransientError, id="in-circles"),
        pytest.param(
            [{"data": [ROW], "has_more": True, "next_cursor": None}], TransientError, id="no-cursor"
        ),
        pytest.param([{"data": None}], TransientError, id="no-rows"),
        pytest.param([page("text")], TransientError, id="row-that-is-a-text"),
        pytest.param([[1]], TransientError, id="no-page"),
    ],
)
def test_results_that_cannot_be_had(script: list[Any], error: type[Exception]) -> None:
    """Results are whole or an error: a part of them would be taken for all."""
    with pytest.raises(error):
        CLIENT.download(Script(*script), "batch_123", Memory())


def test_cancel() -> None:
    """No call stops a batch: one that runs is a refusal, one that has ended or is ending is no error."""
    wire = Script(told(BATCH))
    with pytest.raises(CallRefused, match="no call that stops a batch"):
        CLIENT.cancel(wire, "batch_123")
    assert [each.method for each in wire.calls] == ["GET"]
    for status in ("completed", "failed", "expired", "cancelled", "cancelling"):
        CLIENT.cancel(Script(told(BATCH | {"status": status})), "batch_123")


def test_what_it_keeps() -> None:
    """What has ended is kept under the batch's own id, and removed with it."""
    wire = Script({"data": [BATCH, ENDED | {"id": "b"}], "has_more": False})
    assert list(CLIENT.files(wire)) == [RemoteFile("b", created_at=CREATED, purpose="batch")]

    wire = Script({"deleted": True}, NotThere("no", status=404))
    CLIENT.delete_file(wire, "b")
    CLIENT.delete_file(wire, "b")
    assert wire.calls == [call(Kind.CHANGE, "DELETE", "/batches/b")] * 2
    assert CLIENT.is_ready(wire, "f")
    with pytest.raises(CallRefused):
        CLIENT.upload(wire, source_of(b""), "n")


@given(any_json(ENDED | {"results": [ROW]}), st.sampled_from(["create", "status", "batches", "download"]))
def test_any_reply_is_read_or_refused(answer: Any, verb: str) -> None:
    """Whatever JSON comes back: a value, or an error of ours; never any other exception."""

    def run() -> object:
        match verb:
            case "create":
                return CLIENT.create(Script(answer), order(1), source_of(LINE), None)
            case "status":
                return CLIENT.status(Script(json.dumps(answer).encode()), "batch_123")
            case "batches":
                return list(CLIENT.batches(Script(answer)))
            case _:
                return CLIENT.download(Script(NotThere("no", status=404), answer), "batch_123", Memory())

    error = error_of(run)

    assert error is None or isinstance(error, Uncertain) == (verb == "create")


@pytest.mark.parametrize("decoy", [b'{"results":[', b'{"results":[]},'])
def test_results_that_only_seem_to_begin_cost_little(decoy: bytes) -> None:
    """However often a reply about a batch seems to come to its results, it is not read again and again."""
    began = time.process_time()
    error = error_of(lambda: CLIENT.status(Script(b'{"id":"b","x":[' + decoy * 20_000), "b"))
    assert isinstance(error, TransientError)
    assert time.process_time() - began < 1


def test_the_body_of_no_requests() -> None:
    """A create without requests is as long as it says, and JSON."""
    body = array_of(source_of(b"\n"), order(0))
    assert b"".join(body.read(0)) == b'{"requests":[]}'
    assert body.size == len(b'{"requests":[]}')
