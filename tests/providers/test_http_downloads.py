"""A download goes on where it was cut, and holds the file's bytes or nothing at all."""

import gzip
import hashlib
from collections.abc import Callable
from typing import Final

import attrs
import pytest

from reconciler.errors import Interrupted, PermanentError, TransientError
from reconciler.providers.calls import Kind
from tests.providers.calling import SETTINGS, Taken, World, call, serving
from tests.providers.loopback import Seen, Step, Talk, endless, message, raw, reply

DATA: Final = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(3000))
BINARY: Final = {"content-type": "application/octet-stream"}


def file(
    data: bytes = DATA,
    *,
    cut: int = 1_000_000,
    tag: str = '"v1"',
    ranges: bool = True,
    shown: Callable[[int], str] | None = None,
) -> Step:
    """A server of one file, that hangs up after *cut* bytes and may know ranges."""

    def step(talk: Talk, seen: Seen) -> bool:
        asked = seen.headers.get("range", "") if ranges else ""
        if seen.headers.get("if-range", tag) != tag:
            asked = ""
        begin = int(asked.removeprefix("bytes=").rstrip("-") or 0)
        headers = BINARY | ({"etag": tag} if tag else {})
        if asked and begin >= len(data):
            talk.say(message(416, b"", {"content-range": f"bytes */{len(data)}"}))
            return True
        part = data[begin:]
        if asked:
            said = shown(begin) if shown else f"bytes {begin}-{len(data) - 1}/{len(data)}"
            headers |= {"content-range": said}
        talk.say(message(206 if asked else 200, part, headers)[: -len(part)] + part[:cut])
        return cut >= len(part)

    return step


def fetched(*steps: Step, world: World | None = None, sink: Taken | None = None) -> tuple[Taken, list[Seen]]:
    """What a download brings, and the requests for it."""
    sink = sink or Taken()
    with serving(*steps) as server, (world or World()).http() as http:
        http.fetch(call(server, Kind.DOWNLOAD, "/files/1/content"), sink)
    return sink, server.seen


def test_a_whole_download_takes_one_call() -> None:
    """All bytes, one request, without a range."""
    sink, seen = fetched(file())

    assert (sink.data, len(seen), sink.restarts) == (DATA, 1, 0)
    assert "range" not in seen[0].headers


@pytest.mark.parametrize("tag", ['"v1"', 'W/"v1"', ""])
def test_a_cut_download_goes_on(tag: str) -> None:
    """Cut twenty times, with progress each time, it still ends whole, and no byte comes twice."""
    sink, seen = fetched(file(cut=5000, tag=tag))

    assert (sink.data, sink.restarts) == (DATA, 0)
    assert [each.headers.get("range", "") for each in seen] == [
        "",
        *(f"bytes={n * 5000}-" for n in range(1, 20)),
    ]
    assert {each.headers.get("if-range", "") for each in seen[1:]} == {tag if tag == '"v1"' else ""}


def test_a_server_without_ranges_starts_again() -> None:
    """A 200 to a range brings the whole file, so what came before goes."""
    sink, seen = fetched(file(cut=5000), file(ranges=False))

    assert (sink.data, sink.restarts, len(seen)) == (DATA, 1, 2)


def test_a_server_without_ranges_that_always_cuts_is_given_up() -> None:
    """The same beginning again and again is no progress."""
    world = World()
    with pytest.raises(TransientError):
        fetched(file(cut=5000, ranges=False), world=world)

    assert len(world.heard) == 5


def test_another_file_meanwhile_starts_again() -> None:
    """Bytes of two files are never mixed: the tag has changed, so all comes anew."""
    other = DATA[::-1]
    sink, _seen = fetched(file(cut=5000), file(other, tag='"v2"'))

    assert (sink.data, sink.restarts) == (other, 1)


def test_another_weak_tag_meanwhile_starts_again() -> None:
    """A weak tag cannot be asked with, but it can be seen to have changed."""
    other = DATA[::-1]
    sink, _seen = fetched(file(cut=5000, tag='W/"1"'), file(other, tag='W/"2"'))

    assert (sink.data, sink.restarts) == (other, 1)


@pytest.mark.parametrize(
    "shown",
    [
        lambda begin: f"bytes {begin + 1}-9/{len(DATA)}",
        lambda begin: f"bytes {begin}-95999/17",
        lambda _begin: "",
        lambda _begin: "bytes",
        lambda begin: f"bytes {begin}-",
    ],
)
def test_another_part_than_was_asked_for_is_not_taken(shown: Callable[[int], str]) -> None:
    """A server that answers with another range has its bytes thrown away."""
    sink, _seen = fetched(file(cut=5000), file(shown=shown), file())

    assert (sink.data, sink.restarts) == (DATA, 1)


def test_a_range_that_does_not_exist_starts_again_once() -> None:
    """A 416 is no end: the file comes from its beginning."""
    sink, seen = fetched(file(cut=5000), reply(416, b""), file())

    assert (sink.data, sink.restarts, len(seen)) == (DATA, 1, 3)


def test_a_range_that_never_exists_is_given_up() -> None:
    """A second 416 is an answer."""
    with pytest.raises(PermanentError):
        fetched(file(cut=5000), reply(416, b""))


def test_a_length_without_an_end_is_seen() -> None:
    """A 206 that says how long the file is, and ends before without a length of its own, was cut."""
    head = f"HTTP/1.1 206 OK\r\nContent-Range: bytes 5000-{len(DATA) - 1}/{len(DATA)}\r\n\r\n".encode()
    sink, seen = fetched(file(cut=5000), raw(head + DATA[5000:9000]), file())

    assert (sink.data, seen[2].headers["range"]) == (DATA, "bytes=9000-")


def test_a_page_is_no_part_of_a_file() -> None:
    """A proxy's page in the middle of a download is not written."""
    page = reply(200, b"<html>Sign in</html>", {"content-type": "text/html"})
    sink, _seen = fetched(file(cut=5000), page, page, file())

    assert (sink.data, sink.restarts) == (DATA, 0)


def test_the_middle_of_a_packed_file_is_not_asked_for() -> None:
    """Offsets count packed bytes there and unpacked ones here: a packed file comes anew."""
    packed = gzip.compress(DATA)
    cut = raw(message(200, packed, BINARY | {"content-encoding": "gzip"})[:-5000])
    sink, seen = fetched(cut, file())

    assert (sink.data, sink.restarts) == (DATA, 1)
    assert "range" not in seen[1].headers


def test_an_absolute_bound_ends_what_always_moves() -> None:
    """A hundred cuts are enough, whatever the progress."""
    world = World()
    with pytest.raises(TransientError):
        fetched(file(cut=10), world=world)

    assert len(world.heard) == 101


def test_a_file_above_the_cap_is_refused() -> None:
    """A download without an end fills no disk."""
    sink = Taken()
    small = attrs.evolve(SETTINGS, file=200_000)
    with (
        serving(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536)) as server,
        World().http(small) as http,
        pytest.raises(PermanentError, match="larger than 200000 bytes"),
    ):
        http.fetch(call(server, Kind.DOWNLOAD), sink)

    assert sink.size <= 200_000


def test_a_download_that_crawls_counts_as_cut() -> None:
    """Less than a floor of bytes in a minute is no download; each such try counts."""
    world = World(step=61.0)
    with pytest.raises(TransientError, match="too slowly"):
        fetched(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x"), world=world)


def test_an_end_asked_for_keeps_what_came() -> None:
    """Ctrl-C during a download ends it between two blocks."""
    sink = Taken()
    with (
        serving(file(DATA * 40)) as server,
        World(stop_after=0).http() as http,
        pytest.raises(Interrupted),
    ):
        http.fetch(call(server, Kind.DOWNLOAD), sink)

    assert 0 < sink.size < len(DATA) * 40


def test_a_full_disk_is_no_fault_of_the_network() -> None:
    """What the sink raises comes through, and nothing is tried again."""

    class Full(Taken):
        def write(self, block: bytes) -> None:
            raise OSError(28, f"no space for {len(block)} bytes")

    world = World()
    with pytest.raises(OSError, match="no space"):
        fetched(file(), sink=Full(), world=world)

    assert len(world.heard) == 1
