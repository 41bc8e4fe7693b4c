"""Every kind of call meets every fault: what is raised, and how often it was sent."""

import gzip
from typing import Final

import attrs
import pytest

from reconciler.errors import (
    CallRefused,
    KeyRefused,
    Later,
    NotThere,
    PermanentError,
    ReconcilerError,
    TransientError,
    Uncertain,
)
from reconciler.providers.calls import Call, Kind
from reconciler.providers.http import Http
from reconciler.providers.http_settings import HttpSettings
from tests.providers.calling import HASTY, SETTINGS, Taken, World, call, serving, source
from tests.providers.loopback import (
    JSON,
    Step,
    endless,
    hang_up,
    message,
    raw,
    reply,
    reset,
    reset_after,
    silence,
    silent_after,
)

QUOTA: Final = (
    b'{"error":{"message":"You exceeded your quota","type":"insufficient_quota","code":"insufficient_quota"}}'
)
BAD: Final = b'{"error":{"message":"no such thing","type":"invalid_request_error","param":null,"code":null}}'
HTML: Final = {"content-type": "text/html; charset=utf-8"}
PAGE: Final = b"<!DOCTYPE html><html><title>Sign in</title></html>"
BOMB: Final = gzip.compress(bytes(20_000_000))
SMALL: Final = attrs.evolve(SETTINGS, body=100_000, file=100_000)


@attrs.frozen
class Fault:
    """
    A fault that stays.

    Attributes:
        step: What the server does.
        raises: What a call raises that may be repeated.
        calls: How often it is sent.
        create: What a create raises.
        settings: How calls are made.
    """

    step: Step
    raises: type[ReconcilerError] = TransientError
    calls: int = 4
    create: type[ReconcilerError] = Uncertain
    settings: HttpSettings = SETTINGS


def status(number: int, body: bytes = BAD, **headers: str) -> Step:
    """A reply with this status."""
    return reply(number, body, JSON | {name.replace("_", "-"): value for name, value in headers.items()})


FAULTS: Final = {
    "reset": Fault(reset),
    "hung up": Fault(hang_up),
    "silence": Fault(silence, settings=HASTY),
    "silence in the head": Fault(silent_after(b"HTTP/1.1 200 OK\r\nContent-"), settings=HASTY),
    "silence in the body": Fault(silent_after(message(length=10)), settings=HASTY),
    "no HTTP": Fault(raw(b"SSH-2.0-OpenSSH_9.6\r\n")),
    "reset in the head": Fault(reset_after(b"HTTP/1.1 200 OK\r\nContent-")),
    "reset in the body": Fault(reset_after(message(length=10))),
    "short body": Fault(raw(message(body=b'{"a":', length=10))),
    "cut chunks": Fault(raw(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n')),
    "bad chunks": Fault(raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n")),
    "a page": Fault(reply(200, PAGE, HTML)),
    "a page that calls itself JSON": Fault(reply(200, b"\n" + PAGE)),
    "odd encoding": Fault(reply(200, b"{}", JSON | {"content-encoding": "br"})),
    "broken gzip": Fault(reply(200, b"{}", JSON | {"content-encoding": "gzip"})),
    "cut gzip": Fault(reply(200, gzip.compress(bytes(99))[:-9], JSON | {"content-encoding": "gzip"})),
    "bomb": Fault(reply(200, BOMB, JSON | {"content-encoding": "gzip"}), PermanentError, 1),
    "endless": Fault(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"{" * 65_536), PermanentError, 1, settings=SMALL),
    **{f"{number}": Fault(status(number)) for number in (408, 425, 500, 502, 503, 504, 529)},
    "500 without a body": Fault(reply(500, b"")),
    "503 with a page": Fault(reply(503, PAGE, HTML)),
    "503 that cuts its words": Fault(reset_after(message(503, b'{"er', length=100))),
    "503 not to be repeated": Fault(status(503, x_should_retry="false"), calls=1),
    "503 for ten minutes": Fault(status(503, retry_after="600"), Later, 1),
    "409": Fault(status(409)),
    "429": Fault(status(429), Later, create=Later),
    "429 for ten minutes": Fault(status(429, retry_after="600"), Later, 1, Later),
    "429 not to be repeated": Fault(status(429, x_should_retry="false"), Later, 1, Later),
    "429 without credit": Fault(status(429, QUOTA), CallRefused, 1, CallRefused),
    **{
        f"{number}": Fault(status(number), CallRefused, 1, CallRefused)
        for number in (400, 402, 403, 405, 410, 413, 422)
    },
    "400 to be repeated": Fault(status(400, x_should_retry="true"), CallRefused, 4, CallRefused),
    "413 that cuts its words": Fault(raw(message(413, b'{"er', length=100)), CallRefused, 1, CallRefused),
    "404": Fault(status(404), NotThere, 1, NotThere),
    "401": Fault(status(401), KeyRefused, 1, KeyRefused),
    "499": Fault(status(499), CallRefused, 1, Uncertain),
    **{
        f"{number}": Fault(reply(number, b"", {"location": "https://elsewhere.example/x"}), calls=1)
        for number in (300, 301, 302, 303, 307, 308)
    },
    "302 to be repeated": Fault(status(302, x_should_retry="true"), calls=1),
    "304": Fault(raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"), calls=1),
}

ELSE: Final[dict[tuple[str, Kind], tuple[type[ReconcilerError], int]]] = {
    ("409", Kind.CHANGE): (CallRefused, 1),
    # Bytes that came are progress, so that the first of these tries does not count.
    **{
        (name, Kind.DOWNLOAD): (TransientError, 5)
        for name in ("silence in the body", "reset in the body", "short body", "cut chunks", "cut gzip")
    },
}
"""Where a kind of call differs from the others that may be repeated."""

REPEATED: Final = [Kind.READ, Kind.UPLOAD, Kind.DOWNLOAD, Kind.CHANGE]


def made(http: Http, one: Call) -> None:
    """Make a call of any kind."""
    if one.kind is Kind.DOWNLOAD:
        http.fetch(one, Taken())
    else:
        http.send(one)


def met(kind: Kind, fault: Fault) -> tuple[ReconcilerError, int, int]:
    """What one call raises, how many requests arrived, and how often it waited."""
    world = World()
    sent = source(b"x" * 5000) if kind in {Kind.UPLOAD, Kind.CREATE} else None
    with serving(fault.step) as server, world.http(fault.settings) as http:
        with pytest.raises(ReconcilerError) as caught:
            made(http, call(server, kind, content=sent))
        assert len(world.heard) == len(world.tapped) == len(server.seen)
        return caught.value, len(server.seen), len(world.waits)


@pytest.mark.parametrize("kind", REPEATED)
@pytest.mark.parametrize("name", FAULTS)
def test_a_call_that_may_be_repeated_is_repeated_where_that_may_help(name: str, kind: Kind) -> None:
    """Each fault ends in the error of the table after as many tries as it says."""
    fault = FAULTS[name]
    raises, calls = ELSE.get((name, kind), (fault.raises, fault.calls))

    error, arrived, waits = met(kind, fault)

    assert (type(error), arrived, waits) == (raises, calls, calls - 1)


@pytest.mark.parametrize("name", FAULTS)
def test_a_create_is_sent_once_whatever_happens(name: str) -> None:
    """A create that may have arrived is uncertain; one that was refused says so; neither is sent again."""
    fault = FAULTS[name]

    error, arrived, waits = met(Kind.CREATE, fault)

    assert (type(error), arrived, waits) == (fault.create, 1, 0)


@pytest.mark.parametrize("status_and_body", [(204, b""), (200, b""), (200, b"[]"), (200, b"ok"), (202, b"{")])
def test_a_create_that_does_not_say_what_it_made_is_uncertain(status_and_body: tuple[int, bytes]) -> None:
    """A success without an object is no success."""
    number, body = status_and_body

    error, arrived, _waits = met(Kind.CREATE, Fault(reply(number, body, {})))

    assert (type(error), arrived) == (Uncertain, 1)


@pytest.mark.parametrize("kind", [*REPEATED, Kind.CREATE])
def test_where_nobody_listens_nothing_was_sent(kind: Kind) -> None:
    """A refused connection is no doubt, for creates neither."""
    world = World()
    with serving(reply()) as server, world.http() as http:
        one = call(server, kind)
        server.close()
        with pytest.raises(TransientError) as caught:
            made(http, one)

    assert type(caught.value) is TransientError
    assert len(world.heard) == (1 if kind is Kind.CREATE else 4)
    assert {exchange.result for exchange in world.heard} == {"ConnectError"}


@pytest.mark.parametrize("kind", [Kind.READ, Kind.UPLOAD, Kind.CHANGE])
@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.calls > 1])
def test_a_fault_that_passes_is_not_noticed(name: str, kind: Kind) -> None:
    """What fails once and then succeeds brings its reply, with the whole body sent both times."""
    if (name, kind) in ELSE:
        return
    fault, world = FAULTS[name], World()
    with serving(fault.step, reply(200, b'{"id":"b"}')) as server, world.http(fault.settings) as http:
        sent = source(b"x" * 5000) if kind is Kind.UPLOAD else None
        found = http.send(call(server, kind, content=sent))

    assert found.object() == {"id": "b"}
    assert [seen.body for seen in server.seen] == [b"x" * 5000 if sent else b""] * 2


def test_a_reply_that_drips_is_given_up() -> None:
    """A reply that comes byte by byte is waited for two minutes, not for ever."""
    world = World(step=121.0)
    with serving(raw(b"HTTP/1.1 200 OK\r\n\r\n" + b"{}")) as server, world.http() as http:
        with pytest.raises(TransientError, match="not whole within 120 s"):
            http.send(call(server))

        assert len(server.seen) == 4
