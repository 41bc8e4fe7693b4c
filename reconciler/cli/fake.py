"""`reconcile fake-provider`: the server of `reconciler.testing` in the foreground."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any, Final

from reconciler.cli.console import err, out
from reconciler.errors import UsageError

INSTALL: Final = "pip install 'reconciler[testing]'"


def serve(*, port: int, **fate: Any) -> int:
    """
    Serve until Ctrl-C or SIGTERM.

    Args:
        port: Where to listen; a free port when 0.
        fate: What becomes of every batch: fields of `reconciler.testing.Fate`.
    """
    try:
        from reconciler.testing import FakeProvider, Fate
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the fake provider needs {error.name}, which is not installed", hint=INSTALL
        ) from None

    over = threading.Event()
    before = {each: signal.signal(each, lambda *_: over.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        with FakeProvider(port=port, ticking=True) as fake:
            fake.default(Fate(**fate))
            for name in fake.dialects:
                out(f"# {name:<10} {fake.url(name)}")
            for name, value in _variables(fake):
                out(f"export {name}={value}")
            sys.stdout.flush()
            err("serving until Ctrl-C")
            over.wait()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    return 0


def _variables(fake: Any) -> list[tuple[str, str]]:
    """What the providers' own clients read."""
    return [
        ("OPENAI_BASE_URL", fake.url("openai")),
        ("OPENAI_API_KEY", fake.key),
        ("AZURE_OPENAI_ENDPOINT", fake.url("azure")),
        ("AZURE_OPENAI_API_KEY", fake.key),
        ("OPENAI_API_VERSION", "2024-10-21"),
        ("ANTHROPIC_BASE_URL", fake.url("anthropic")),
        ("ANTHROPIC_API_KEY", fake.key),
        ("GOOGLE_GEMINI_BASE_URL", fake.url("gemini")),
        ("GEMINI_BASE_URL", fake.url("gemini")),
        # A real one in the environment would count first, and be refused here.
        ("GOOGLE_API_KEY", fake.key),
        ("GEMINI_API_KEY", fake.key),
        ("MISTRAL_BASE_URL", fake.url("mistral")),
        ("MISTRAL_API_KEY", fake.key),
        ("OPENROUTER_BASE_URL", fake.url("openrouter")),
        ("OPENROUTER_API_KEY", fake.key),
    ]
