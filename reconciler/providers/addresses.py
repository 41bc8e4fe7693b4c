"""
Where a call may go: to the origin that its key is for, and nowhere else.

Pure; works on URLs that the library that sends has parsed, so that both mean the same host.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Final, Protocol, Self, TypeVar

from reconciler.codec.jsonl import shorten
from reconciler.errors import KeyRefused, PermanentError
from reconciler.providers.calls import Call, Origin, Secret

_PORTS: Final = {"https": 443, "http": 80}
_STRANGE: Final = re.compile(r"[\\\x00-\x20\x7f-\x9f]")


class Url(Protocol):
    """A parsed URL."""

    @property
    def scheme(self) -> str:
        """In lower case."""

    @property
    def raw_host(self) -> bytes:
        """In lower case, as it is asked for in DNS."""

    @property
    def port(self) -> int | None:
        """None for the scheme's own."""

    @property
    def userinfo(self) -> bytes:
        """What stands before an at sign."""

    @property
    def path(self) -> str:
        """Without the query."""

    def join(self, url: str) -> Self:
        """Where a reference found there points to."""

    def copy_merge_params(self, params: Mapping[str, str]) -> Self:
        """The same with more of a query."""


U = TypeVar("U", bound=Url)


def address(call: Call, parse: Callable[[str], U]) -> U:
    """
    Where a call goes.

    Raises:
        PermanentError: Not to where its key is for.
        KeyRefused: The key cannot be sent at all.
    """
    origin = call.origin
    given = {name: str(value) for name, value in call.params.items() if value is not None}
    base = _parsed(origin, origin.base_url, parse)
    url = _parsed(origin, spelled(origin, call.path), parse)
    check_base(origin, base)
    check_same(origin, base, url)
    check_key(origin)
    return url.copy_merge_params(given) if given else url


def _parsed(origin: Origin, text: str, parse: Callable[[str], U]) -> U:
    """
    A parsed address.

    Raises:
        PermanentError: It cannot be parsed, or is spelled in a way that programs read differently.
    """
    if _STRANGE.search(text):
        raise PermanentError(f"{origin.provider}: an address with a character that none may have")
    with contextlib.suppress(Exception):
        return parse(text)
    raise PermanentError(f"{origin.provider}: an address that cannot be read")


def who(call: Call, url: Url) -> str:
    """Whom a call asks for what, for messages."""
    path = shorten(call.origin.hide(url.path), 120)
    return f"{call.origin.provider} ({host_of(url)}), {call.method} {path}"


def elsewhere(url: Url, location: str) -> str:
    """Scheme and host of where a redirect points to; the rest may hold anything."""
    with contextlib.suppress(Exception):
        return place_of(url.join(location)) if location else ""
    return ""


def spelled(origin: Origin, path: str) -> str:
    """
    The whole address of a call, to be parsed and then held against `check_same`.

    Raises:
        PermanentError: It is neither a path nor a whole URL.
    """
    if "://" in path.partition("?")[0]:
        return path
    if not path.startswith("/") or "?" in path or "#" in path or {".", ".."} & set(path.split("/")):
        raise PermanentError(f"{origin.provider}: {shorten(path)} is no path of an API")
    return origin.base_url.rstrip("/") + path


def check_base(origin: Origin, base: Url) -> None:
    """
    Raise PermanentError when *base*, an origin's base URL, is no place to send a key to.

    Plain HTTP is for this machine: everyone on the way reads it.
    """
    if base.scheme not in _PORTS or not base.raw_host:
        raise PermanentError(f"{origin.provider}: the base URL has to begin with https://")
    if base.userinfo:
        raise PermanentError(f"{origin.provider}: a base URL holds no user name and no password")
    if base.scheme == "http" and not is_loopback(base.raw_host):
        raise PermanentError(
            f"{origin.provider}: {host_of(base)} would be asked over http://,"
            " where everyone on the way reads the key",
            hint="write https:// in the base URL; http:// is for this machine (localhost) alone",
        )


def check_same(origin: Origin, base: Url, url: Url) -> None:
    """Raise PermanentError when *url* is not of the same scheme, host and port as *base*."""
    if url.userinfo:
        raise PermanentError(f"{origin.provider} names an address with a user name in it; nothing was sent")
    if place(url) != place(base):
        raise PermanentError(
            f"{origin.provider} names an address on {place_of(url)}, which is not {place_of(base)}:"
            " the key is for the latter alone, and nothing was sent"
        )


def check_key(origin: Origin) -> None:
    """Raise KeyRefused when a key cannot be sent: libraries quote whole headers when they refuse one."""
    for secret in origin.secret.values():
        if not _is_sendable(secret):
            raise KeyRefused(
                f"the key for {origin.provider} is empty, or holds a character that no key has",
                hint="a line break or a blank around it, perhaps",
            )


def _is_sendable(secret: Secret) -> bool:
    """Whether a header can hold it; in a frame of its own, which no traceback keeps."""
    value = secret.reveal()
    return value.isascii() and value.isprintable() and value == value.strip() != ""


def is_loopback(host: bytes) -> bool:
    """Whether a host is this machine, by its spelling alone."""
    text = host.decode("ascii", "replace").strip("[]")
    if text == "localhost":
        return True
    try:
        return ipaddress.ip_address(text).is_loopback and ":ffff:" not in text
    except ValueError:
        return False


def place(url: Url) -> tuple[str, bytes, int | None]:
    """What two addresses of one origin have in common."""
    return url.scheme, url.raw_host.lower(), url.port or _PORTS.get(url.scheme)


def host_of(url: Url) -> str:
    """The host, as people may see it."""
    return shorten(url.raw_host.decode("ascii", "replace"), 253)


def place_of(url: Url) -> str:
    """Scheme, host and port, as people may see them; nothing that could be a secret."""
    port = "" if url.port is None else f":{url.port}"
    return f"{shorten(url.scheme, 20)}://{host_of(url)}{port}"
