"""
The HTTP room: every call that the product makes to a provider, and the only importer of httpx.

A create is sent once. All other calls are repeated by the rules of `retrying`. Redirects are not followed,
and a key goes to the origin that it is for. What httpx raises ends here: its errors hold requests, and those
hold keys, so that ours are raised outside of the handlers that caught them.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final, TypeAlias, TypeVar

import attrs
import httpx
import msgspec
from tenacity import Retrying, retry_if_result

from reconciler.codec.jsonl import shorten
from reconciler.errors import Interrupted, KeyRefused, PermanentError, TransientError
from reconciler.providers import addresses
from reconciler.providers.bodies import BadBody, Bounds, CutBody, LargeBody, SlowBody, decoded
from reconciler.providers.calls import Call, Exchange, Kind, Origin, Reply, Sink, Source
from reconciler.providers.downloading import Download
from reconciler.providers.http_settings import HttpSettings
from reconciler.providers.refusals import is_page, said
from reconciler.providers.retrying import Fault, Tally, Trouble, fault_of_status, fault_of_trouble

T = TypeVar("T")
_Take: TypeAlias = Callable[[int, Mapping[str, str], Iterator[bytes]], T]
"""Makes something of a reply: of its status, its headers and its blocks."""

_ERROR_BYTES: Final = 262_144
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_MINUTE: Final = 60.0
_REACH: Final = "look at the network, and at HTTPS_PROXY where it is set; then run again"


class _Proof(httpx.Auth):
    """Puts the secret into a request that is on its way out; given always, so that no netrc is looked up."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        for name, secret in self._origin.secret.items():
            request.headers[name] = secret.reveal()
        yield request


@attrs.define(eq=False)
class _Try:
    """One try on its way: what the log says of it."""

    number: int
    began: float
    sent: int = 0
    received: int = 0
    result: int | str = "nothing"
    lost: Exception | None = None


def _unheard(_exchange: Exchange) -> None:
    """Keep no log."""


def _no_tap(_change: str, _path: str) -> None:
    """Let every call through."""


@attrs.define(eq=False)
class Http:
    """
    Makes calls; may be used by several threads.

    Attributes:
        pause: Waits so many seconds, or until someone asks for an end.
        settings: How calls are made.
        stopping: Whether someone asked for an end.
        tap: Called with what and where before each try is sent; tests stop the world there.
        heard: Called with each try that was made; what it raises is dropped.
        clock: Seconds that only ever go forward.
        now: Seconds since the epoch.
        chance: 0 to 1.
        agent: What we call ourselves.
    """

    pause: Callable[[float, Callable[[], bool]], None]
    settings: HttpSettings = attrs.field(factory=HttpSettings)
    stopping: Callable[[], bool] = lambda: False
    tap: Callable[[str, str], None] = _no_tap
    heard: Callable[[Exchange], None] = _unheard
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random
    agent: str = "reconciler"
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)
    _clients: dict[bool, httpx.Client] = attrs.field(factory=dict, init=False, repr=False)
    _next: dict[Any, float] = attrs.field(factory=dict, init=False, repr=False)

    def __enter__(self) -> Http:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def send(self, call: Call) -> Reply:
        """Make one call and read its reply; see `Wire.send`."""
        url = _address(call)

        def once(number: int) -> Reply | Fault:
            return self._try(call, url, {}, number, lambda *reply: self._whole(call, *reply))

        if call.kind is Kind.CREATE:
            return _raised(once(1))
        return self._repeated(once, Tally(self.settings.max_retries, self.settings.max_retries, self.chance))

    def fetch(self, call: Call, sink: Sink) -> Mapping[str, str]:
        """Stream a reply into *sink*, going on where it is cut; see `Wire.fetch`."""
        if call.kind is Kind.CREATE:
            raise PermanentError("a create is no download")
        url = _address(call)
        download = Download(sink)

        def once(number: int) -> Mapping[str, str] | Fault:
            found = self._try(
                call, url, download.asks(), number, lambda *reply: self._streamed(call, download, *reply)
            )
            if not isinstance(found, Fault):
                return found
            if getattr(found.error, "status", 0) == 416 and download.range_refused():  # noqa: PLR2004
                return attrs.evolve(found, again=True)
            return attrs.evolve(found, progress=download.progress())

        return self._repeated(once, Tally(self.settings.max_retries, self.settings.cuts, self.chance))

    def _repeated(self, once: Callable[[int], T | Fault], tally: Tally) -> T:
        """Try until it brings something, or the tally is full."""
        retrying = Retrying(
            retry=retry_if_result(tally.again),
            wait=lambda _state: tally.wait(),
            sleep=self._wait,
        )
        return _raised(retrying(lambda: once(tally.number)))

    def _wait(self, seconds: float) -> None:
        """Wait, and give up when someone asks for an end."""
        self.pause(seconds, self.stopping)
        if self.stopping():
            raise Interrupted("interrupted while waiting for a provider")

    def _keep_apart(self, call: Call, url: httpx.URL) -> None:
        """Keep a pause between two paced calls to one origin."""
        if not call.paced or self.settings.spacing <= 0:
            return
        with self._lock:
            turn = max(self.clock(), self._next.get(addresses.place(url), 0.0))
            self._next[addresses.place(url)] = turn + self.settings.spacing
        wait = turn - self.clock()
        if wait > 0:
            self._wait(wait)

    def _try(
        self,
        call: Call,
        url: httpx.URL,
        extra: Mapping[str, str],
        number: int,
        take: _Take[T],
    ) -> T | Fault:
        """Send a call once."""
        client = self._client(fresh=call.kind is Kind.CREATE)
        self._keep_apart(call, url)
        one = _Try(number, self.clock())
        request = self._request(client, call, url, extra, one)
        self.tap(f"{call.method} {call.kind}", url.path)
        one.began = self.clock()
        try:
            return self._exchange(client, request, call, one, take)
        finally:
            self._tell(call, url, one)

    def _tell(self, call: Call, url: httpx.URL, one: _Try) -> None:
        """Let the log know."""
        exchange = Exchange(
            provider=call.origin.provider,
            kind=call.kind,
            method=call.method,
            url=call.origin.hide(addresses.place_of(url) + url.path),
            result=one.result,
            seconds=self.clock() - one.began,
            sent=one.sent,
            received=one.received,
            number=one.number,
        )
        # A log that fails must not lose the reply to a create.
        with contextlib.suppress(Exception):
            self.heard(exchange)

    def _exchange(
        self, client: httpx.Client, request: httpx.Request, call: Call, one: _Try, take: _Take[T]
    ) -> T | Fault:
        """Send a request and hand its reply to *take*."""
        response: httpx.Response | None = None
        trouble = None
        try:
            response = client.send(request, stream=True, auth=_Proof(call.origin), follow_redirects=False)
        except Exception as error:  # noqa: BLE001 - what a create has met has to be told in any case
            one.result = type(one.lost or error).__name__
            trouble = self._trouble(call, request.url, error, one)
        if trouble is not None:
            return fault_of_trouble(call.kind, trouble)
        if response is None:
            raise one.lost or PermanentError(f"{_who(call, request.url)}: it cannot be sent")
        one.result = response.status_code
        headers = {name.lower(): value for name, value in response.headers.items()}
        blocks = self._blocks(call, response, one)
        try:
            if not response.is_success:
                return self._refused(call, response, headers, blocks)
            return take(response.status_code, headers, blocks)
        except BadBody as bad:
            if not isinstance(bad, LargeBody):
                one.result = f"{response.status_code} {type(bad).__name__}"
            trouble = Trouble(
                f"{_who(call, request.url)}: {bad}",
                again=not isinstance(bad, LargeBody),
                lasting=isinstance(bad, LargeBody),
            )
        finally:
            with contextlib.suppress(httpx.HTTPError):
                response.close()
        return fault_of_trouble(call.kind, trouble)

    def _trouble(self, call: Call, url: httpx.URL, error: Exception, one: _Try) -> Trouble | None:
        """Why no reply came, in words without anything of the request; None for what is not of the network."""
        who, host = _who(call, url), addresses.host_of(url)
        if one.lost is not None or not isinstance(error, httpx.HTTPError | UnicodeError):
            # The bytes could not be read, or something is broken here: for a create, who knows how far it got.
            if call.kind is Kind.CREATE:
                return Trouble(f"{who}: it broke off while it was sent ({type(one.lost or error).__name__})")
            return None
        if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
            words = f"no connection to {host} within {self.settings.connect:g} s"
        elif isinstance(error, httpx.ProxyError):
            words = "the proxy does not let it through"
        elif isinstance(error, httpx.ConnectError | UnicodeError):
            why = shorten(call.origin.hide(str(error)), 200) if isinstance(error, httpx.ConnectError) else ""
            words = f"{host} cannot be reached{why and f' ({why})'}"
        elif isinstance(error, httpx.ReadTimeout):
            words = f"no answer within {self.settings.silence[call.kind]:g} s"
        elif isinstance(error, httpx.WriteTimeout):
            words = f"nothing more was taken within {self.settings.silence[call.kind]:g} s"
        else:
            words = "the connection was cut before an answer came"
        return Trouble(f"{who}: {words}", sent=not isinstance(error, (*_NOT_SENT, UnicodeError)), hint=_REACH)

    def _blocks(self, call: Call, response: httpx.Response, one: _Try) -> Iterator[bytes]:
        """
        The blocks of a reply as they come.

        Raises:
            BadBody: They stop coming, or come too slowly.
        """
        raw = response.iter_raw()
        streams = call.kind is Kind.DOWNLOAD
        began, seen = self.clock(), 0
        while True:
            try:
                block = next(raw, None)
                words = ""
            except httpx.ReadTimeout:
                words = f"nothing came for {self.settings.silence[call.kind]:g} s in the middle of the reply"
            except httpx.HTTPError:
                words = "the connection was cut in the middle of the reply"
            if words:
                raise CutBody(words)
            if block is None:
                return
            one.received += len(block)
            yield block
            passed = self.clock() - began
            if not streams and passed > self.settings.reply:
                raise SlowBody(f"the reply was not whole within {self.settings.reply:g} s")
            if streams and passed > _MINUTE:
                if one.received - seen < self.settings.slowest:
                    raise SlowBody("the file comes too slowly")
                began, seen = self.clock(), one.received
            if streams and self.stopping():
                raise Interrupted("interrupted during a download")

    def _refused(
        self, call: Call, response: httpx.Response, headers: Mapping[str, str], blocks: Iterator[bytes]
    ) -> Fault:
        """What a reply that is no success means; as much of its body as can be read counts."""
        body = bytearray()
        with contextlib.suppress(BadBody):
            for block in decoded(blocks, headers.get("content-encoding", ""), Bounds(_ERROR_BYTES)):
                body += block
        words = said(
            _who(call, response.request.url),
            response.status_code,
            bytes(body),
            _elsewhere(response.request.url, headers.get("location", "")),
            call.origin.hide,
        )
        return fault_of_status(
            call.kind, response.status_code, words, headers, self.now(), self.settings.longest_wait
        )

    def _whole(self, call: Call, status: int, headers: Mapping[str, str], blocks: Iterator[bytes]) -> Reply:
        """
        A reply with its whole body.

        Raises:
            BadBody: It is cut, too large, or not what the API speaks.
        """
        bounds = Bounds(self.settings.body, self.settings.ratio)
        body = b"".join(decoded(blocks, headers.get("content-encoding", ""), bounds))
        kind = headers.get("content-type", "")
        if is_page(kind, body):
            raise BadBody(f"it answers {status} with a web page")
        if call.kind is Kind.CREATE and not body.strip().startswith(b"{"):
            raise BadBody(f"it answers {status} without saying what it made")
        if (call.kind is Kind.CREATE or "json" in kind) and body and not _is_json(body):
            raise BadBody(f"it answers {status} with something that is no JSON, or is cut")
        return Reply(status, headers, body)

    def _streamed(
        self, call: Call, download: Download, status: int, headers: Mapping[str, str], blocks: Iterator[bytes]
    ) -> Mapping[str, str]:
        """Hand a reply on to a sink, block by block."""
        del call
        download.begin(status, headers)
        left = max(self.settings.file - download.sink.size, 0)
        download.take(decoded(blocks, headers.get("content-encoding", ""), Bounds(left, self.settings.ratio)))
        return headers

    def _request(
        self, client: httpx.Client, call: Call, url: httpx.URL, extra: Mapping[str, str], one: _Try
    ) -> httpx.Request:
        """A request without its secret."""
        headers = {"accept-encoding": "identity", **call.origin.headers, **call.headers, **extra}
        content: bytes | Iterator[bytes] | None = None
        if call.json is not None:
            content = msgspec.json.encode(call.json)
            headers.setdefault("content-type", "application/json")
            one.sent = len(content)
        elif call.content is not None:
            content = _counted(call.content, one)
            headers["content-length"] = str(call.content.size)
        seconds = self.settings.silence[call.kind]
        limits = httpx.Timeout(seconds, connect=self.settings.connect, pool=self.settings.connect)
        return client.build_request(call.method, url, headers=headers, content=content, timeout=limits)

    def _client(self, *, fresh: bool) -> httpx.Client:
        """
        The client, made at first use.

        A create has one that keeps no connection: on one that was kept, nobody could tell a provider that
        closes it in that moment from one that took the create and died.
        """
        with self._lock:
            client = self._clients.get(fresh)
            if client is None:
                client = self._clients[fresh] = _made(self.agent, fresh=fresh)
            return client


def _made(agent: str, *, fresh: bool) -> httpx.Client:
    """
    A client that repeats nothing, follows nothing, and keeps no cookie.

    Proxies and certificates come from the environment, as people on clusters need it. Plain HTTP never goes
    through a proxy: it is for this machine alone, and a proxy would read the key.
    """
    limits = httpx.Limits(max_keepalive_connections=0) if fresh else httpx.Limits()
    wrong = ""
    try:
        context = httpx.create_ssl_context()
        direct = httpx.HTTPTransport(verify=context, limits=limits, retries=0)
        return httpx.Client(
            verify=context,
            limits=limits,
            mounts={
                "http://": direct,
                "all://localhost": direct,
                "all://127.0.0.1": direct,
                "all://[::1]": direct,
            },
            headers={"user-agent": agent, "accept": "*/*"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
        )
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        wrong = type(error).__name__
    raise PermanentError(
        f"the environment's network settings cannot be used ({wrong})",
        hint="look at HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR",
    )


def _address(call: Call) -> httpx.URL:
    """
    Where a call goes.

    Raises:
        PermanentError: Not to where its key is for.
        KeyRefused: The key cannot be sent at all.
    """
    origin = call.origin
    text = addresses.spelled(origin, call.path)
    try:
        base, url = httpx.URL(origin.base_url), httpx.URL(text)
        url = url.copy_merge_params({k: str(v) for k, v in call.params.items() if v is not None})
    except (httpx.InvalidURL, ValueError):
        base = url = None
    if base is None or url is None:
        raise PermanentError(f"{origin.provider}: an address that cannot be read")
    addresses.check_base(origin, base)
    addresses.check_same(origin, base, url)
    for secret in origin.secret.values():
        value = secret.reveal()
        if not value or not value.isascii() or not value.isprintable() or value != value.strip():
            raise KeyRefused(
                f"the key for {origin.provider} is empty, or holds a character that no key has",
                hint="a line break or a blank at its end, perhaps",
            )
    return url


def _counted(content: Source, one: _Try) -> Iterator[bytes]:
    """The blocks of a body; what reading them raises is kept apart from what the network does."""
    try:
        for block in content.read(0):
            one.sent += len(block)
            if one.sent > content.size:
                break
            yield block
        if one.sent != content.size:
            raise TransientError("the file changed while it was sent")
    except Exception as error:
        one.lost = error
        raise


def _raised(found: T | Fault) -> T:
    """What a call brought, or its error."""
    if isinstance(found, Fault):
        raise found.error
    return found


def _who(call: Call, url: httpx.URL) -> str:
    """Whom a call asks for what, for messages."""
    return f"{call.origin.provider} ({addresses.host_of(url)}), {call.method} {shorten(call.origin.hide(url.path), 120)}"


def _elsewhere(url: httpx.URL, location: str) -> str:
    """Scheme and host of where a redirect points to; the rest may hold anything."""
    try:
        return addresses.place_of(url.join(location)) if location else ""
    except (httpx.InvalidURL, ValueError):
        return ""


def _is_json(body: bytes) -> bool:
    """Whether a body is JSON from end to end."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
