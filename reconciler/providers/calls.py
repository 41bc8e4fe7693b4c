"""
Calls to a provider as values, and who makes them.

Clients translate between these and what they mean; only `http.py` knows how one is sent.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import attrs
import msgspec

from reconciler.errors import TransientError


class Kind(enum.StrEnum):
    """What a call does: how long it may take, and whether it may be sent again, hang on it."""

    READ = "read"
    """Ask; may be repeated."""
    UPLOAD = "upload"
    """Store a file, which costs nothing; may be repeated."""
    CREATE = "create"
    """Create a batch, which costs money: sent once, never repeated."""
    DOWNLOAD = "download"
    """Fetch a file; goes on where it was cut."""
    CHANGE = "change"
    """Cancel or delete, the same when done twice; may be repeated."""


class Secret:
    """A value that must not be shown: a header with a key. Its `repr` and `str` hold nothing of it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"


@attrs.frozen
class Origin:
    """
    Where a provider is reached, and what proves who asks.

    Attributes:
        provider: Its name, for messages.
        base_url: Scheme, host, port and the path that every call begins with; no slash at the end.
        headers: Sent with every call.
        secret: Sent only to that scheme, host and port.
    """

    provider: str
    base_url: str
    headers: Mapping[str, str] = attrs.field(factory=dict)
    secret: Mapping[str, Secret] = attrs.field(factory=dict)

    def hide(self, text: str) -> str:
        """*text* without any of the secrets, which some servers repeat in their replies."""
        for word in self._words(6):
            text = text.replace(word, "***")
        return text

    def scrub(self, body: bytes) -> bytes:
        """
        The body of a reply without any of the secrets: some providers repeat them in their findings.

        A short one stays, as it is no real key and may be a part of something else.
        """
        for word in self._words(16):
            body = body.replace(word.encode(), b"***")
        return body

    def _words(self, shortest: int) -> list[str]:
        """The secrets, and the keys in them, the longest first."""
        values = [secret.reveal() for secret in self.secret.values()]
        words = {word for value in values for word in (value, value.rpartition(" ")[2])}
        return sorted((word for word in words if len(word) >= shortest), key=len, reverse=True)


@attrs.frozen
class Source:
    """
    Bytes to send.

    Attributes:
        size: How many there are.
        read: Gives them from an offset on, in blocks; called anew when a call is repeated.
    """

    size: int
    read: Callable[[int], Iterator[bytes]]


@attrs.frozen
class Form:
    """
    A body of `multipart/form-data`: fields first, then one file.

    Attributes:
        fields: The fields, in order.
        filename: The name of the file part's file.
        content_type: The file part's type.
        source: What the file holds.
        name: The name of the file part.
    """

    fields: Mapping[str, str]
    filename: str
    content_type: str
    source: Source
    name: str = "file"


class Sink(Protocol):
    """Where a download goes."""

    @property
    def size(self) -> int:
        """Bytes taken so far: a cut download goes on there."""

    def write(self, block: bytes) -> None:
        """Take the next bytes."""

    def restart(self) -> None:
        """Forget what was taken: the file comes again from its beginning."""


@attrs.frozen
class Call:
    """
    One call.

    Attributes:
        kind: What it does.
        origin: Where to.
        method: `GET`, `POST`, `DELETE`.
        path: Below the origin's base URL; or a whole URL that the provider itself gave, which has to be of
            the same origin.
        params: The query; a value of None is left out.
        headers: Besides the origin's.
        json: A body to encode, None for none.
        content: A body to stream, None for none; a form is encoded by whoever sends it.
        paced: One of many calls for many batches, between which a pause is kept.
    """

    kind: Kind
    origin: Origin
    method: str
    path: str
    params: Mapping[str, str | int | None] = attrs.field(factory=dict)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    json: Any = None
    content: Source | Form | None = None
    paced: bool = False


@attrs.frozen
class Reply:
    """
    What came back.

    Attributes:
        status: 200 to 299; everything else is raised.
        headers: By name in lower case.
        body: The whole body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """
        The body, decoded.

        Raises:
            TransientError: It is no JSON: a proxy's page, or cut.
        """
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise TransientError(f"the reply is no JSON ({str(error)[:200]})") from error

    def object(self) -> Mapping[str, Any]:
        """
        The body, which has to be an object.

        Raises:
            TransientError: It is something else.
        """
        found = self.json()
        if not isinstance(found, dict):
            raise TransientError(f"the reply is {type(found).__name__}, expected an object")
        return found


@attrs.frozen
class Exchange:
    """
    One try of a call, for a log: no body, no query, no header, no key.

    Attributes:
        provider: Whom it was sent to.
        kind: What it does.
        method: `GET`, `POST`, `DELETE`.
        url: Scheme, host, port and path.
        result: The HTTP status, or what kept it from coming.
        seconds: How long it took.
        sent: Bytes of body that went out.
        received: Bytes of body that came back.
        number: Which try it was, from 1.
    """

    provider: str
    kind: Kind
    method: str
    url: str
    result: int | str
    seconds: float
    sent: int
    received: int
    number: int

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a log says of it."""
        return {
            "provider": self.provider,
            "kind": self.kind.value,
            "call": f"{self.method} {self.url}",
            "result": self.result,
            "seconds": round(self.seconds, 3),
        }


class Wire(Protocol):
    """Makes calls."""

    def send(self, call: Call) -> Reply:
        """
        Make one call and read its reply.

        Raises:
            CallRefused: The provider said no: 400, 403, 404, 409, 413, 422, ...
            KeyRefused: It did not accept the key.
            Later: It asks to come back, or its quota is full.
            Uncertain: A create may have arrived, and no reply tells.
            TransientError: It cannot be reached, or does not speak its own API; a create was not sent.
            PermanentError: The address is not one that the key may be sent to; nothing was sent.
            Interrupted: Someone asked for an end during a wait; a create was not sent.
        """

    def fetch(self, call: Call, sink: Sink) -> Mapping[str, str]:
        """
        Stream a reply into *sink*, going on where it is cut; gives its headers.

        Raises:
            ReconcilerError: As for `send`.
        """
