"""The real command against the fake provider on loopback: keys and addresses by environment, time virtual."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler.cli.main import main
from reconciler.cli.prepare import Time
from reconciler.testing import FakeProvider
from reconciler.testing.faults import Refuse
from tests.cli.calling import Said
from tests.workspaces import put, request

KEYS: Final[Mapping[str, tuple[str, str]]] = {
    "openai": ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
    "azure": ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"),
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    "gemini": ("GEMINI_API_KEY", "GEMINI_BASE_URL"),
    "mistral": ("MISTRAL_API_KEY", "MISTRAL_BASE_URL"),
    "openrouter": ("OPENROUTER_API_KEY", "OPENROUTER_BASE_URL"),
}
"""Where each official client looks for its key and its address."""

MODELS: Final[Mapping[str, str]] = {"gemini": "gemini-2.5-flash", "mistral": "mistral-small-latest"}


def asked(provider: str, n: int) -> dict[str, Any]:
    """Request number *n* in the shape that *provider* takes."""
    said = [{"role": "user", "content": f"question {n}"}]
    if provider == "anthropic":
        return {"custom_id": f"q-{n}", "params": {"model": "claude", "max_tokens": 9, "messages": said}}
    if provider == "gemini":
        parts = [{"role": "user", "parts": [{"text": f"question {n}"}]}]
        return {"key": f"q-{n}", "request": {"contents": parts}}
    if provider == "mistral":
        return {"custom_id": f"q-{n}", "body": {"messages": said}}
    return request(n)


@attrs.define
class There:
    """
    A provider that the command line reaches.

    Attributes:
        fake: The provider.
        name: Which one.
        pauses: How long each pause was.
        meanwhile: Called at each pause, before time passes.
    """

    fake: FakeProvider
    name: str
    capsys: pytest.CaptureFixture[str]
    pauses: list[float] = attrs.field(factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def call(self, *words: str | Path) -> Said:
        """Run the command line in the time of the provider."""
        self.capsys.readouterr()
        code = main([str(word) for word in words], Time(lambda: self.fake.clock.now, self._pause))
        out, err = self.capsys.readouterr()
        return Said(code, out, err)

    def _pause(self, seconds: float, _stopping: Callable[[], bool]) -> None:
        self.pauses.append(seconds)
        self.meanwhile()
        self.fake.clock.advance(seconds)

    def interrupt(self) -> None:
        """Press Ctrl-C, once."""
        self.meanwhile = lambda: None
        os.kill(os.getpid(), signal.SIGINT)

    @property
    def now(self) -> float:
        """The provider's time."""
        return self.fake.clock.now

    @property
    def batch_id(self) -> str:
        """The id of the batch that was created last."""
        return self.fake.batches[-1].id

    def creates(self) -> int:
        """How many batches were ever created."""
        return len(self.fake.batches)


def reach(
    fake: FakeProvider, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> There:
    """Set the environment for *name*, and for no other provider."""
    for variables in KEYS.values():
        for variable in variables:
            monkeypatch.delenv(variable, raising=False)
    key, address = KEYS[name]
    monkeypatch.setenv(key, fake.key)
    monkeypatch.setenv(address, fake.url(name))
    monkeypatch.setenv("RECONCILER_PROVIDER_NAME", name)
    if name in MODELS:
        monkeypatch.setenv("RECONCILER_PROVIDER_MODEL", MODELS[name])
    # An input that was written before this test began its clock is old enough to be sent.
    fake.clock.advance(60)
    return There(fake, name, capsys)


def put_input(root: Path, there: There, count: int = 4, name: str = "1", start: int = 0) -> None:
    """An input without answers, old enough to be sent."""
    put(root, name, input=[asked(there.name, n) for n in range(start, start + count)])
    there.fake.clock.advance(10)


def record(root: Path, name: str = "1") -> dict[str, Any]:
    """The metadata of a live batch."""
    found: dict[str, Any] = json.loads((root / "workdir" / f"batch_metadata_{name}.jsonl").read_bytes())
    return found


def in_doubt(there: There, workspace: Path) -> None:
    """A create whose fate nobody knows: turned away with a 500, and no list shows it."""
    there.fake.fault("create", Refuse(500))
    put_input(workspace, there)
    there.call(workspace)
    there.fake.clock.advance(3600)
