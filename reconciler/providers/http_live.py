"""
The part of the HTTP room for live requests: many calls under way on one loop, each sent once.

Whoever asks decides whether to ask again; what a failure means is told by the same rules as for all other
calls (`retrying`). A key goes to the origin that it is for, and redirects are not followed.
"""

from __future__ import annotations

import time
from http.cookiejar import CookieJar, DefaultCookiePolicy

import attrs
import httpx
import msgspec

from reconciler.errors import Later, PermanentError, ReconcilerError, TransientError, Unreachable
from reconciler.providers import addresses
from reconciler.providers.bodies import BadBody, Bounds, LargeBody
from reconciler.providers.calls import Call, Reply
from reconciler.providers.http import Proof, certificates, trouble_of
from reconciler.providers.http_settings import HttpSettings
from reconciler.providers.retrying import Fault, Trouble, fault_of_status, fault_of_trouble
from reconciler.providers.taking import Coming, refused, whole


@attrs.define(eq=False)
class LiveHttp:
    """
    Makes calls on the loop that it is first used on.

    Attributes:
        connections: How many may be open at once.
        agent: What we call ourselves.
        settings: How long is waited, and how much is taken.
    """

    connections: int
    agent: str = "reconciler"
    settings: HttpSettings = attrs.field(factory=HttpSettings)
    _client: httpx.AsyncClient | None = attrs.field(default=None, init=False, repr=False)

    async def send(self, call: Call) -> Reply:
        """
        Make one call, once, and read its reply.

        Raises:
            CallRefused: The other side said no.
            KeyRefused: It did not accept the key.
            Later: It asks to come back.
            Unreachable: It cannot be reached.
            TransientError: It fails, or does not speak its own API.
            PermanentError: The address is not one that the key may be sent to.
        """
        url = addresses.address(call, httpx.URL)
        if self._client is None:
            self._client = _made(self.agent, self.connections)
        found = await self._sent(self._client, call, url)
        if isinstance(found, Reply):
            return found
        raise _error_of(found)

    async def close(self) -> None:
        """Let go of all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _sent(self, client: httpx.AsyncClient, call: Call, url: httpx.URL) -> Reply | Fault:
        """The reply, or why there is none; httpx's own errors hold keys and end here."""
        headers = {"accept-encoding": "identity", "content-type": "application/json"}
        for more in (call.origin.headers, call.headers):
            headers |= {name.lower(): value for name, value in more.items()}
        limits = httpx.Timeout(None, connect=self.settings.connect, pool=None)
        content = msgspec.json.encode(call.json)
        request = client.build_request(call.method, url, headers=headers, content=content, timeout=limits)
        trouble = None
        try:
            response = await client.send(
                request, stream=True, auth=Proof(call.origin), follow_redirects=False
            )
            try:
                return await self._taken(call, response)
            finally:
                await response.aclose()
        except Exception as error:  # noqa: BLE001 - whatever a call has met has to be told
            trouble = trouble_of(call, url, error, self.settings)
        fault = fault_of_trouble(call.kind, trouble)
        if trouble.sent:
            return fault
        return attrs.evolve(fault, error=Unreachable(fault.error.message, hint=fault.error.hint))

    async def _taken(self, call: Call, response: httpx.Response) -> Reply | Fault:
        """What a reply amounts to."""
        bounds, who = Bounds(self.settings.body, self.settings.ratio), addresses.who(call, response.url)
        headers = {name.lower(): value for name, value in response.headers.items()}
        blocks, size = [], 0
        async for block in response.aiter_raw():
            blocks.append(block)
            size += len(block)
            if size > bounds.size:
                break
        coming = Coming(response.status_code, headers, iter(blocks))
        try:
            if response.is_success:
                return whole(call, coming, bounds)
            where = addresses.elsewhere(response.url, headers.get("location", ""))
            found = refused(call, coming, who, where)
            return fault_of_status(call.kind, found, headers, now=time.time(), longest=float("inf"))
        except BadBody as bad:
            large = isinstance(bad, LargeBody)
            return fault_of_trouble(call.kind, Trouble(f"{who}: {bad}", again=not large, lasting=large))


def _error_of(fault: Fault) -> ReconcilerError:
    """What is raised: a server that fails and names a time asks to come back then."""
    error = fault.error
    if fault.after is not None and isinstance(error, TransientError) and not isinstance(error, Later):
        return Later(error.message, fault.after, hint=error.hint)
    return error


def _made(agent: str, connections: int) -> httpx.AsyncClient:
    """A client that repeats nothing, follows nothing, and keeps no cookie; see `http._made`."""
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    try:
        context = certificates()
        direct = httpx.AsyncHTTPTransport(verify=context, limits=limits, retries=0)
        return httpx.AsyncClient(
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
