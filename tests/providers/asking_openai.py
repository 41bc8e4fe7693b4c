"""The client of OpenAI's batch API for tests, and the calls that it should make."""

from __future__ import annotations

from typing import Any

from reconciler.providers.calls import Call, Kind, Origin, Secret
from reconciler.providers.openai import OPENAI, OpenAI, Switches

ORIGIN = Origin("openai", "https://api.openai.com/v1", secret={"Authorization": Secret("Bearer k")})
INTENT = "0123456789abcdef0123456789abcdef"


def client(switches: Switches = OPENAI) -> OpenAI:
    """A client whose account nobody asks for."""
    return OpenAI(ORIGIN, "0" * 16, switches)


def call(kind: Kind, method: str, path: str, **more: Any) -> Call:
    """A call to the test's origin."""
    return Call(kind, ORIGIN, method, path, **more)
