"""Gemini's resumable upload: whole, whatever is cut."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import CallRefused, Later, TransientError
from reconciler.providers.calls import Call, Kind, Origin, Reply, Secret, Sink, Source
from reconciler.providers.gemini_upload import CHUNK, upload
from tests.wires import Script, reply, source_of

BASE = "https://generativelanguage.googleapis.com"
ORIGIN = Origin("gemini", BASE, secret={"x-goog-api-key": Secret("k")})
ADDRESS = f"{BASE}/upload/v1beta/files?upload_id=abc&upload_protocol=resumable"
BEGUN = reply({}, x_goog_upload_url=ADDRESS)
FINAL = reply({"file": {"name": "files/a"}}, x_goog_upload_status="final")
ACTIVE = reply(b"", x_goog_upload_status="active")
NAME = "batch_input_1.jsonl"


def has(size: int) -> Reply:
    """The answer of a server that is asked how much it has."""
    return reply(b"", x_goog_upload_status="active", x_goog_upload_size_received=str(size))


def start(size: int) -> Call:
    """The call that announces a file."""
    headers = {
        "X-Goog-Upload-Protocol": "resumable",
        "X-Goog-Upload-Command": "start",
        "X-Goog-Upload-Header-Content-Length": str(size),
        "X-Goog-Upload-Header-Content-Type": "application/jsonl",
    }
    body = {"file": {"displayName": NAME, "mimeType": "application/jsonl"}}
    return Call(Kind.UPLOAD, ORIGIN, "POST", "/upload/v1beta/files", headers=headers, json=body)


def sent(wire: Script) -> list[tuple[str, str, int]]:
    """Command, offset and length of each call to the address of the upload."""
    return [
        (call.headers["X-Goog-Upload-Command"], call.headers.get("X-Goog-Upload-Offset", ""), len(body))
        for call, body in zip(wire.calls, wire.bodies, strict=True)
        if call.path == ADDRESS
    ]


def test_a_small_file_is_one_chunk() -> None:
    """What fits into one chunk is announced, sent and ended with two calls."""
    wire = Script(BEGUN, FINAL)

    assert upload(wire, ORIGIN, "v1beta", source_of(b"0123456789"), NAME) == "files/a"
    assert wire.calls[0] == start(10)
    assert sent(wire) == [("upload, finalize", "0", 10)]
    assert wire.bodies[1] == b"0123456789"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param(
            [ACTIVE, ACTIVE, FINAL],
            [("upload", 0), ("upload", 1), ("upload, finalize", 2)],
            id="three-chunks",
        ),
        pytest.param(
            [ACTIVE, TransientError("cut"), has(CHUNK), ACTIVE, FINAL],
            [("upload", 0), ("upload", 1), ("query", None), ("upload", 1), ("upload, finalize", 2)],
            id="a-chunk-that-never-arrived",
        ),
        pytest.param(
            [ACTIVE, CallRefused("offset", status=400), has(2 * CHUNK), FINAL],
            [("upload", 0), ("upload", 1), ("query", None), ("upload, finalize", 2)],
            id="a-chunk-that-had-arrived",
        ),
        pytest.param(
            [ACTIVE, reply(b""), has(2 * CHUNK), FINAL],
            [("upload", 0), ("upload", 1), ("query", None), ("upload, finalize", 2)],
            id="a-reply-without-a-status",
        ),
        pytest.param(
            [ACTIVE, ACTIVE, TransientError("cut"), FINAL],
            [("upload", 0), ("upload", 1), ("upload, finalize", 2), ("query", None)],
            id="the-last-reply-was-lost",
        ),
    ],
)
def test_chunks(script: list[Any], expected: list[tuple[str, int | None]]) -> None:
    """A large file goes chunk by chunk; after a cut the server says where to go on."""
    size = 2 * CHUNK + 5
    wire = Script(BEGUN, *script)

    assert upload(wire, ORIGIN, "v1beta", source_of(bytes(size), 1 << 20), NAME) == "files/a"
    assert sent(wire) == [
        (
            command,
            "" if at is None else str(at * CHUNK),
            0 if at is None else min(CHUNK, size - at * CHUNK),
        )
        for command, at in expected
    ]
    assert wire.left == 0


@pytest.mark.parametrize(
    ("script", "error"),
    [
        pytest.param([reply({})], TransientError, id="no-address"),
        pytest.param([BEGUN, Later("slow", 30.0)], Later, id="told-to-wait"),
        pytest.param(
            [BEGUN, TransientError("cut"), CallRefused("gone", status=404)], TransientError, id="forgotten"
        ),
        pytest.param(
            [BEGUN, TransientError("cut"), CallRefused("no", status=403)], CallRefused, id="refused"
        ),
        pytest.param([BEGUN, TransientError("cut"), ACTIVE], TransientError, id="no-offset"),
        pytest.param([BEGUN, TransientError("cut"), has(11)], TransientError, id="more-than-there-is"),
        pytest.param([BEGUN, *[CallRefused("full", status=413), has(0)] * 4], CallRefused, id="never"),
        pytest.param([BEGUN, *[reply(b""), has(0)] * 4], TransientError, id="stuck"),
        pytest.param(
            [BEGUN, reply(b"", x_goog_upload_status="final")], TransientError, id="final-without-a-file"
        ),
        pytest.param(
            [BEGUN, reply({"file": None}, x_goog_upload_status="final")], TransientError, id="no-name"
        ),
    ],
)
def test_an_upload_that_fails_says_so(script: list[Any], error: type[Exception]) -> None:
    """An upload ends: with a file, or with an error that says whether another try may help."""
    with pytest.raises(error):
        upload(Script(*script), ORIGIN, "v1beta", source_of(b"0123456789"), NAME)


class Server:
    """A server of uploads that loses, in the order of a list, a call, a part of it, or its reply."""

    def __init__(self, fates: list[int]) -> None:
        self._fates = fates
        self.data = b""
        self.done = False

    def send(self, call: Call) -> Reply:
        """Take a call."""
        command = call.headers["X-Goog-Upload-Command"]
        if command == "start":
            return BEGUN
        if command == "query":
            if self.done:
                return FINAL
            return has(len(self.data))
        fate = self._fates.pop() if self._fates else 0
        assert isinstance(call.content, Source)
        if fate == 1:
            raise TransientError("nothing arrived")
        if int(call.headers["X-Goog-Upload-Offset"]) != len(self.data) or self.done:
            raise CallRefused("not where I am", status=400)
        body = b"".join(call.content.read(0))
        if fate == 2:
            self.data += body[: len(body) // 2]
            raise TransientError("half of it arrived")
        self.data += body
        self.done = "finalize" in command
        if fate == 3:
            raise TransientError("the reply was lost")
        return FINAL if self.done else ACTIVE

    def fetch(self, call: Call, sink: Sink) -> Mapping[str, str]:
        """Never asked."""
        raise NotImplementedError


@given(st.lists(st.integers(0, 3), max_size=6), st.integers(0, 40), st.integers(1, 41))
def test_what_arrives_is_the_file(fates: list[int], size: int, chunk: int) -> None:
    """However calls are cut: the server has the bytes in the end, each once, or the upload has failed."""
    data = bytes(range(size))
    server = Server(fates)
    with contextlib.suppress(TransientError, CallRefused):
        assert upload(server, ORIGIN, "v1beta", source_of(data), NAME, chunk=chunk) == "files/a"
        assert server.data == data
    assert data.startswith(server.data)


@given(st.lists(st.integers(0, 3), max_size=3), st.integers(1, 40), st.integers(1, 41))
def test_a_few_cuts_are_no_matter(fates: list[int], size: int, chunk: int) -> None:
    """Three cuts in a row, of whatever kind, do not end an upload."""
    server = Server(fates)
    assert upload(server, ORIGIN, "v1beta", source_of(bytes(size)), NAME, chunk=chunk) == "files/a"
