"""The client of Mistral's batch API: calls out, batches in."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import CallRefused, ConfigError, NotThere, TransientError, Uncertain
from reconciler.model.exchange import Dialect
from reconciler.model.identity import Role
from reconciler.model.record import Counts, Refusal
from reconciler.model.remote import Order, RemoteBatch, RemoteFile
from reconciler.model.status import Phase, phase_of
from reconciler.providers.calls import Call, Form, Kind, Origin, Secret
from reconciler.providers.mistral import Mistral, hours_of
from tests.wires import Memory, Script, any_json, error_of, source_of

ORIGIN = Origin("mistral", "https://api.mistral.ai", secret={"Authorization": Secret("Bearer k")})
INTENT = "0123456789abcdef0123456789abcdef"
CLIENT = Mistral(ORIGIN, "0" * 16, "mistral-small-latest")
ORDER = Order(INTENT, "/v1/chat/completions", "mistral-small-latest", 3)
NOBODY = source_of(b"")
JOB = "/v1/batch/jobs/job-1"

BATCH: dict[str, Any] = {
    "id": "job-1",
    "object": "batch",
    "input_files": ["file-in"],
    "metadata": {"reconciler_intent": INTENT},
    "endpoint": "/v1/chat/completions",
    "model": "mistral-small-latest",
    "output_file": None,
    "error_file": None,
    "errors": [],
    "status": "QUEUED",
    "created_at": 1729000000,
    "started_at": None,
    "completed_at": None,
    "total_requests": 3,
    "completed_requests": 0,
    "succeeded_requests": 0,
    "failed_requests": 0,
}
READ = RemoteBatch(
    "job-1",
    "QUEUED",
    endpoint="/v1/chat/completions",
    counts=Counts(3, 0, 0),
    created_at=1729000000.0,
    intent=INTENT,
    input_file_id="file-in",
)


def call(kind: Kind, method: str, path: str, **more: Any) -> Call:
    """A call to the test's origin."""
    return Call(kind, ORIGIN, method, path, **more)


def test_says_what_it_is() -> None:
    """An input is uploaded, batches are tagged, answers come as two files, lines have a bare body."""
    assert (CLIENT.takes_file, CLIENT.tags, CLIENT.one_stream) == (True, True, False)
    assert CLIENT.dialects == {Dialect.MISTRAL}


def test_upload() -> None:
    """An upload is one form."""
    wire, source = Script({"id": "file-1"}), source_of(b"{}\n")

    assert CLIENT.upload(wire, source, "batch_input_1.jsonl") == "file-1"
    form = Form({"purpose": "batch"}, "batch_input_1.jsonl", "application/jsonl", source)
    assert wire.calls == [call(Kind.UPLOAD, "POST", "/v1/files", content=form)]
    assert CLIENT.is_ready(wire, "file-1")
    with pytest.raises(TransientError):
        CLIENT.upload(Script({"id": None}), source, "batch_input_1.jsonl")


@pytest.mark.parametrize(
    ("client", "order", "more"),
    [
        (CLIENT, ORDER, {"model": "mistral-small-latest"}),
        (CLIENT, attrs.evolve(ORDER, model=None), {}),
        (attrs.evolve(CLIENT, hours=48), ORDER, {"model": "mistral-small-latest", "timeout_hours": 48}),
    ],
)
def test_create(client: Mistral, order: Order, more: dict[str, Any]) -> None:
    """A create names the file, the endpoint and the model, and carries the intent as a tag."""
    wire = Script(BATCH)
    body = {
        "endpoint": "/v1/chat/completions",
        "input_files": ["file-in"],
        "metadata": {"reconciler_intent": INTENT},
    }

    assert client.create(wire, order, NOBODY, "file-in") == READ
    assert wire.calls == [call(Kind.CREATE, "POST", "/v1/batch/jobs", json=body | more)]


@pytest.mark.parametrize("answer", [{}, [], None, {"id": None}, {"id": ""}, {"id": 3}])
def test_a_create_that_names_no_batch_is_uncertain(answer: Any) -> None:
    """A provider that said yes and named no batch may have made one."""
    with pytest.raises(Uncertain):
        CLIENT.create(Script(answer), ORDER, NOBODY, "file-in")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, {}, id="queued"),
        pytest.param(
            {
                "status": "SUCCESS",
                "output_file": "o",
                "error_file": "e",
                "completed_requests": 3,
                "succeeded_requests": 2,
                "failed_requests": 1,
            },
            {
                "status": "SUCCESS",
                "files": {Role.OUTPUT: "o", Role.ERROR: "e"},
                "counts": Counts(3, 2, 1),
            },
            id="success-with-failures",
        ),
        pytest.param(
            {"status": "TIMEOUT_EXCEEDED", "output_file": "o", "error_file": ""},
            {"status": "TIMEOUT_EXCEEDED", "files": {Role.OUTPUT: "o"}},
            id="timeout-with-a-part",
        ),
        pytest.param(
            {
                "status": "FAILED",
                "errors": [{"message": "bad model", "count": 3}, {"message": "x", "count": 1}, {}, None],
            },
            {
                "status": "FAILED",
                "refusals": (Refusal("", "bad model (3 times)"), Refusal("", "x")),
                "error": '[{"message":"bad model","count":3},{"message":"x","count":1},{},null]',
            },
            id="refused",
        ),
        pytest.param(
            {"metadata": None, "input_files": None}, {"intent": None, "input_file_id": None}, id="nulls"
        ),
        pytest.param({"total_requests": 0}, {"counts": Counts()}, id="not-counted-yet"),
        pytest.param({"errors": None, "created_at": None}, {"created_at": None}, id="more-nulls"),
    ],
)
def test_status(change: dict[str, Any], expected: dict[str, Any]) -> None:
    """Every shape of a job is read as what it means."""
    wire = Script(BATCH | change)

    assert CLIENT.status(wire, "job-1") == attrs.evolve(READ, **expected)
    assert wire.calls == [call(Kind.READ, "GET", JOB, paced=True)]


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        ("QUEUED", Phase.RUNNING),
        ("RUNNING", Phase.RUNNING),
        ("CANCELLATION_REQUESTED", Phase.RUNNING),
        ("SUCCESS", Phase.DONE),
        ("FAILED", Phase.REFUSED),
        ("TIMEOUT_EXCEEDED", Phase.PARTIAL),
        ("CANCELLED", Phase.PARTIAL),
        ("SOMETHING_NEW", Phase.RUNNING),
    ],
)
def test_words(word: str, phase: Phase) -> None:
    """Mistral's words mean what they mean."""
    assert phase_of(word) is phase


@pytest.mark.parametrize("answer", [{}, [], None, {"id": "job-1"}, {"id": "job-1", "status": 3}])
def test_an_unreadable_status_is_a_passing_fault(answer: Any) -> None:
    """A reply without id or status tells nothing of the batch."""
    with pytest.raises(TransientError):
        CLIENT.status(Script(answer), "job-1")


def jobs(*ids: str) -> list[dict[str, Any]]:
    """Jobs of these ids."""
    return [BATCH | {"id": each} for each in ids]


MANY = [f"j{n}" for n in range(100)]


@pytest.mark.parametrize(
    ("script", "pages", "found"),
    [
        pytest.param([{"data": jobs("a", "b"), "total": 2}], 1, ["a", "b"], id="one-page"),
        pytest.param([{"data": [], "total": 0}], 1, [], id="empty"),
        pytest.param([{"data": jobs("a")}, {"data": []}], 2, ["a"], id="no-total"),
        pytest.param(
            [{"data": jobs("a"), "total": 2}, {"data": jobs("b"), "total": 2}],
            2,
            ["a", "b"],
            id="short-pages",
        ),
        pytest.param(
            [{"data": jobs(*MANY), "total": 100}, {"data": jobs("x"), "total": 1}],
            2,
            [*MANY, "x"],
            id="a-total-of-the-page-alone",
        ),
        pytest.param(
            [{"data": jobs("a", "b"), "total": 4}, {"data": jobs("b", "c"), "total": 4}, {"data": []}],
            3,
            ["a", "b", "c"],
            id="one-added-in-front-while-reading",
        ),
    ],
)
def test_list(script: list[Any], pages: int, found: list[str]) -> None:
    """A list is read to its end, each job once."""
    wire = Script(*script)

    assert [batch.batch_id for batch in CLIENT.batches(wire)] == found
    params = {"order_by": "-created", "page_size": 100}
    assert wire.calls == [
        call(Kind.READ, "GET", "/v1/batch/jobs", params=params | {"page": page}, paced=True)
        for page in range(pages)
    ]


def test_a_list_since() -> None:
    """Older jobs are not asked for, and metadata never narrows a list: it is not known to."""
    wire = Script({"data": [], "total": 0})
    assert list(CLIENT.batches(wire, since=1729000000.9)) == []
    assert wire.calls[0].params == {
        "order_by": "-created",
        "created_after": "2024-10-15T13:46:40Z",
        "page": 0,
        "page_size": 100,
    }


@pytest.mark.parametrize(
    "script",
    [
        [{"data": None}],
        [[]],
        [{"data": [{}]}],
        [{"data": jobs("a")}, {"data": jobs("a")}, {"data": jobs("a")}],
    ],
)
def test_a_list_that_cannot_be_read_is_no_list(script: list[Any]) -> None:
    """A batch that was overlooked would be paid for again: a list is whole, or an error."""
    with pytest.raises(TransientError):
        list(CLIENT.batches(Script(*script)))


def test_the_other_calls() -> None:
    """Download, cancel and delete are one call each."""
    wire, sink = Script(b"abc", BATCH, {"deleted": True}, NotThere("gone", status=404)), Memory()

    assert CLIENT.download(wire, "o", sink) == 3
    CLIENT.cancel(wire, "job-1")
    CLIENT.delete_file(wire, "file-1")
    CLIENT.delete_file(wire, "file-1")
    assert wire.calls == [
        call(Kind.DOWNLOAD, "GET", "/v1/files/o/content"),
        call(Kind.CHANGE, "POST", f"{JOB}/cancel"),
        call(Kind.CHANGE, "DELETE", "/v1/files/file-1"),
        call(Kind.CHANGE, "DELETE", "/v1/files/file-1"),
    ]
    CLIENT.cancel(Script(CallRefused("no", status=409), BATCH | {"status": "SUCCESS"}), "job-1")
    CLIENT.cancel(
        Script(CallRefused("no", status=409), BATCH | {"status": "CANCELLATION_REQUESTED"}), "job-1"
    )


def test_files() -> None:
    """Files are listed page by page."""
    told = {"id": "f", "bytes": 3, "created_at": 5, "filename": "a.jsonl", "purpose": "batch"}
    wire = Script({"data": [told, {"id": None}], "total": 1})
    assert list(CLIENT.files(wire)) == [RemoteFile("f", "a.jsonl", 3, 5.0, "batch")]


@pytest.mark.parametrize(("window", "hours"), [("", None), ("24h", 24), ("3d", 72), ("1h", 1)])
def test_windows(window: str, hours: int | None) -> None:
    """A window is written as hours or days."""
    assert hours_of(window) == hours


@pytest.mark.parametrize("window", ["24", "0h", "h", "1w", "24 h", "-1d", "٣h"])
def test_other_windows_are_refused(window: str) -> None:
    """A window that nobody can read is an error in the settings."""
    with pytest.raises(ConfigError):
        hours_of(window)


@given(any_json(BATCH), st.sampled_from(["create", "status", "batches", "files", "upload"]))
def test_any_reply_is_read_or_refused(answer: Any, verb: str) -> None:
    """Whatever JSON comes back: a value, or an error of ours; never any other exception."""
    wire = Script(answer)

    def run() -> object:
        match verb:
            case "create":
                return CLIENT.create(wire, ORDER, NOBODY, "f")
            case "status":
                return CLIENT.status(wire, "job-1")
            case "batches":
                return list(CLIENT.batches(wire))
            case "files":
                return list(CLIENT.files(wire))
            case _:
                return CLIENT.upload(wire, source_of(b"x"), "a.jsonl")

    error = error_of(run)

    assert error is None or isinstance(error, Uncertain) == (verb == "create")
