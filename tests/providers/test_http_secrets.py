"""A key goes where it is for, and is seen nowhere else."""

import traceback
from typing import Any, Final

import attrs
import pytest

from reconciler.errors import KeyRefused, PermanentError, ReconcilerError, TransientError, Uncertain
from reconciler.providers.calls import Call, Kind, Origin, Secret
from tests.providers.calling import HASTY, KEY, Taken, World, call, chain, origin, serving, source
from tests.providers.loopback import Step, hang_up, message, raw, reply, reset, reset_after, silence

ECHO: Final = f'{{"error":{{"message":"Incorrect API key provided: {KEY}","code":"{KEY}"}}}}'.encode()
AWAY: Final = {"location": f"https://elsewhere.example/{KEY}?key={KEY}"}

FAULTS: Final[dict[str, Step]] = {
    "401 that repeats the key": reply(401, ECHO),
    "403 that repeats the key": reply(403, ECHO),
    "400 that repeats the key": reply(400, ECHO),
    "500 that repeats the key": reply(500, b"your header was Bearer " + KEY.encode() + b" " * 99),
    "words cut in the key": reply(400, b"x" * 395 + KEY.encode()),
    "redirect with the key": reply(302, b"", AWAY),
    "reset": reset,
    "hung up": hang_up,
    "silence": silence,
    "cut body": reset_after(message(length=99)),
    "bad header": raw(f"HTTP/1.1 200 OK\r\nbad header {KEY}\x00\r\n\r\n".encode()),
    "bad status": raw(f"HTTP/1.1 abc {KEY}\r\n\r\n".encode()),
}


def shown(error: BaseException) -> str:
    """Everything that a report of *error* could show, local variables of all frames included."""
    parts = []
    for each in chain(error):
        parts += [repr(each), str(each), str(vars(each))]
        found = traceback.TracebackException.from_exception(each, capture_locals=True)
        found.stack = traceback.StackSummary.from_list(f for f in found.stack if f.filename != __file__)
        parts += found.format()
    return "\n".join(parts)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("name", FAULTS)
def test_no_error_and_no_log_shows_a_key(name: str, kind: Kind) -> None:
    """Not in words, not in what an error hangs on, not in the local variables of any frame of ours."""
    world = World()
    with serving(FAULTS[name]) as server, world.http(HASTY) as http:
        one = call(server, kind, content=source(b"{}") if kind is Kind.CREATE else None)
        make = (lambda: http.fetch(one, Taken())) if kind is Kind.DOWNLOAD else (lambda: http.send(one))
        with pytest.raises(ReconcilerError) as caught:
            make()
        assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"
        told = shown(caught.value) + repr(world.heard) + repr(world.tapped) + repr(http) + repr(one)

    assert KEY[:12] not in told
    assert all(each is caught.value for each in chain(caught.value))


@pytest.mark.parametrize("kind", [Kind.READ, Kind.CREATE, Kind.UPLOAD, Kind.CHANGE])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int, kind: Kind) -> None:
    """Neither key nor body reaches where a redirect points to; the error names its host."""
    with serving(reply()) as trap, World().http() as http:
        away = reply(status, b"", {"location": trap.url + "/take?a=b"})
        with serving(away) as server, pytest.raises(TransientError) as caught:
            http.send(call(server, kind))

        assert trap.seen == []
        assert f"redirects to {trap.url} " in str(caught.value)
    assert isinstance(caught.value, Uncertain) == (kind is Kind.CREATE)


def tricks(server: Any, trap: Any) -> list[str]:
    """Addresses that a provider, or someone between, could give for a results file."""
    here, there = f"127.0.0.1:{server.port}", f"127.0.0.1:{trap.port}"
    return [
        f"http://{there}/x",
        f"https://{here}/x",
        f"http://localhost:{server.port}/x",
        f"http://{here}@{there}/x",
        f"http://{here}:word@{here}/x",
        f"http://user@{here}/x",
        f"http://{there}\\@{here}/x",
        f"http://{there}#@{here}/x",
        f"http://{there}?@{here}/x",
        f"http://[::ffff:127.0.0.1]:{server.port}/x",
        f"http://127.0.0.1.:{server.port}/x",
        f"http://2130706433:{server.port}/x",
        f"http://0x7f.1:{server.port}/x",
        f"http://127.0.0.1%00.example:{server.port}/x",
        "http://127.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "https://evil.example/x",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "gopher://127.0.0.1/x",
        "http:///x",
        "http://",
        "://",
        f"//{there}/x",
        f"\\\\{there}\\x",
        f"@{there}/x",
        f".{there}/x",
        f"http:{there}/x",
        "",
        "x",
        "/../x",
        "/a/../../x",
        "/a?b=c",
        "/a#b",
        "/a\r\nX-Evil: 1",
        "/a b",
        "/a\x00",
        f"http://{here}/x\r\nX-Evil: 1",
    ]


def test_an_address_of_another_origin_is_never_asked() -> None:
    """Whatever a reply names, nothing is sent but to the scheme, host and port of the settings."""
    asked, refused = [], []
    with serving(reply()) as trap, serving(reply()) as server, World().http() as http:
        for trick in tricks(server, trap):
            for kind in (Kind.READ, Kind.CREATE):
                try:
                    http.send(call(server, kind, trick))
                except PermanentError as error:
                    refused.append(shown(error))
                else:
                    asked.append(trick)
        assert trap.seen == []
        assert KEY not in "".join(refused)
        # Within the base URL, two slashes are a path like any other.
        assert set(asked) == {f"//127.0.0.1:{trap.port}/x"}
        assert all(seen.target.startswith("/v1//") for seen in server.seen)


def test_an_address_of_the_same_origin_is_asked() -> None:
    """A whole URL keeps its own query, also where params come on top."""
    with serving(reply()) as server, World().http() as http:
        http.send(
            call(server, Kind.READ, server.url.replace("http", "HTTP") + "/upload?id=7", params={"a": 1})
        )

    assert server.seen[0].target == "/upload?id=7&a=1"
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "base",
    [
        "http://api.example.com/v1",
        "http://10.0.0.1/v1",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://[::ffff:127.0.0.1]/v1",
        "http://0.0.0.0/v1",
        "http://user:pass@127.0.0.1/v1",
        "https://user@api.example.com/v1",
        "ftp://127.0.0.1/v1",
        "api.example.com/v1",
        "/v1",
        "",
        "http://",
        "https://",
        "https://a\\b",
    ],
)
def test_a_base_url_that_no_key_may_go_to_is_refused(base: str) -> None:
    """Plain HTTP is for this machine alone; names and passwords have no place in an address."""
    where = Origin("openai", base, secret={"x-api-key": Secret(KEY)})
    with World().http() as http, pytest.raises(PermanentError) as caught:
        http.send(Call(Kind.READ, where, "GET", "/batches"))

    assert KEY not in shown(caught.value)


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY}", f"{KEY}\r\nX: 1", f"{KEY}\u00e4", f"{KEY}\x00", ""])
def test_a_key_that_cannot_be_sent_is_told_without_it(key: str) -> None:
    """A line break at the end of a key is a common mistake, and libraries quote the whole header."""
    with serving(reply()) as server, World().http() as http:
        where = attrs.evolve(origin(server), secret={"x-api-key": Secret(key)})
        with pytest.raises(KeyRefused, match="a character that no key has") as caught:
            http.send(Call(Kind.CREATE, where, "POST", "/batches"))

    assert server.seen == []
    assert KEY not in shown(caught.value)


def test_a_log_hides_a_key_in_an_address() -> None:
    """A key that found its way into a path is not shown either."""
    world = World()
    with serving(reply(400)) as server, world.http() as http, pytest.raises(ReconcilerError) as caught:
        http.send(call(server, path=f"/{KEY}/x"))

    assert KEY not in str(caught.value) + repr(world.heard)
