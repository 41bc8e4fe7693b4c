"""The client of Gemini's Batch API: calls out, batches in."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import CallRefused, NotThere, PermanentError, TransientError, Uncertain
from reconciler.model.exchange import Dialect
from reconciler.model.identity import Role
from reconciler.model.record import Counts, Refusal
from reconciler.model.remote import Order, RemoteBatch, RemoteFile
from reconciler.model.status import Phase, phase_of
from reconciler.providers.calls import Call, Kind, Origin, Secret
from reconciler.providers.gemini import EMBED, Gemini
from tests.wires import Memory, Script, any_json, error_of, reply, source_of

BASE = "https://generativelanguage.googleapis.com"
ORIGIN = Origin("gemini", BASE, secret={"x-goog-api-key": Secret("k")})
INTENT = "0123456789abcdef0123456789abcdef"
CLIENT = Gemini(ORIGIN, "0" * 16, "gemini-flash")
ORDER = Order(INTENT, "", "gemini-flash", 3)
NOBODY = source_of(b"")
RESULTS = "files/batch-abcdefghijklmnopqrstuvwxyz0123456789"

METADATA: dict[str, Any] = {
    "displayName": INTENT,
    "state": "BATCH_STATE_PENDING",
    "createTime": "2025-07-07T10:00:00.500000Z",
    "model": "models/gemini-flash",
    "inputConfig": {"fileName": "files/in"},
    "batchStats": {"requestCount": "3", "pendingRequestCount": "3"},
}
BATCH: dict[str, Any] = {"name": "batches/b1", "metadata": METADATA}
READ = RemoteBatch(
    "batches/b1",
    "BATCH_STATE_PENDING",
    counts=Counts(3),
    created_at=1751882400.5,
    intent=INTENT,
    input_file_id="files/in",
)


def call(kind: Kind, method: str, path: str, **more: Any) -> Call:
    """A call to the test's origin."""
    return Call(kind, ORIGIN, method, path, **more)


def told(**metadata: Any) -> dict[str, Any]:
    """A batch with this in its metadata."""
    return {"metadata": METADATA | metadata}


def test_says_what_it_is() -> None:
    """An input is uploaded, a batch is called by its intent, and answers come as one stream."""
    assert (CLIENT.takes_file, CLIENT.tags, CLIENT.one_stream) == (True, True, True)
    assert CLIENT.dialects == {Dialect.GEMINI}
    assert CLIENT.limits.requests is None


@pytest.mark.parametrize(
    ("client", "order", "path"),
    [
        (CLIENT, ORDER, "/v1beta/models/gemini-flash:batchGenerateContent"),
        (
            CLIENT,
            attrs.evolve(ORDER, model="models/gemini-flash"),
            "/v1beta/models/gemini-flash:batchGenerateContent",
        ),
        (attrs.evolve(CLIENT, version="v1"), ORDER, "/v1/models/gemini-flash:batchGenerateContent"),
        (
            CLIENT,
            attrs.evolve(ORDER, endpoint=EMBED, model="../files/a b"),
            "/v1beta/models/..%2Ffiles%2Fa%20b:asyncBatchEmbedContent",
        ),
    ],
)
def test_create(client: Gemini, order: Order, path: str) -> None:
    """A create names the model in its address, the file, and the intent as the batch's name."""
    wire = Script(BATCH)
    body = {"batch": {"displayName": INTENT, "inputConfig": {"fileName": "files/in"}}}

    assert client.create(wire, order, NOBODY, "files/in") == READ
    assert wire.calls == [call(Kind.CREATE, "POST", path, json=body)]


def test_a_create_without_a_model_is_not_sent() -> None:
    """There is no address for a batch without a model."""
    wire = Script()
    with pytest.raises(PermanentError, match="no model"):
        CLIENT.create(wire, attrs.evolve(ORDER, model=None), NOBODY, "files/in")
    assert wire.calls == []


@pytest.mark.parametrize(
    "answer", [b"<html>", {}, [], None, {"name": None}, {"name": ""}, {"metadata": METADATA}]
)
def test_a_create_that_names_no_batch_is_uncertain(answer: Any) -> None:
    """A provider that said yes and named no batch may have made one."""
    scripted = reply(answer) if isinstance(answer, bytes) else answer
    with pytest.raises(Uncertain):
        CLIENT.create(Script(scripted), ORDER, NOBODY, "files/in")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, {}, id="pending"),
        pytest.param(
            told(
                state="BATCH_STATE_SUCCEEDED",
                output={"responsesFile": RESULTS},
                batchStats={"requestCount": "3", "successfulRequestCount": "2", "failedRequestCount": "1"},
            )
            | {"done": True},
            {
                "status": "BATCH_STATE_SUCCEEDED",
                "files": {Role.OUTPUT: RESULTS},
                "counts": Counts(3, 2, 1),
            },
            id="succeeded-with-a-file",
        ),
        pytest.param(
            told(state="JOB_STATE_SUCCEEDED") | {"done": True, "response": {"responsesFile": RESULTS}},
            {"status": "JOB_STATE_SUCCEEDED", "files": {Role.OUTPUT: RESULTS}},
            id="the-other-place-and-the-other-prefix",
        ),
        pytest.param(
            told(state="BATCH_STATE_SUCCEEDED", output={"inlinedResponses": {"inlinedResponses": [{}]}}),
            {"status": "BATCH_STATE_SUCCEEDED", "files": {Role.OUTPUT: "batches/b1"}},
            id="inline",
        ),
        pytest.param(
            told(state="BATCH_STATE_FAILED") | {"done": True, "error": {"code": 3, "message": "bad file"}},
            {
                "status": "BATCH_STATE_FAILED",
                "refusals": (Refusal("3", "bad file"),),
                "error": '{"code":3,"message":"bad file"}',
            },
            id="failed",
        ),
        pytest.param(
            told(state="BATCH_STATE_CANCELLED")
            | {"done": True, "error": {"code": 1, "message": "cancelled"}},
            {"status": "BATCH_STATE_CANCELLED", "error": '{"code":1,"message":"cancelled"}'},
            id="cancelled-is-no-refusal",
        ),
        pytest.param(
            told(state=None) | {"done": True, "error": {"code": 1}},
            {"status": "BATCH_STATE_CANCELLED", "error": '{"code":1}'},
            id="cancelled-without-a-state",
        ),
        pytest.param(
            told(state="BATCH_STATE_UNSPECIFIED")
            | {"done": True, "error": {"code": 13, "status": "INTERNAL"}},
            {
                "status": "BATCH_STATE_FAILED",
                "refusals": (Refusal("INTERNAL", ""),),
                "error": '{"code":13,"status":"INTERNAL"}',
            },
            id="failed-without-a-state",
        ),
        pytest.param(
            told(state=None) | {"done": True, "response": {"responsesFile": RESULTS}},
            {"status": "BATCH_STATE_SUCCEEDED", "files": {Role.OUTPUT: RESULTS}},
            id="done-without-a-state",
        ),
        pytest.param(
            told(state="BATCH_STATE_UNSPECIFIED"), {"status": "BATCH_STATE_UNSPECIFIED"}, id="unspecified"
        ),
        pytest.param(
            told(batchStats=None, createTime=None, inputConfig=None, displayName=None, output=None),
            {"counts": Counts(), "created_at": None, "input_file_id": None, "intent": None},
            id="nulls",
        ),
        pytest.param(
            told(batchStats={"requestCount": "many"}), {"counts": Counts()}, id="counts-that-are-none"
        ),
    ],
)
def test_status(change: dict[str, Any], expected: dict[str, Any]) -> None:
    """Every shape of an operation is read as what it means."""
    wire = Script(BATCH | change)

    assert CLIENT.status(wire, "batches/b1") == attrs.evolve(READ, **expected)
    assert wire.calls == [call(Kind.READ, "GET", "/v1beta/batches/b1", paced=True)]


@pytest.mark.parametrize("prefix", ["BATCH_STATE_", "JOB_STATE_"])
@pytest.mark.parametrize(
    ("word", "phase"),
    [
        *(
            (word, Phase.RUNNING)
            for word in "UNSPECIFIED PENDING QUEUED RUNNING CANCELLING PAUSED UPDATING".split()
        ),
        ("SUCCEEDED", Phase.DONE),
        ("PARTIALLY_SUCCEEDED", Phase.DONE),
        ("FAILED", Phase.REFUSED),
        ("CANCELLED", Phase.PARTIAL),
        ("EXPIRED", Phase.PARTIAL),
        ("NEW_WORD", Phase.RUNNING),
    ],
)
def test_words(prefix: str, word: str, phase: Phase) -> None:
    """Gemini's words mean the same under both prefixes."""
    assert phase_of(prefix + word) is phase


@pytest.mark.parametrize("answer", [{}, [], None, {"name": 3}, {"name": "batches/b1"}, BATCH | told(state=3)])
def test_an_unreadable_status_is_a_passing_fault(answer: Any) -> None:
    """A reply without name or state tells nothing of the batch."""
    with pytest.raises(TransientError):
        CLIENT.status(Script(answer), "batches/b1")


@pytest.mark.parametrize(
    "bad", ["", "b1", "batches/", "batches/..", "batches/a/b", "batches/a?b", "models/x", "batches/ü"]
)
def test_what_is_no_id_is_not_asked_for(bad: str) -> None:
    """A name that would lead elsewhere is no id: nothing is sent."""
    wire = Script()
    with pytest.raises(NotThere):
        CLIENT.status(wire, bad)
    assert wire.calls == []


def test_list() -> None:
    """A list is read to its end; an empty page has no array."""
    wire = Script({"operations": [BATCH], "nextPageToken": "t"}, {})

    assert list(CLIENT.batches(wire)) == [READ]
    assert wire.calls == [
        call(Kind.READ, "GET", "/v1beta/batches", params={"pageSize": 100}, paced=True),
        call(Kind.READ, "GET", "/v1beta/batches", params={"pageSize": 100, "pageToken": "t"}, paced=True),
    ]


@pytest.mark.parametrize(
    "script",
    [
        [{"operations": [BATCH], "nextPageToken": "t"}] * 2,
        [{"operations": None}],
        [[]],
        [{"operations": [{}]}],
        [{"operations": ["b"]}],
    ],
)
def test_a_list_that_cannot_be_read_is_no_list(script: list[Any]) -> None:
    """A batch that was overlooked would be paid for again: a list is whole, or an error."""
    with pytest.raises(TransientError):
        list(CLIENT.batches(Script(*script)))


def test_download() -> None:
    """Answers are fetched as a file; the file itself is never asked for: its id is too long for that."""
    wire, sink = Script(b"abc"), Memory()

    assert CLIENT.download(wire, RESULTS, sink) == 3
    assert wire.calls == [call(Kind.DOWNLOAD, "GET", f"/v1beta/{RESULTS}:download", params={"alt": "media"})]


def test_download_from_the_other_address() -> None:
    """Where the client's address is refused, the guide's is tried."""
    wire, sink = Script(CallRefused("no", status=400), b"abc"), Memory()

    assert CLIENT.download(wire, RESULTS, sink) == 3
    assert wire.calls[1].path == f"/download/v1beta/{RESULTS}:download"
    with pytest.raises(NotThere):
        CLIENT.download(Script(CallRefused("no", status=400), NotThere("no", status=404)), RESULTS, sink)


@pytest.mark.parametrize("place", ["metadata", "response", "flat"])
def test_inline_answers(place: str) -> None:
    """Answers that the operation holds become lines under their keys, each value's bytes as they came."""
    held = b"""{"inlinedResponses": [
        {"metadata": {"key": "r-1"}, "response": {"candidates": [1.50,
            "\\u00e4"]}},
        {"error": {"code": 3}, "metadata": {"key": "r-2"}},
        {"response": {}}
    ]}"""
    output = held if place == "flat" else b'{"inlinedResponses":%b}' % held
    body = b'{"name":"batches/b1","metadata":{"output":%b}}' % output
    if place == "response":
        body = b'{"name":"batches/b1","metadata":null,"response":%b}' % output
    wire, sink = Script(reply(body)), Memory(b"rest of an earlier try")
    size = CLIENT.download(wire, "batches/b1", sink)
    first, *others = sink.data.splitlines()

    assert first.startswith(b'{"key":"r-1","response":{"candidates": [1.50, ')
    assert first.endswith(b'"\\u00e4"]}}')
    assert others == [b'{"key":"r-2","error":{"code": 3}}', b'{"response":{}}']
    assert size == len(sink.data)
    assert wire.calls == [call(Kind.DOWNLOAD, "GET", "/v1beta/batches/b1")]


def test_cancel() -> None:
    """A cancel is one call, with an empty reply; of a batch that has ended it is no error."""
    wire = Script(reply(b""))
    CLIENT.cancel(wire, "batches/b1")
    assert wire.calls == [call(Kind.CHANGE, "POST", "/v1beta/batches/b1:cancel")]

    ended = BATCH | told(state="BATCH_STATE_SUCCEEDED")
    CLIENT.cancel(Script(CallRefused("no", status=400), ended), "batches/b1")
    with pytest.raises(CallRefused):
        CLIENT.cancel(Script(CallRefused("no", status=400), BATCH), "batches/b1")


def test_files() -> None:
    """Files are listed page by page, and removed; what is gone is removed already."""
    one = {
        "name": "files/a",
        "displayName": "batch_input_1.jsonl",
        "sizeBytes": "12",
        "createTime": "2025-07-07T10:00:00Z",
        "source": "UPLOADED",
    }
    wire = Script({"files": [one, {"name": None}]}, NotThere("gone", status=404))

    assert list(CLIENT.files(wire)) == [
        RemoteFile("files/a", "batch_input_1.jsonl", 12, 1751882400.0, "UPLOADED")
    ]
    CLIENT.delete_file(wire, "files/a")
    assert wire.calls == [
        call(Kind.READ, "GET", "/v1beta/files", params={"pageSize": 100}, paced=True),
        call(Kind.CHANGE, "DELETE", "/v1beta/files/a"),
    ]


@pytest.mark.parametrize(
    ("answer", "ready"),
    [({"state": "ACTIVE"}, True), ({"state": "PROCESSING"}, False), ({"state": None}, True), ({}, True)],
)
def test_is_ready(answer: dict[str, Any], ready: bool) -> None:  # noqa: FBT001
    """A file that is being processed is waited for."""
    wire = Script(answer)

    assert CLIENT.is_ready(wire, "files/in") is ready
    assert wire.calls == [call(Kind.READ, "GET", "/v1beta/files/in")]


def test_a_file_that_broke_is_refused() -> None:
    """A file that could not be processed becomes no batch, and the words say why."""
    with pytest.raises(CallRefused, match="no JSONL"):
        CLIENT.is_ready(Script({"state": "FAILED", "error": {"message": "no JSONL"}}), "files/in")


INLINE = {"inlinedResponses": [{"metadata": {"key": "k"}, "response": {}, "error": None}]}


@given(
    any_json(BATCH | {"done": True, "error": {"code": 1}, "response": INLINE, "operations": [], "files": []}),
    st.sampled_from(["create", "status", "batches", "files", "is_ready", "download"]),
)
def test_any_reply_is_read_or_refused(answer: Any, verb: str) -> None:
    """Whatever JSON comes back: a value, or an error of ours; never any other exception."""
    wire = Script(reply(msgspec.json.encode(answer)))

    def run() -> object:
        match verb:
            case "create":
                return CLIENT.create(wire, ORDER, NOBODY, "f")
            case "status":
                return CLIENT.status(wire, "batches/b1")
            case "batches":
                return list(CLIENT.batches(wire))
            case "files":
                return list(CLIENT.files(wire))
            case "is_ready":
                return CLIENT.is_ready(wire, "files/in")
            case _:
                return CLIENT.download(wire, "batches/b1", Memory())

    error = error_of(run)

    assert error is None or isinstance(error, Uncertain) == (verb == "create")
