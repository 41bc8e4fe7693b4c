"""The client of Anthropic's Message Batches: calls out, batches in."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import BadLine, CallRefused, NotThere, StaleSnapshot, TransientError, Uncertain
from reconciler.model.exchange import Dialect
from reconciler.model.identity import Role
from reconciler.model.record import Counts
from reconciler.model.remote import Order, RemoteBatch
from reconciler.model.status import Phase, phase_of
from reconciler.providers.anthropic import Anthropic
from reconciler.providers.calls import Call, Kind, Origin, Secret, Source
from reconciler.providers.times import DAY
from tests.wires import Memory, Script, any_json, error_of, reply, source_of

ORIGIN = Origin(
    "anthropic",
    "https://api.anthropic.com",
    {"anthropic-version": "2023-06-01"},
    {"x-api-key": Secret("k")},
)
INTENT = "0123456789abcdef0123456789abcdef"
CLIENT = Anthropic(ORIGIN, "0" * 16)
URL = "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results"
CREATED = 1727193735.0

BATCH: dict[str, Any] = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "in_progress",
    "request_counts": {"processing": 3, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
    "created_at": "2024-09-24T16:02:15Z",
    "expires_at": "2024-09-25T16:02:15Z",
    "ended_at": None,
    "archived_at": None,
    "cancel_initiated_at": None,
    "results_url": None,
}
READ = RemoteBatch(
    "msgbatch_1",
    "in_progress",
    counts=Counts(3),
    created_at=CREATED,
    results_until=CREATED + 29 * DAY,
)
ENDED = {
    "processing_status": "ended",
    "request_counts": {"processing": 0, "succeeded": 5, "errored": 1, "canceled": 2, "expired": 3},
    "results_url": URL,
}


def call(kind: Kind, method: str, path: str, **more: Any) -> Call:
    """A call to the test's origin."""
    return Call(kind, ORIGIN, method, path, **more)


def order(requests: int) -> Order:
    """An order for so many lines."""
    return Order(INTENT, "", None, requests)


def test_says_what_it_is() -> None:
    """The create carries the input, nothing is tagged, and answers come as one stream."""
    assert (CLIENT.takes_file, CLIENT.tags, CLIENT.one_stream) == (False, False, True)
    assert CLIENT.dialects == {Dialect.ANTHROPIC}
    assert (CLIENT.model, CLIENT.endpoint) == (None, "")


@pytest.mark.parametrize(
    ("data", "count", "body"),
    [
        pytest.param(
            b'{"custom_id":"a","params":{"model":"m"}}\n{"params":{"x":"\\u00e4"}, "custom_id" : "b"}\n',
            2,
            b'{"requests":[{"custom_id":"01234567-1","params":{"model":"m"}},'
            b'{"params":{"x":"\\u00e4"}, "custom_id" : "01234567-2"}]}',
            id="two-lines",
        ),
        pytest.param(
            b'\xef\xbb\xbf{"custom_id":"a","params":{}}\r\n\n  \n{"custom_id":"b","params":{}}',
            2,
            b'{"requests":[{"custom_id":"01234567-1","params":{}},{"custom_id":"01234567-2","params":{}}]}',
            id="mark-blank-lines-and-no-line-feed-at-the-end",
        ),
    ],
)
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_create(data: bytes, count: int, body: bytes, block: int) -> None:
    """A create is one array of the lines, each under its number, its other bytes as they were."""
    wire = Script(BATCH)

    assert CLIENT.create(wire, order(count), source_of(data, block), None) == READ
    (made,) = wire.calls
    assert (made.kind, made.method, made.path) == (Kind.CREATE, "POST", "/v1/messages/batches")
    assert made.headers == {"content-type": "application/json"}
    assert wire.bodies == [body]
    assert len(json.loads(body)["requests"]) == count


def test_a_create_goes_on_anywhere() -> None:
    """The body of a create is the same bytes from every offset on."""
    data = b'{"custom_id":"a","params":{}}\n{"custom_id":"b","params":{}}\n'
    wire = Script(BATCH)
    CLIENT.create(wire, order(2), source_of(data), None)
    content = wire.calls[0].content

    assert isinstance(content, Source)
    for offset in range(content.size + 1):
        assert b"".join(content.read(offset)) == wire.bodies[0][offset:]


@pytest.mark.parametrize(
    ("data", "count", "error"),
    [
        (b'{"custom_id":"a","params":{}}\n', 2, StaleSnapshot),
        (b"", 1, StaleSnapshot),
        (b'{"params":{}}\n', 1, BadLine),
        (b'{"custom_id":"a"\n', 1, BadLine),
    ],
)
def test_what_is_not_as_ordered_is_not_sent(data: bytes, count: int, error: type[Exception]) -> None:
    """An input that is not what was ordered leaves nothing behind: no call is made."""
    wire = Script()
    with pytest.raises(error):
        CLIENT.create(wire, order(count), source_of(data), None)
    assert wire.calls == []


@pytest.mark.parametrize("answer", [b"<html>", b"", [], None, {}, {"id": None}, {"id": ""}])
def test_a_create_that_names_no_batch_is_uncertain(answer: Any) -> None:
    """A provider that said yes and named no batch may have made one."""
    scripted = reply(answer) if isinstance(answer, bytes) else answer
    with pytest.raises(Uncertain):
        CLIENT.create(Script(scripted), order(1), source_of(b'{"custom_id":"a","params":{}}\n'), None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, {}, id="in-progress"),
        pytest.param({"processing_status": "canceling"}, {"status": "canceling"}, id="canceling"),
        pytest.param(
            ENDED,
            {"status": "ended", "counts": Counts(11, 5, 6), "files": {Role.OUTPUT: URL}},
            id="ended-with-everything",
        ),
        pytest.param(
            ENDED | {"results_url": None},
            {"status": "ended", "counts": Counts(11, 5, 6)},
            id="ended-without-an-address",
        ),
        pytest.param(
            ENDED | {"archived_at": "2024-09-24T16:02:16Z"},
            {"status": "ended", "counts": Counts(11, 5, 6), "results_until": CREATED + 1},
            id="archived-so-that-nothing-is-left",
        ),
        pytest.param({"results_url": URL}, {}, id="an-address-before-the-end-is-none"),
        pytest.param({"request_counts": None}, {"counts": Counts()}, id="no-counts"),
        pytest.param(
            {"request_counts": {"processing": 3}}, {"counts": Counts()}, id="counts-that-cannot-be-summed"
        ),
        pytest.param({"created_at": None}, {"created_at": None, "results_until": None}, id="no-time"),
        pytest.param({"processing_status": "paused"}, {"status": "paused"}, id="unknown-word"),
    ],
)
def test_status(change: dict[str, Any], expected: dict[str, Any]) -> None:
    """Every shape of a batch is read as what it means; counts are those of the lines only in the end."""
    wire = Script(BATCH | change)

    assert CLIENT.status(wire, "msgbatch_1") == attrs.evolve(READ, **expected)
    assert wire.calls == [call(Kind.READ, "GET", "/v1/messages/batches/msgbatch_1", paced=True)]


def test_only_ended_is_an_end() -> None:
    """A batch that is being cancelled still runs."""
    assert [phase_of(word) for word in ("in_progress", "canceling", "ended")] == [
        Phase.RUNNING,
        Phase.RUNNING,
        Phase.DONE,
    ]


@pytest.mark.parametrize(
    "answer", [{}, [], None, {"id": 1}, {"id": "a"}, {"id": "a", "processing_status": 1}]
)
def test_an_unreadable_status_is_a_passing_fault(answer: Any) -> None:
    """A reply without id or status tells nothing of the batch."""
    with pytest.raises(TransientError):
        CLIENT.status(Script(answer), "msgbatch_1")


def test_list() -> None:
    """A list is read to its end, after the last batch of each page."""
    wire = Script(
        {"data": [BATCH, BATCH | {"id": "b"}], "has_more": True, "last_id": "b"},
        {"data": [BATCH | {"id": "c"}], "has_more": False},
    )

    assert [batch.batch_id for batch in CLIENT.batches(wire)] == ["msgbatch_1", "b", "c"]
    assert wire.calls == [
        call(Kind.READ, "GET", "/v1/messages/batches", params={"limit": 100}, paced=True),
        call(Kind.READ, "GET", "/v1/messages/batches", params={"limit": 100, "after_id": "b"}, paced=True),
    ]


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
    """Answers are fetched from the very address that the provider gave."""
    wire, sink = Script(b"abc"), Memory()

    assert CLIENT.download(wire, URL, sink) == 3
    assert wire.calls == [call(Kind.DOWNLOAD, "GET", URL)]
    assert sink.data == b"abc"


def test_cancel() -> None:
    """A cancel is one call; of a batch that has ended it is no error."""
    wire = Script(BATCH | {"processing_status": "canceling"})
    CLIENT.cancel(wire, "msgbatch_1")
    assert wire.calls == [call(Kind.CHANGE, "POST", "/v1/messages/batches/msgbatch_1/cancel")]

    CLIENT.cancel(Script(CallRefused("no", status=409), BATCH | ENDED), "msgbatch_1")
    with pytest.raises(CallRefused):
        CLIENT.cancel(Script(CallRefused("no", status=409), BATCH), "msgbatch_1")
    with pytest.raises(NotThere):
        CLIENT.cancel(Script(NotThere("no", status=404)), "msgbatch_1")


def test_there_are_no_files() -> None:
    """What speaks of files makes no call."""
    wire = Script()

    assert list(CLIENT.files(wire)) == []
    assert CLIENT.is_ready(wire, "f")
    for attempt in (
        lambda: CLIENT.upload(wire, source_of(b""), "n"),
        lambda: CLIENT.delete_file(wire, "f"),
    ):
        with pytest.raises(CallRefused):
            attempt()
    assert wire.calls == []


@given(any_json(BATCH | ENDED), st.sampled_from(["create", "status", "batches"]))
def test_any_reply_is_read_or_refused(answer: Any, verb: str) -> None:
    """Whatever JSON comes back: a value, or an error of ours; never any other exception."""
    wire = Script(answer)

    def run() -> object:
        match verb:
            case "create":
                line = source_of(b'{"custom_id":"a","params":{}}\n')
                return CLIENT.create(wire, order(1), line, None)
            case "status":
                return CLIENT.status(wire, "msgbatch_1")
            case _:
                return list(CLIENT.batches(wire))

    error = error_of(run)

    assert error is None or isinstance(error, Uncertain) == (verb == "create")
