"""The server itself: large files in flat memory, records without secrets, a fixture, a clock, an end."""

import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from reconciler import testing
from reconciler.testing import FakeProvider, Fate, Outcome
from reconciler.testing.faults import Silent
from reconciler.testing.records import fingerprint
from reconciler.testing.world import Clock
from tests.testing.speakers import GeminiSpeaker
from tests.testing.speaking import IDS, OpenAISpeaker, Speaker, chat, jsonl

MIB = 1 << 20


def test_large_files_take_no_memory(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """64 MiB go up, through a batch and down again, and memory never holds a tenth of it."""
    fake.default(Fate(polls=0))
    line = jsonl(
        [chat("r-%04d") | {"body": {"model": "m", "messages": [{"role": "user", "content": "x" * MIB}]}}]
    )
    boundary = b"--x\r\n"
    head = boundary + b'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n' + boundary
    head += b'Content-Disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n'

    def body() -> Iterator[bytes]:
        yield head
        for number in range(64):
            yield line.replace(b"%04d", b"%04d" % number)
        yield b"\r\n--x--\r\n"

    tracemalloc.start()
    try:
        kind = {"content-type": "multipart/form-data; boundary=x"}
        file_id = openai.ask("POST", "/files", content=body(), headers=kind).json()["id"]
        batch = openai.make(file_id).json()["id"]
        told = openai.get(batch).json()
        url = f"{openai.url}/files/{told['output_file_id']}/content"
        with openai.http.stream("GET", url, headers=openai.headers()) as reply:
            came = sum(len(piece) for piece in reply.iter_raw())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert came > 64 * MIB
    assert told["request_counts"]["completed"] == 64
    assert peak < 16 * MIB


def test_calls_are_recorded_without_secrets(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """A record has method, path, query, headers and sizes, and a fingerprint in place of each key."""
    fake.clock.advance(5)
    openai.ask("POST", "/batches?x=1&key=canary-1", content=b"12345", headers={"x-api-key": "canary-2"})
    call = fake.calls[0]

    assert (call.method, call.path, call.query) == ("POST", "/openai/v1/batches", (("x", "1"),))
    assert (call.kind, call.dialect, call.received, call.status) == ("create", "openai", 5, 400)
    assert call.at == fake.clock.now
    assert call.keys == {
        "authorization": fingerprint(fake.key),
        "x-api-key": fingerprint("canary-2"),
        "?key": fingerprint("canary-1"),
    }
    assert "canary" not in repr(call)
    assert fake.key not in repr(call)
    assert fake.calls.saw("canary-1") == (call,)


def test_calls_are_counted(fake: FakeProvider, speaker: Speaker) -> None:
    """Tests count calls by kind and by provider."""
    batch = speaker.submit(IDS)
    speaker.get(batch)
    speaker.listed()

    assert [fake.calls.count(kind) for kind in ("create", "get", "list", "delete")] == [1, 1, 1, 0]
    assert fake.calls.count() == fake.calls.count(dialect=fake.calls[0].dialect) == len(fake.calls)


def test_ids_are_the_same_in_every_run(fake: FakeProvider, speaker: Speaker) -> None:
    """The first batch after a reset has the id that the first batch before it had."""
    first = speaker.submit(IDS)
    fake.reset()

    assert speaker.submit(IDS) == first


def test_the_date_is_the_clocks(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """The Date header tells the virtual time, so that a test can set it askew."""
    fake.clock.advance(-fake.clock.now)
    reply = openai.ask("GET", "/batches")

    assert reply.headers["date"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert reply.headers["x-request-id"] == "req_00000001"


def test_a_clock_ticks_when_it_is_told_to() -> None:
    """A ticking clock goes on by itself; the usual one stands still."""
    ticking, still = Clock(100, ticking=True), Clock(100)

    assert ticking.now < ticking.now + 1
    assert (still.now, still.now) == (100, 100)


def test_no_client_waits_for_ever() -> None:
    """A server that closes hangs up on calls that are still waiting, and its thread is gone."""
    seen: list[Exception] = []
    before = {*threading.enumerate()}
    with FakeProvider() as other:
        other.fault(None, Silent())

        def wait() -> None:
            try:
                httpx.get(other.url("openai") + "/batches", timeout=20, trust_env=False)
            except httpx.TransportError as error:
                seen.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        while not other.calls.count():
            waiting.join(0.001)
    waiting.join()

    assert len(seen) == 1
    assert {*threading.enumerate()} <= before


def test_a_server_that_was_not_started_has_no_address() -> None:
    """The address is known from `start` on; to close an idle one is nothing."""
    fake = FakeProvider()

    with pytest.raises(RuntimeError, match="not been started"):
        fake.url("openai")
    fake.close()


def test_a_mistake_of_the_fake_is_told(fake_provider: FakeProvider, http: httpx.Client) -> None:
    """A handler that fails by itself answers 500 and leaves its traceback."""
    speaker = OpenAISpeaker(fake_provider, http, fake_provider.url("openai"))
    fake_provider.default(Fate(polls=0, choose=lambda each: dict[str, Outcome]()[each]))
    batch = speaker.submit(["r-1"])

    assert speaker.get(batch).status_code == 500
    assert "KeyError: 'r-1'" in fake_provider.mistakes[0]


def test_public_names() -> None:
    """What the package offers is there, and nothing else."""
    assert all(getattr(testing, name) for name in testing.__all__)
    with pytest.raises(AttributeError):
        testing.nobody  # noqa: B018 - the access is the test


def test_the_plugin_loads_no_server(tmp_path: Path) -> None:
    """Where the extra is missing pytest runs as before: the plugin asks for nothing at start."""
    code = "import sys; import reconciler.testing.plugin; sys.exit('starlette' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


def test_a_torn_form_is_refused(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """A form that ends too early, or is none, is a 400."""
    kind = {"content-type": "multipart/form-data; boundary=x"}

    assert openai.ask("POST", "/files", content=b"--x\r\nA: b\r\n\r\n", headers=kind).status_code == 400
    assert openai.ask("POST", "/files", content=b"{}").status_code == 400
    assert fake.files == []


def test_geminis_upload_survives_a_reset(fake: FakeProvider, gemini: GeminiSpeaker) -> None:
    """An upload that nobody finished is forgotten with the rest."""
    url = gemini.start(6).headers["x-goog-upload-url"]
    gemini.chunk(url, b"abc", 0, "upload")
    fake.reset()

    assert gemini.chunk(url, b"def", 3).status_code == 404
