"""The client of OpenAI's batch API and of its copies: calls out, batches in."""

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
from reconciler.model.remote import Order, RemoteBatch, RemoteFile
from reconciler.providers.calls import Call, Form, Kind, Origin, Secret
from reconciler.providers.openai import OPENAI, Expiry, OpenAI, Switches
from reconciler.providers.times import DAY
from tests.wires import Fetched, Memory, Script, any_json, error_of, reply, source_of

ORIGIN = Origin("openai", "https://api.openai.com/v1", secret={"Authorization": Secret("Bearer k")})
INTENT = "0123456789abcdef0123456789abcdef"
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


def client(switches: Switches = OPENAI) -> OpenAI:
    """A client whose account nobody asks for."""
    return OpenAI(ORIGIN, "0" * 16, switches)


def call(kind: Kind, method: str, path: str, **more: Any) -> Call:
    """A call to the test's origin."""
    return Call(kind, ORIGIN, method, path, **more)


def test_together_uploads_elsewhere() -> None:
    """A service that has its own address for uploads gets them there, under a name that is a field, too."""
    wire, source = Script({"id": "file-1"}), source_of(b"{}")
    switches = Switches(purpose="batch-api", upload="/files/upload", named=True)

    assert client(switches).upload(wire, source, "a.jsonl") == "file-1"
    form = Form({"purpose": "batch-api", "file_name": "a.jsonl"}, "a.jsonl", "application/jsonl", source)
    assert wire.calls == [call(Kind.UPLOAD, "POST", "/files/upload", content=form)]


def test_says_what_it_is() -> None:
    """An input is uploaded, batches are found by their tags, and answers come as two files."""
    asked = client()

    assert (asked.name, asked.takes_file, asked.tags, asked.one_stream) == ("openai", True, True, False)
    assert asked.dialects == {Dialect.OPENAI}
    assert client(Switches(bare=True)).dialects == {Dialect.OPENAI, Dialect.MISTRAL}
    assert not client(Switches(metadata=False)).tags


@pytest.mark.parametrize(
    ("switches", "fields"),
    [
        (OPENAI, {"purpose": "batch"}),
        (Switches(purpose="batch-api"), {"purpose": "batch-api"}),
        (
            Switches(expires_after=3600),
            {"purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"},
        ),
        (
            Switches(expires_after=1209600, expiry=Expiry.DOTS),
            {"purpose": "batch", "expires_after.anchor": "created_at", "expires_after.seconds": "1209600"},
        ),
    ],
)
def test_upload(switches: Switches, fields: dict[str, str]) -> None:
    """An upload is one form: the fields, then the file under the name that holds the intent."""
    wire, source = Script({"id": "file-1", "object": "file"}), source_of(b'{"custom_id":"1"}\n')

    assert client(switches).upload(wire, source, f"batch_input_{INTENT}.jsonl") == "file-1"
    form = Form(fields, f"batch_input_{INTENT}.jsonl", "application/jsonl", source)
    assert wire.calls == [call(Kind.UPLOAD, "POST", "/files", content=form)]
    assert wire.bodies == [b'{"custom_id":"1"}\n']


@pytest.mark.parametrize("answer", [{}, {"id": None}, {"id": ""}, {"id": 7}, [], None, "file-1"])
def test_an_upload_without_an_id_may_be_repeated(answer: Any) -> None:
    """An upload whose reply names no file is a fault that a further upload mends: it costs nothing."""
    with pytest.raises(TransientError):
        client().upload(Script(answer), source_of(b"x"), "batch_input_1.jsonl")


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


@pytest.mark.parametrize(
    ("brought", "size"),
    [
        (Fetched({"content-length": "4"}, b"ab", b"cd"), 4),
        (Fetched({"content-range": "bytes 2-3/4", "content-length": "2"}, b"cd"), 4),
        (Fetched({"content-encoding": "gzip", "content-length": "4"}, b"abcdefgh"), None),
        (Fetched({}, b"abcd"), None),
        (Fetched({"content-length": "0"}), 0),
        (Fetched({"content-length": "many"}, b"a"), None),
        (Fetched({"content-range": "bytes 2-3/*"}, b"a"), None),
    ],
)
def test_download(brought: Fetched, size: int | None) -> None:
    """A file is fetched into the sink, and its size is what the headers say of the whole of it."""
    wire, sink = Script(brought), Memory()

    assert client().download(wire, "file-o", sink) == size
    assert wire.calls == [call(Kind.DOWNLOAD, "GET", "/files/file-o/content")]
    assert sink.data == b"".join(brought.blocks)


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


def test_files() -> None:
    """Files are listed whatever they are for, those without an id left out."""
    wire = Script(
        {
            "data": [
                {
                    "id": "file-1",
                    "bytes": 12,
                    "created_at": 5,
                    "filename": "batch_input_1.jsonl",
                    "purpose": "batch",
                },
                {"id": "file-2", "bytes": None, "filename": None},
                {"id": None},
            ],
            "has_more": False,
        }
    )

    assert list(client().files(wire)) == [
        RemoteFile("file-1", "batch_input_1.jsonl", 12, 5.0, "batch"),
        RemoteFile("file-2"),
    ]
    assert wire.calls == [call(Kind.READ, "GET", "/files", params={"limit": 1000}, paced=True)]


@pytest.mark.parametrize("answer", [{"id": "file-1", "deleted": True}, NotThere("gone", status=404)])
def test_delete_file(answer: Any) -> None:
    """A file that is gone already is deleted."""
    wire = Script(answer)
    client().delete_file(wire, "file-1")
    assert wire.calls == [call(Kind.CHANGE, "DELETE", "/files/file-1")]


@pytest.mark.parametrize(
    ("told", "ready"),
    [
        ({"status": "processed"}, True),
        ({"status": "Processed"}, True),
        ({"status": "uploaded"}, False),
        ({"status": "pending"}, False),
        ({"status": None}, False),
    ],
)
def test_a_file_that_has_to_be_processed(told: dict[str, Any], ready: bool) -> None:  # noqa: FBT001
    """Where a file has to be processed first, the service is asked whether it is; elsewhere nobody is."""
    wire = Script(told)

    assert client(Switches(processes=True)).is_ready(wire, "file-1") is ready
    assert wire.calls == [call(Kind.READ, "GET", "/files/file-1")]
    assert client().is_ready(Script(), "file-1")


def test_a_file_that_broke_is_refused() -> None:
    """A file in error becomes no batch, however long one waits, and the service's words say why."""
    wire = Script({"status": "error", "status_details": "not UTF-8"})
    with pytest.raises(CallRefused, match="not UTF-8"):
        client(Switches(processes=True)).is_ready(wire, "file-1")


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
