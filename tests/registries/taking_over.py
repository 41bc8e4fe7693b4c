"""Segments that the ancestor has sent, and their import into a workspace that can ask all three providers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from reconciler.importing import Import, import_registry
from reconciler.session import Options
from reconciler.testing import FakeProvider
from tests.online import Online
from tests.registries.ancestor import OutputDir, create, ids_of, requests_of, write_input
from tests.stopping import client_of
from tests.workspaces import settings

THREE: Final = ("openai", "anthropic", "gemini")


def online(fake: FakeProvider, root: Path, provider: str) -> Online:
    """A workspace that can ask all three, and sends to *provider*."""
    others = tuple(client_of(each, fake) for each in THREE if each != provider)
    return Online(root, fake, client_of(provider, fake), others=others)


def take(root: Path, source: Any, **more: Any) -> Import:
    """Import."""
    return import_registry(str(root), settings(), source, Options(**more.pop("options", {})), **more)


def sent(fake: FakeProvider, folder: OutputDir, provider: str, count: int = 4) -> list[str]:
    """A segment that the ancestor has sent; gives its ids."""
    ids = ids_of(provider, count, 10 * len(folder.rows) + 1)
    path = folder.path / "before.jsonl"
    folder.path.mkdir(parents=True, exist_ok=True)
    write_input(path, provider, requests_of(provider, ids))
    folder.add(provider, create(fake, provider, path, requests_of(provider, ids)), ids)
    path.unlink()
    return ids
