"""
The HTTP room: every call that the product makes to a provider, and the only importer of httpx.

A create is sent once. All other calls are repeated by the rules of `retrying`. Redirects are not followed,
and a key goes to the origin that it is for. What httpx raises ends here: its errors hold requests, and those
hold keys, so ours are raised outside of the handlers that caught them.
"""

from __future__ import annotations

import contextlib
import random
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, Self, TypeAlias, TypeVar

import attrs
import httpx
import msgspec

from reconciler.codec.jsonl import shorten
from reconciler.errors import CallRefused, PermanentError
from reconciler.providers import addresses
from reconciler.providers.bodies import BadBody, Bounds, CutBody, LargeBody, Watch
from reconciler.providers.calls import Call, Exchange, Form, Kind, Origin, Reply, Sink
from reconciler.providers.downloading import Download
from reconciler.providers.http_settings import HttpSettings
from reconciler.providers.multipart import encoded
from reconciler.providers.patience import Patience, raised
from reconciler.providers.retrying import Fault, Tally, Trouble, fault_of_status, fault_of_trouble
from reconciler.providers.taking import Coming, refused, streamed, whole
from reconciler.providers.trying import Try

T = TypeVar("T")
_Take: TypeAlias = Callable[[Coming], T]

_TROUBLES: Final = (
    (httpx.ConnectTimeout, "no connection to {host} within {connect:g} s", False),
    (httpx.PoolTimeout, "no connection to {host} within {connect:g} s", False),
    (httpx.ProxyError, "the proxy does not let it through", False),
    (httpx.ConnectError, "{host} cannot be reached ({why})", False),
    (UnicodeError, "{host} is no host name", False),
    (httpx.ReadTimeout, "no answer within {silence:g} s", True),
    (httpx.WriteTimeout, "nothing more was taken within {silence:g} s", True),
    (httpx.HTTPError, "the connection was cut before an answer came", True),
    (Exception, "it broke off ({name})", True),
)
"""What may be raised before a reply begins, in what words, and whether anything may have arrived by then."""

CERTIFICATES: Final = 3600.0
"""Seconds for which certificates that were read are believed."""

_REACH: Final = "look at the network, and at HTTPS_PROXY where it is set; then run again"


class Proof(httpx.Auth):
    """Puts the secrets into a request that is on its way out; always given, so no netrc is ever looked up."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the secrets."""
        for name, secret in self._origin.secret.items():
            request.headers[name] = secret.reveal()
        yield request


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
    _patience: Patience = attrs.field(init=False, repr=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)
    _clients: dict[bool, httpx.Client] = attrs.field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._patience = Patience(self.pause, self.stopping, self.clock, self.settings.spacing)

    def __enter__(self) -> Self:
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
        url = addresses.address(call, httpx.URL)
        bounds = Bounds(self.settings.body, self.settings.ratio)

        def once(number: int) -> Reply | Fault:
            return self._try(call, url, {}, number, lambda coming: whole(call, coming, bounds))

        if call.kind is Kind.CREATE:
            return raised(once(1))
        retries = self.settings.max_retries
        return self._patience.repeated(once, Tally(retries, retries, self.chance))

    def fetch(self, call: Call, sink: Sink) -> Mapping[str, str]:
        """Stream a reply into *sink*, going on where it is cut; see `Wire.fetch`."""
        if call.kind is Kind.CREATE:
            raise PermanentError("a create is no download")
        url = addresses.address(call, httpx.URL)
        download = Download(sink)
        bounds = Bounds(self.settings.file, self.settings.ratio)

        def once(number: int) -> Mapping[str, str] | Fault:
            asks = download.asks()
            found = self._try(call, url, asks, number, lambda coming: streamed(download, coming, bounds))
            if not isinstance(found, Fault):
                return found
            error = found.error
            if isinstance(error, CallRefused) and error.status == 416 and download.range_refused():  # noqa: PLR2004
                return attrs.evolve(found, again=True)
            return attrs.evolve(found, progress=download.progress())

        return self._patience.repeated(
            once, Tally(self.settings.max_retries, self.settings.cuts, self.chance)
        )

    def _try(
        self, call: Call, url: httpx.URL, extra: Mapping[str, str], number: int, take: _Take[T]
    ) -> T | Fault:
        """Send a call once."""
        client = self._client(fresh=call.kind is Kind.CREATE)
        if call.paced:
            self._patience.keep_apart(addresses.place(url))
        one = Try(call, number)
        request = self._request(client, call, url, extra, one)
        self.tap(f"{call.method} {call.kind}", url.path)
        one.began = self.clock()
        try:
            return self._exchange(client, request, call, one, take)
        finally:
            # A log that fails must not lose the reply to a create.
            with contextlib.suppress(Exception):
                self.heard(one.told(addresses.place_of(url) + url.path, self.clock()))

    def _exchange(
        self, client: httpx.Client, request: httpx.Request, call: Call, one: Try, take: _Take[T]
    ) -> T | Fault:
        """Send a request and hand its reply to *take*."""
        response, trouble, who = None, None, addresses.who(call, request.url)
        try:
            response = client.send(request, stream=True, auth=Proof(call.origin), follow_redirects=False)
        except Exception as error:  # noqa: BLE001 - whatever a create has met has to be told
            one.result = type(error).__name__
            trouble = trouble_of(call, request.url, error, self.settings)
            one.sent = one.sent if trouble.sent else 0
        if response is None:
            if call.kind is not Kind.CREATE:
                one.check()
            return fault_of_trouble(call.kind, trouble or Trouble(who))
        one.result = response.status_code
        headers = {name.lower(): value for name, value in response.headers.items()}
        coming = Coming(response.status_code, headers, self._blocks(call, response, one))
        try:
            if response.is_success:
                return take(coming)
            where = addresses.elsewhere(request.url, headers.get("location", ""))
            found = refused(call, coming, who, where)
            longest = self.settings.longest_wait
            return fault_of_status(call.kind, found, headers, now=self.now(), longest=longest)
        except BadBody as bad:
            large = isinstance(bad, LargeBody)
            one.result = f"{response.status_code} {type(bad).__name__}"
            trouble = Trouble(f"{who}: {bad}", again=not large, lasting=large)
        finally:
            with contextlib.suppress(httpx.HTTPError):
                response.close()
        return fault_of_trouble(call.kind, trouble)

    def _blocks(self, call: Call, response: httpx.Response, one: Try) -> Iterator[bytes]:
        """
        The blocks of a reply as they come.

        Raises:
            BadBody: They stop coming, or come too slowly.
            Interrupted: Someone asked for an end during a download.
        """
        watch = Watch(self.settings, self.clock, self.stopping, streams=call.kind is Kind.DOWNLOAD)
        raw = response.iter_raw()
        while True:
            words = ""
            block = None
            try:
                block = next(raw, None)
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
            watch.came(one.received)

    def _request(
        self, client: httpx.Client, call: Call, url: httpx.URL, extra: Mapping[str, str], one: Try
    ) -> httpx.Request:
        """A request without its secrets."""
        headers = {"accept-encoding": "identity"}
        content: bytes | Iterator[bytes] | None = None
        if call.json is not None:
            content = msgspec.json.encode(call.json)
            headers["content-type"] = "application/json"
            one.sent = len(content)
        elif call.content is not None:
            source = call.content
            if isinstance(source, Form):
                form = encoded(source)
                headers["content-type"], source = form.content_type, form.source
            content = one.blocks(source)
            headers["content-length"] = str(source.size)
        for more in (call.origin.headers, call.headers, extra):
            headers |= {name.lower(): value for name, value in more.items()}
        silence = self.settings.silence[call.kind]
        limits = httpx.Timeout(silence, connect=self.settings.connect, pool=self.settings.connect)
        return client.build_request(call.method, url, headers=headers, content=content, timeout=limits)

    def _client(self, *, fresh: bool) -> httpx.Client:
        """
        A client, made at first use: one that keeps its connections, and one that does not, for creates.

        When a provider closes a connection that was kept just as a create goes out on it, nobody can tell
        whether the create arrived.
        """
        with self._lock:
            if fresh not in self._clients:
                self._clients[fresh] = _made(self.agent, fresh=fresh)
            return self._clients[fresh]


def trouble_of(call: Call, url: httpx.URL, error: Exception, settings: HttpSettings) -> Trouble:
    """Why no reply came, in words that hold nothing of the request."""
    words, sent = next((words, sent) for kind, words, sent in _TROUBLES if isinstance(error, kind))
    # Only what a connection says of itself is shown: other errors quote headers.
    why = str(error) if isinstance(error, httpx.ConnectError) else ""
    told = words.format(
        host=addresses.host_of(url),
        connect=settings.connect,
        silence=settings.silence[call.kind],
        name=type(error).__name__,
        why=shorten(call.origin.hide(why), 200),
    )
    return Trouble(f"{addresses.who(call, url)}: {told}", sent=sent, hint=_REACH)


def certificates() -> ssl.SSLContext:
    """
    Whose certificates are believed: what the environment names, or the system does.

    Read once an hour by one process, however many passes it makes: that takes longer than a call.
    """
    return _certificates(int(time.monotonic() // CERTIFICATES))


@lru_cache(maxsize=1)
def _certificates(_hour: int) -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _made(agent: str, *, fresh: bool) -> httpx.Client:
    """
    A client that repeats nothing, follows nothing, and keeps no cookie.

    Proxies and certificates come from the environment, as people on clusters need it. Plain HTTP never goes
    through a proxy: it is for this machine alone, and a proxy would read the key.
    """
    limits = httpx.Limits(max_keepalive_connections=0 if fresh else 20)
    try:
        context = certificates()
        direct = httpx.HTTPTransport(verify=context, limits=limits, retries=0)
        return httpx.Client(
            verify=context,
            limits=limits,
            mounts=dict.fromkeys(("http://", "all://localhost", "all://127.0.0.1", "all://[::1]"), direct),
            headers={"user-agent": agent, "accept": "*/*"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
        )
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        wrong = type(error).__name__
    raise PermanentError(
        f"the network settings of the environment cannot be used ({wrong})",
        hint="look at HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR",
    )
