"""
Batch providers on loopback, for tests: real HTTP, scripted fates and faults, no key and no network.

It shares no code with the reconciler that it tests: what it knows of the providers it knows by itself.
Needs the extra: `pip install 'reconciler[testing]'`. docs/testing.md shows its use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.testing.fates import Fate, LineError, Outcome
    from reconciler.testing.server import FakeProvider

_HOMES = {"FakeProvider": "server", "Fate": "fates", "LineError": "fates", "Outcome": "fates"}

__all__ = ["FakeProvider", "Fate", "LineError", "Outcome"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: the pytest plugin is read where the extra is missing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
