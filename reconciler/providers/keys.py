"""
Settings and environment of a provider: which key, sent how and to where.

Pure: it is handed the environment. Nothing that it says or raises holds a key.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

import attrs

from reconciler.errors import ConfigError
from reconciler.providers.calls import Origin, Secret

BEARER: Final = "bearer"
_HEADER: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}", re.ASCII)
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+", re.ASCII)
_PORTS: Final = {"https": 443, "http": 80}


@attrs.frozen
class ProviderOptions:
    """
    What settings say of a provider; empty is the provider's own default.

    Attributes:
        base_url: Where its API is.
        model: The model for whole batches, for a provider that wants one.
        endpoint: The API path of lines that name none.
        organization: Whose key it is, where keys are of several (OpenAI).
        project: Likewise.
        api_version: The version of the API, for Azure and Gemini.
        anthropic_version: The same for Anthropic.
        auth: `bearer`, or the name of the header that holds the key.
        completion_window: How long a batch may take.
        expires_after: After how many seconds files vanish there; 0 leaves it to the provider.
    """

    base_url: str = ""
    model: str = ""
    endpoint: str = ""
    organization: str = ""
    project: str = ""
    api_version: str = ""
    anthropic_version: str = ""
    auth: str = ""
    completion_window: str = ""
    expires_after: int = 0


@attrs.frozen
class KeyMissing:
    """
    A provider that cannot be asked.

    Attributes:
        provider: Its name.
        variables: The environment variables that were looked for.
        problem: What is wrong with the key that was found; empty when none was.
    """

    provider: str
    variables: tuple[str, ...]
    problem: str = ""

    @property
    def message(self) -> str:
        """The same in words."""
        if self.problem:
            return f"the key for {self.provider} cannot be used: {self.problem}"
        return f"there is no key for {self.provider}: {' or '.join(self.variables)} is not set"


@attrs.frozen
class Key:
    """
    A key that was found.

    Attributes:
        variable: Where.
        secret: The key.
    """

    variable: str
    secret: Secret


NO_KEY: Final = Key("", Secret(""))
"""For a server that asks none."""


def told(environment: Mapping[str, str], *names: str) -> str:
    """The first of these variables that is set to something; what is empty is absent."""
    return next((environment[name] for name in names if environment.get(name)), "")


def find_key(provider: str, environment: Mapping[str, str], variables: tuple[str, ...]) -> Key | KeyMissing:
    """The first key among *variables*, if it can be one."""
    for name in variables:
        value = environment.get(name)
        if value:
            problem = _problem(value)
            return (
                KeyMissing(provider, variables, f"{name} {problem}") if problem else Key(name, Secret(value))
            )
    return KeyMissing(provider, variables)


def _problem(value: str) -> str:
    """Why *value* is no key, without showing any of it; empty when it can be one."""
    if _VISIBLE.fullmatch(value):
        return ""
    if value.endswith(("\n", "\r")):
        return "ends with a line break, which was pasted along with it"
    if not value.isascii():
        return "holds a character that is not ASCII, as a dash or a quote that some program replaced"
    if value.isspace():
        return "holds nothing but white space"
    return "holds white space or a control character"


def proof(auth: str, key: Key) -> Mapping[str, Secret]:
    """
    The header that proves who asks.

    Args:
        auth: `bearer`, or the header's name.
        key: The key; without one there is nothing to prove.

    Raises:
        ConfigError: *auth* is neither.
    """
    if not _HEADER.fullmatch(auth):
        hint = "write bearer, or the name of a header such as x-api-key"
        raise ConfigError(f"provider.auth is {auth!r:.60}", hint=hint)
    value = key.secret.reveal()
    if not value:
        return {}
    if auth.lower() == BEARER:
        return {"Authorization": Secret(f"Bearer {value}")}
    return {auth: Secret(value)}


def base_url(where: str, value: str) -> str:
    """
    *value* as a place where a key may be sent, without a slash at its end.

    Args:
        where: The setting or variable that says so.
        value: A URL.

    Raises:
        ConfigError: It is none, or everyone on the way would read the key.
    """
    parts = _split(value)
    host = parts and parts.hostname
    if parts is None or not host or not _VISIBLE.fullmatch(value) or "\\" in value:
        raise ConfigError(f"{where} is no URL", hint="write it as https://host/path")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{where} holds a user name or a password", hint="keys come from the environment")
    if parts.query or parts.fragment or value.endswith(("?", "#")):
        raise ConfigError(f"{where} has a query or a fragment", hint="write it as https://host/path")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(host)):
        hint = "write https://; http:// is for this machine (localhost) alone"
        raise ConfigError(
            f"{where} is not https://, so that everyone on the way would read the key", hint=hint
        )
    return value.rstrip("/")


def plain(where: str, value: str) -> str:
    """
    *value*, which goes into a header or an address; empty for none.

    Raises:
        ConfigError: It holds what neither may hold.
    """
    if value and not (_VISIBLE.fullmatch(value) and value.isascii()):
        raise ConfigError(f"{where} is {value!r:.60}", hint="only visible ASCII characters can be sent")
    return value


def account_of(origin: Origin, key: Key, *others: str) -> str:
    """A fingerprint of whose batches these are: 16 hexadecimal digits."""
    parts = urlsplit(origin.base_url)
    port = parts.port or _PORTS.get(parts.scheme)
    words: Iterable[str] = (
        origin.provider,
        f"{parts.scheme}://{parts.hostname}:{port}",
        *others,
        key.secret.reveal(),
    )
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def _split(value: str) -> SplitResult | None:
    """The parts of a URL, None when it has none."""
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - raises when it is no number
    except ValueError:
        return None
    return parts


def _is_here(host: str) -> bool:
    """Whether a host is this machine, by its spelling alone."""
    if host == "localhost":
        return True
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    return found.is_loopback and getattr(found, "ipv4_mapped", None) is None
