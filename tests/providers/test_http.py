"""What goes out, what comes back, and what others are told of it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from reconciler.errors import Interrupted, Later, PermanentError, TransientError, Uncertain
from reconciler.providers.calls import Call, Exchange, Kind, Source, Wire
from tests.providers.calling import KEY, SETTINGS, World, call, origin, serving, source
from tests.providers.loopback import JSON, reply


def test_a_call_takes_headers_query_and_body_along() -> None:
    """What arrives is what the call says, with the origin's headers and key."""
    with serving(reply(200, b'{"id":"b"}')) as server, World().http() as http:
        wire: Wire = http
        found = wire.send(
            call(server, Kind.CREATE, params={"a": 1, "b": None}, headers={"X-More": "2"}, json={"x": "ä"})
        )

    (seen,) = server.seen
    assert found.object() == {"id": "b"}
    assert (seen.method, seen.target, seen.body) == ("POST", "/v1/batches?a=1", '{"x":"ä"}'.encode())
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert (seen.headers["x-plain"], seen.headers["x-more"]) == ("1", "2")
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["accept-encoding"] == "identity"


def test_a_body_is_streamed_with_its_length() -> None:
    """A source is read block by block, and never sent in chunks of unknown number."""
    data = bytes(range(256)) * 1000
    with serving(reply()) as server, World().http() as http:
        http.send(call(server, Kind.UPLOAD, content=source(data)))

    assert server.seen[0].body == data
    assert server.seen[0].headers["content-length"] == str(len(data))
    assert "transfer-encoding" not in server.seen[0].headers


@pytest.mark.parametrize("size", [4999, 5001])
def test_a_source_that_is_not_as_long_as_it_says_is_never_taken_for_sent(size: int) -> None:
    """A file that changes while it is sent fails; a create with it is uncertain."""
    changed = attrs.evolve(source(b"x" * 5000), size=size)
    with serving(reply()) as server, World().http() as http:
        with pytest.raises(TransientError, match="changed"):
            http.send(call(server, Kind.UPLOAD, content=changed))
        with pytest.raises(Uncertain):
            http.send(call(server, Kind.CREATE, content=changed))

    assert server.seen == []


def test_what_reading_a_body_raises_comes_through() -> None:
    """A disk that fails is no fault of the network, and is not tried again."""

    def read(_offset: int) -> Iterator[bytes]:
        yield b"x"
        raise OSError(5, "the disk is gone")

    world = World()
    with serving(reply()) as server, world.http() as http:
        with pytest.raises(OSError, match="the disk is gone"):
            http.send(call(server, Kind.UPLOAD, content=Source(9, read)))
        with pytest.raises(Uncertain):
            http.send(call(server, Kind.CREATE, content=Source(9, read)))

    assert world.waits == []


def test_each_try_is_logged_without_query_body_or_key() -> None:
    """The log knows which try met what, and nothing that is secret."""
    world = World()
    with serving(reply(503), reply(200, b'{"a":1}')) as server, world.http() as http:
        http.send(call(server, Kind.UPLOAD, params={"token": "hidden"}, content=source(b"x" * 10)))
        url = f"{server.url}/v1/batches"

    assert world.heard == [
        Exchange("openai", Kind.UPLOAD, "POST", url, 503, 0.0, 10, 2, 1),
        Exchange("openai", Kind.UPLOAD, "POST", url, 200, 0.0, 10, 7, 2),
    ]


def test_a_log_that_fails_loses_no_reply() -> None:
    """The id of a batch that was paid for survives a full disk under the log."""

    def fail(_exchange: Exchange) -> None:
        raise OSError(28, "no space")

    with serving(reply(200, b'{"id":"b"}')) as server, World().http(heard=fail) as http:
        assert http.send(call(server, Kind.CREATE)).object() == {"id": "b"}


def test_the_tap_stops_the_world_before_a_call_is_sent() -> None:
    """What the tap raises comes through, and nothing was sent."""

    class StopHere(BaseException):
        pass

    def tap(change: str, what: str) -> None:
        assert (change, what) == ("POST create", "/v1/batches")
        raise StopHere

    with serving(reply()) as server, World().http(tap=tap) as http, pytest.raises(StopHere):
        http.send(call(server, Kind.CREATE))

    assert server.seen == []


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        pytest.param({}, [0.5, 1.0, 2.0], id="back-off"),
        pytest.param({"retry-after": "7"}, [7.0] * 3, id="seconds"),
        pytest.param({"retry-after": "1.5"}, [1.5] * 3, id="decimals"),
        pytest.param({"retry-after-ms": "250", "retry-after": "9"}, [0.25] * 3, id="milliseconds first"),
        pytest.param({"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT"}, [10.0] * 3, id="date"),
        pytest.param(
            {"retry-after": "Tue, 14 Nov 2000 22:13:30 GMT", "date": "Tue, 14 Nov 2000 22:13:10 GMT"},
            [20.0] * 3,
            id="date by the provider's clock",
        ),
        pytest.param({"retry-after": "-5"}, [0.5, 1.0, 2.0], id="negative"),
        pytest.param({"retry-after": "soon"}, [0.5, 1.0, 2.0], id="words"),
        pytest.param({"retry-after": "120"}, [120.0] * 3, id="just short enough"),
    ],
)
def test_tries_wait_as_long_as_they_are_asked_to(headers: dict[str, str], waits: list[float]) -> None:
    """Waits grow from half a second, unless the provider names a time."""
    world = World()
    with serving(reply(503, b"", headers)) as server, world.http() as http, pytest.raises(TransientError):
        http.send(call(server))

    assert world.waits == waits


@pytest.mark.parametrize("asked", ["121", "99999999999", "Fri, 14 Nov 2053 22:13:30 GMT"])
def test_a_long_wait_is_left_to_a_later_pass(asked: str) -> None:
    """Above two minutes nobody waits: the error says when to come back."""
    world = World()
    full = reply(429, b"", {"retry-after": asked})
    with serving(full) as server, world.http() as http, pytest.raises(Later) as caught:
        http.send(call(server))

    assert (caught.value.seconds > 120, world.waits) == (True, [])


def test_gemini_names_its_delay_in_the_body() -> None:
    """A RetryInfo counts where there is no header."""
    world = World()
    body = b'{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"30s"}]}}'
    with serving(reply(429, body)) as server, world.http() as http, pytest.raises(Later) as caught:
        http.send(call(server))

    assert (caught.value.seconds, world.waits) == (30.0, [30.0] * 3)


def test_a_wait_ends_when_someone_asks_for_an_end() -> None:
    """Ctrl-C during a back-off is no failure of the provider."""
    world = World(stop_after=1)
    with serving(reply(503)) as server, world.http() as http:
        with pytest.raises(Interrupted):
            http.send(call(server))

        assert len(server.seen) == 1


def test_paced_calls_keep_apart() -> None:
    """Two paced calls to one origin are two seconds apart, whatever they ask for; others do not wait."""
    world = World()
    with serving(reply()) as server, serving(reply()) as other, world.http() as http:
        for _ in range(3):
            http.send(call(server, paced=True))
            http.send(call(server))
        http.send(call(other, paced=True))

    assert world.waits == [2.0, 2.0]


def test_an_end_asked_for_between_paced_calls_sends_nothing() -> None:
    """A create that waited for its turn was not sent."""
    world = World(stop_after=1)
    with serving(reply()) as server, world.http() as http:
        http.send(call(server, paced=True))
        with pytest.raises(Interrupted):
            http.send(call(server, Kind.CREATE, paced=True))

        assert len(server.seen) == 1


def test_creates_have_a_connection_of_their_own() -> None:
    """Reads share one; a create never goes out on a connection that the other side may be closing."""
    with serving(reply()) as server, World().http() as http:
        for kind in (Kind.READ, Kind.READ, Kind.CREATE, Kind.CREATE, Kind.READ):
            http.send(call(server, kind))

    assert [seen.connection for seen in server.seen] == [1, 1, 2, 3, 1]


def test_a_room_can_be_closed_and_used_again() -> None:
    """Clients are made when they are needed."""
    with serving(reply()) as server:
        http = World().http()
        http.send(call(server))
        http.close()
        http.send(call(server))
        http.close()

    assert [seen.connection for seen in server.seen] == [1, 2]


def test_cookies_are_not_kept() -> None:
    """No call depends on an earlier one."""
    with serving(reply(200, b"{}", JSON | {"set-cookie": "a=b; Path=/"})) as server, World().http() as http:
        http.send(call(server))
        http.send(call(server))

    assert "cookie" not in server.seen[1].headers


def test_neither_netrc_nor_a_proxy_changes_calls_to_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A netrc adds no password; plain HTTP, which is for this machine, passes every proxy by."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving(reply(500)) as proxy, serving(reply()) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        with World().http() as http:
            http.send(attrs.evolve(call(server), origin=attrs.evolve(origin(server), secret={})))

        assert proxy.seen == []
    assert "authorization" not in server.seen[0].headers


def test_calls_elsewhere_go_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy is asked for the host and sees no key; when it refuses, nothing was sent."""
    with serving(reply(403)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        away = attrs.evolve(origin(proxy), base_url="https://api.example.invalid/v1")
        with World().http() as http, pytest.raises(TransientError, match="proxy") as caught:
            http.send(Call(Kind.CREATE, away, "POST", "/batches"))

    (seen,) = proxy.seen
    assert (seen.method, seen.target) == ("CONNECT", "api.example.invalid:443")
    assert KEY not in str(seen.headers)
    assert not isinstance(caught.value, Uncertain)


@pytest.mark.parametrize("proxy", ["socks9://nowhere", "ftp://nowhere"])
def test_a_proxy_that_makes_no_sense_is_said(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variables, not their values."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with serving(reply()) as server, World().http() as http, pytest.raises(PermanentError) as caught:
        http.send(call(server))

    assert "HTTPS_PROXY" in caught.value.hint


def test_threads_may_share_a_room() -> None:
    """Calls from several threads all arrive, through two clients at the most."""
    world = World()
    with serving(reply()) as server, world.http(SETTINGS) as http:
        threads = [threading.Thread(target=http.send, args=(call(server),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(server.seen) == 8
