"""The client of OpenAI's batch API and of its copies: files go up, come down, are listed and deleted."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import CallRefused, NotThere, TransientError
from reconciler.model.remote import RemoteFile
from reconciler.providers.calls import Form, Kind
from reconciler.providers.openai import OPENAI, Expiry, Switches
from tests.providers.asking_openai import INTENT, call, client
from tests.wires import Fetched, Memory, Script, source_of


def test_together_uploads_elsewhere() -> None:
    """A service that has its own address for uploads gets them there, under a name that is a field, too."""
    wire, source = Script({"id": "file-1"}), source_of(b"{}")
    switches = Switches(purpose="batch-api", upload="/files/upload", named=True)

    assert client(switches).upload(wire, source, "a.jsonl") == "file-1"
    form = Form({"purpose": "batch-api", "file_name": "a.jsonl"}, "a.jsonl", "application/jsonl", source)
    assert wire.calls == [call(Kind.UPLOAD, "POST", "/files/upload", content=form)]


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
def test_a_file_that_has_to_be_processed(told: dict[str, Any], ready: bool) -> None:  # noqa: FBT001 - a row
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
