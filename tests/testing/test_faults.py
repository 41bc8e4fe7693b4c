"""What goes wrong, as a client meets it on its socket; nothing waits longer than a short timeout."""

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import pytest

from reconciler.testing import FakeProvider, Fate
from reconciler.testing.faults import (
    Cut,
    Drip,
    Endless,
    GzipBomb,
    Gzipped,
    LateEffect,
    ReplyDropped,
    Reset,
    Silent,
)
from reconciler.testing.records import Kind
from reconciler.testing.replies import (
    server_error,
)
from tests.testing.speaking import IDS, OpenAISpeaker, Speaker, chat, jsonl

SHORT: Final = 0.15
"""How long an impatient client waits, in seconds."""

LOST: Final = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
"""What a lost connection is called depends on what the client was doing at that moment."""


@pytest.fixture
def impatient(openai: OpenAISpeaker) -> Iterator[OpenAISpeaker]:
    """A client that soon gives up."""
    with httpx.Client(timeout=SHORT, trust_env=False) as openai.http:
        yield openai


def ended(fake: FakeProvider, openai: OpenAISpeaker) -> str:
    """The output file of a batch that has ended."""
    fake.script(Fate(polls=0))
    batch = openai.submit(IDS)
    return str(openai.get(batch).json()["output_file_id"])


@pytest.mark.parametrize("when", ["before", "middle"])
def test_a_reset_before_the_effect(fake: FakeProvider, speaker: Speaker, when: Any) -> None:
    """The connection is reset and nothing has happened."""
    fake.fault("create", Reset(when))

    with pytest.raises(LOST):
        speaker.create()
    assert fake.batches == []
    assert fake.calls.of("create")[0].status == 0


@pytest.mark.parametrize("reset", [True, False])
def test_a_reply_that_is_dropped(fake: FakeProvider, speaker: Speaker, reset: bool) -> None:
    """The batch was created, and its creator does not learn of it; a list shows it."""
    fake.fault("create", ReplyDropped(reset=reset))

    with pytest.raises(LOST):
        speaker.create()
    assert speaker.listed() == [batch.id for batch in fake.batches] != []


def test_a_create_that_lands_after_further_calls(fake: FakeProvider, speaker: Speaker) -> None:
    """A list right after a lost create shows nothing; the batch is there some calls later."""
    fake.fault("create", LateEffect(calls=2))

    with pytest.raises(LOST):
        speaker.create()
    assert [len(speaker.listed()) for _ in range(3)] == [0, 1, 1]


def test_a_create_that_lands_by_the_clock(fake: FakeProvider, speaker: Speaker) -> None:
    """The same by the virtual clock, with a 504 in the meantime."""
    fake.fault("create", LateEffect(seconds=60, reply=504))
    status = speaker.create().status_code
    before = speaker.listed()
    fake.clock.advance(60)

    assert (status, before) == (504, [])
    assert len(speaker.listed()) == 1


def test_a_late_create_finds_its_file_deleted(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """A create that lands after its input file was deleted makes nothing: the file is a fence."""
    file_id = openai.upload(jsonl([chat("r-1")])).json()["id"]
    fake.fault("create", LateEffect(seconds=60))
    with pytest.raises(LOST):
        openai.make(file_id)
    openai.ask("DELETE", f"/files/{file_id}")
    fake.clock.advance(60)

    assert openai.listed() == []


@pytest.mark.parametrize("effect", [True, False])
def test_silence(fake: FakeProvider, impatient: OpenAISpeaker, effect: bool) -> None:
    """The request is taken and no answer comes, whether it was carried out or not."""
    file_id = impatient.upload(jsonl([chat("r-1")])).json()["id"]
    fake.fault("create", Silent(effect=effect))

    with pytest.raises(httpx.ReadTimeout):
        impatient.make(file_id)
    assert len(fake.batches) == effect


def test_a_late_create_may_be_silent(fake: FakeProvider, impatient: OpenAISpeaker) -> None:
    """The client times out, and the batch is created when it has gone."""
    file_id = impatient.upload(jsonl([chat("r-1")])).json()["id"]
    fake.fault("create", LateEffect(calls=1, reply="silent"))

    with pytest.raises(httpx.ReadTimeout):
        impatient.make(file_id)
    assert len(impatient.listed()) == 1


@pytest.mark.parametrize(
    ("how", "raised"),
    [
        ("length", httpx.RemoteProtocolError),
        ("chunked", httpx.RemoteProtocolError),
        ("reset", httpx.ReadError),
    ],
)
@pytest.mark.parametrize("kind", ["create", "get", "list", "cancel"])
def test_an_answer_is_cut(
    fake: FakeProvider, openai: OpenAISpeaker, kind: Kind, how: Any, raised: type[Exception]
) -> None:
    """An answer that stops short of its length, of its last chunk, or at a reset is noticed by HTTP."""
    fake.default(Fate(polls=9))
    batch = openai.submit(IDS)
    fake.fault(kind, Cut(20, how))
    calls: dict[str, Callable[[], object]] = {
        "create": openai.create,
        "get": lambda: openai.get(batch),
        "list": openai.listed,
        "cancel": lambda: openai.cancel(batch),
    }

    with pytest.raises(raised):
        calls[kind]()


def test_a_download_cut_at_a_line_end_looks_whole(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """Without a length, a body that ends with a line is a good one to HTTP: only the ids can tell."""
    file_id = ended(fake, openai)
    whole = openai.ask("GET", f"/files/{file_id}/content").content
    fake.fault("download", Cut(len(whole) - 10, "line"))
    reply = openai.ask("GET", f"/files/{file_id}/content")

    assert reply.status_code == 200
    assert "content-length" not in reply.headers
    assert [line["custom_id"] for line in map(json.loads, reply.content.splitlines())] == list(IDS[:-1])


def test_a_cut_download_is_resumed(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """What came before the cut and the range behind it are the file."""
    file_id = ended(fake, openai)
    path = f"/files/{file_id}/content"
    whole = openai.ask("GET", path).content
    fake.fault("download", Cut(50, "length"))
    got = bytearray()
    with (
        openai.http.stream("GET", openai.url + path, headers=openai.headers()) as reply,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        list(map(got.extend, reply.iter_bytes()))
    rest = openai.ask("GET", path, headers={"range": f"bytes={len(got)}-"})

    assert len(got) == 50
    assert rest.status_code == 206
    assert rest.headers["content-range"] == f"bytes 50-{len(whole) - 1}/{len(whole)}"
    assert bytes(got) + rest.content == whole


def test_an_answer_drips(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """A byte at a time, so that no read times out; the answer is right in the end."""
    batch = openai.submit(IDS)
    fake.fault("get", Drip(pause=0, size=7))

    assert openai.get(batch).json()["id"] == batch


def test_a_drip_outlasts_a_read_timeout(fake: FakeProvider, impatient: OpenAISpeaker) -> None:
    """Bytes keep coming within the timeout of each read, far longer in all: a client needs a deadline."""
    batch = impatient.submit(IDS)
    fake.fault("get", Drip(pause=0.01))
    url = f"{impatient.url}/batches/{batch}"
    with impatient.http.stream("GET", url, headers=impatient.headers()) as reply:
        pieces = reply.iter_raw()
        first = [next(pieces) for _ in range(5)]

    assert b"".join(first) == b'{"id"'


def test_a_gzip_bomb(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """Twenty mebibytes arrive as twenty kilobytes; a client may stop at any piece."""
    batch = openai.submit(IDS)
    fake.fault("get", GzipBomb(20))
    with openai.http.stream("GET", f"{openai.url}/batches/{batch}", headers=openai.headers()) as reply:
        packed = int(reply.headers["content-length"])
        first = next(reply.iter_bytes())

    assert packed < 22_000
    assert set(first) == {ord(" ")}


def test_an_answer_is_compressed_unasked(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """The right answer may come packed although the client asked for it plain."""
    batch = openai.submit(IDS)
    fake.fault("get", Gzipped())
    url = f"{openai.url}/batches/{batch}"
    headers = {**openai.headers(), "accept-encoding": "identity"}
    with openai.http.stream("GET", url, headers=headers) as reply:
        raw = b"".join(reply.iter_raw())

    assert json.loads(gzip.decompress(raw))["id"] == batch


def test_a_body_without_end(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """It goes on until the client hangs up, and the server lives on."""
    file_id = ended(fake, openai)
    fake.fault("download", Endless())
    url = f"{openai.url}/files/{file_id}/content"
    with openai.http.stream("GET", url, headers=openai.headers()) as reply:
        came = 0
        for piece in reply.iter_bytes():
            came += len(piece)
            if came > 1 << 20:
                break

    assert openai.ask("GET", f"/files/{file_id}/content").status_code == 200


def test_faults_are_counted_by_kind(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """A fault may begin with the n-th call of its kind, and last for some, or for good."""
    batch = openai.submit(IDS)
    fake.fault("get", server_error(), nth=2, times=2)
    few = [openai.get(batch).status_code for _ in range(5)]
    fake.fault("get", server_error(503), times=None)

    assert few == [200, 500, 500, 200, 200]
    assert [openai.get(batch).status_code for _ in range(3)] == [503, 503, 503]
    assert openai.ask("GET", "/batches").status_code == 200


def test_a_fault_may_be_for_one_provider_or_for_any_call(
    fake: FakeProvider, openai: OpenAISpeaker, mistral: Speaker
) -> None:
    """With `dialect` others go on; with no kind every call is meant."""
    fake.fault(None, server_error(), dialect="openai", times=None)

    assert openai.ask("GET", "/files").status_code == 500
    assert mistral.create().status_code == 200


def test_an_upload_is_reset_in_its_middle(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """A large upload breaks off while it is on its way, and no file is there."""
    fake.fault("upload", Reset("middle"))

    with pytest.raises(LOST):
        openai.upload(b"x" * (8 << 20))
    assert fake.files == []
    assert 0 < fake.calls[0].received < 8 << 20


def test_a_refused_upload_is_read_to_its_end(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """A refusal of a large upload arrives as one, and not as a broken pipe."""
    fake.fault("upload", server_error(503))

    assert openai.upload(b"x" * (2 << 20)).status_code == 503
    assert fake.calls[0].received > 2 << 20
