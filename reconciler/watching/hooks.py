"""
Whom a watcher tells besides its log: a command that is run, or an address that is posted to.

No shell, no secret in an argument or in the environment of a command. What either of them does not take is
raised, and told again by whoever called.
"""

from __future__ import annotations

import hashlib
import hmac
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import msgspec

from reconciler.errors import ConfigError, ReconcilerError, TransientError
from reconciler.providers.calls import Call, Kind, Origin, Source
from reconciler.providers.http_settings import HttpSettings

if TYPE_CHECKING:
    from reconciler.config import Settings
    from reconciler.providers.calls import Wire

SECRET: Final = "RECONCILER_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable
"""Names the key that posts are signed with."""

SECONDS: Final = 60.0
"""How long a command may take for one event."""

PATIENT: Final = HttpSettings(
    max_retries=0, spacing=0.0, silence=dict.fromkeys(Kind, 15.0), reply=15.0, body=1 << 20
)
"""How a post is made: once, for it is made again later; nobody waits long for an answer."""

_PASSED_ON: Final = frozenset({"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"})
"""Variables that a command gets from us, and those of the locale; keys of providers are in others."""


class Hook(Protocol):
    """Is told events."""

    @property
    def name(self) -> str:
        """What it is known by in the outbox."""

    def tell(self, event: Mapping[str, Any], attempt: int) -> None:
        """
        Tell one event.

        Raises:
            ReconcilerError: It was not taken.
        """


@attrs.frozen
class Command:
    """
    A program that is run for each event, which it gets on stdin.

    Attributes:
        words: The program and its arguments.
        environment: Our own.
    """

    words: tuple[str, ...]
    environment: Mapping[str, str]
    name: str = "run"

    def tell(self, event: Mapping[str, Any], attempt: int) -> None:
        """Run it; see `Hook`."""
        passed = {
            key: value
            for key, value in self.environment.items()
            if key in _PASSED_ON or key.startswith("LC_")
        }
        passed |= {
            "RECONCILER_EVENT_ID": str(event["id"]),
            "RECONCILER_EVENT": str(event["event"]),
            "RECONCILER_BATCH": str(event["batch"]),
            "RECONCILER_ATTEMPT": str(attempt),
        }
        program = self.words[0]
        try:
            done = subprocess.run(  # noqa: S603 - the user named it, and no shell reads it
                self.words,
                input=msgspec.json.encode(event) + b"\n",
                env=passed,
                cwd="/",
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TransientError(f"{program} did not end within {SECONDS:g} s and was killed") from error
        except (OSError, ValueError) as error:
            told = error.strerror if isinstance(error, OSError) else str(error)
            raise TransientError(f"{program} cannot be run: {told}") from error
        if done.returncode:
            last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            said = f": {last[0][:200]}" if last else ""
            raise TransientError(f"{program} ended with {done.returncode}{said}")


@attrs.frozen
class Post:
    """
    An address that each event is posted to, signed where there is a key.

    Attributes:
        url: The address, which may be a secret itself.
        key: What posts are signed with; empty for nothing.
        wire: Makes the call.
        clock: Seconds since the epoch.
    """

    url: str = attrs.field(repr=False)
    key: bytes = attrs.field(repr=False)
    wire: Wire
    clock: Callable[[], float]
    name: str = "post"

    def tell(self, event: Mapping[str, Any], attempt: int) -> None:
        """Post it; see `Hook`."""
        body = msgspec.json.encode(event)
        headers = {
            "content-type": "application/json",
            "reconciler-event-id": str(event["id"]),
            "reconciler-event": str(event["event"]),
            "reconciler-attempt": str(attempt),
        }
        if self.key:
            headers["reconciler-signature"] = signature(self.key, int(self.clock()), body)
        scheme, _, rest = self.url.partition("://")
        host, slash, path = rest.partition("/")
        call = Call(
            Kind.CHANGE,
            Origin("the webhook", f"{scheme}://{host}"),
            "POST",
            self.url,
            headers=headers,
            content=Source(len(body), lambda offset: _from(body, offset)),
        )
        message, hint = "", ""
        try:
            self.wire.send(call)
        except ReconcilerError as error:
            # The path of an address is often all that keeps strangers from posting there.
            message, hint = error.message, error.hint
            for part in (slash + path, slash + path.partition("?")[0]):
                message = message.replace(part, "/...") if len(part) > 1 else message
        if message:
            raise TransientError(message, hint=hint)


def signature(key: bytes, at: int, body: bytes) -> str:
    """What proves that a post is ours and how old it is: HMAC-SHA256 over the time, a dot and the body."""
    proof = hmac.new(key, str(at).encode() + b"." + body, hashlib.sha256)
    return f"t={at},v1={proof.hexdigest()}"


def hooks_of(
    settings: Settings,
    environment: Mapping[str, str],
    wire: Callable[[], Wire],
    clock: Callable[[], float],
) -> tuple[Hook, ...]:
    """
    The hooks that settings name.

    Raises:
        ConfigError: One of them cannot be read.
    """
    found: list[Hook] = []
    if settings["watch.run"]:
        try:
            words = tuple(shlex.split(settings["watch.run"]))
        except ValueError as error:
            raise ConfigError(f"watch.run cannot be read: {error}") from error
        if not words or ("/" in words[0] and not words[0].startswith("/")):
            hint = "write the whole path of the program, or its name where PATH leads to it"
            raise ConfigError(f"watch.run is {settings['watch.run']!r:.200}", hint=hint)
        found.append(Command(words, environment))
    if settings["watch.post"]:
        if not settings["watch.post"].startswith(("https://", "http://")):
            raise ConfigError("watch.post is no URL that begins with https://")
        key = environment.get(SECRET, "").encode("utf-8", "surrogateescape")
        found.append(Post(settings["watch.post"], key, wire(), clock))
    return tuple(found)


def _from(body: bytes, offset: int) -> Iterator[bytes]:
    yield body[offset:]
