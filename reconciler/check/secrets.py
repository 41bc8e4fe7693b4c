"""Keys stand in no file of ours: each is looked for in everything that the product writes by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from reconciler.check.verdict import Verdict
from reconciler.errors import PermanentError
from reconciler.executor.context import View
from reconciler.executor.moving import REASON
from reconciler.model.facts import Kind
from reconciler.model.identity import Role, file_name
from reconciler.providers import azure
from reconciler.providers.presets import PRESETS
from reconciler.providers.services import SERVICES
from reconciler.workspace import settled, tombstones
from reconciler.workspace.layout import LOGS, PRIVATE, QUARANTINE
from reconciler.workspace.reading import BLOCK
from reconciler.workspace.scan import Listing

SHORTEST: Final = 16
"""What is shorter is no real key, and may be a part of something else."""


def keys_in(environment: Mapping[str, str]) -> dict[str, str]:
    """The keys of providers that an environment holds, by the name of their variable."""
    names = {name for service in SERVICES.values() for name in service.keys} | {*azure.KEYS}
    names |= {name for preset in PRESETS.values() for name in preset.keys}
    found = {name: environment.get(name, "").strip() for name in sorted(names)}
    return {name: key for name, key in found.items() if len(key) >= SHORTEST}


def check_keys(view: View, listing: Listing, secrets: Mapping[str, str], verdict: Verdict) -> None:
    """Look for keys in every file that holds our own words: metadata, manifests, history, logs."""
    if not secrets:
        return
    wanted = {name: key.encode() for name, key in secrets.items()}
    longest = max(map(len, wanted.values()))
    for path in _ours(view, listing):
        try:
            found = _found(view, path, wanted, longest)
        except (FileNotFoundError, PermanentError):
            continue  # it moved, or is no regular file, which is told elsewhere
        for name in found:
            verdict.object(18, path, f"the key of {name} stands in it", "key-shown")


def _found(view: View, path: str, wanted: Mapping[str, bytes], longest: int) -> list[str]:
    """Which keys stand in a file, wherever its blocks end."""
    left, found = dict(wanted), []
    with view.look.open(path) as stream:
        before = b""
        while left and (block := stream.read(BLOCK)):
            seen = before + block
            for name in [name for name, key in left.items() if key in seen]:
                found.append(name)
                del left[name]
            before = seen[-longest:]
    return found


def _ours(view: View, listing: Listing) -> Iterator[str]:
    """Every file that holds our own words, and none that holds only what users or providers wrote."""
    yield from _below(view, PRIVATE)
    yield from _below(view, LOGS)
    for name in listing.batches:
        yield view.record_path(name)
    for name, leaves in listing.quarantined.items():
        for leaf in leaves:
            for each in (REASON, file_name(Role.METADATA, name)):
                yield f"{QUARANTINE}/{leaf}/{each}"
    for name in settled.names(view.look):
        for each in (settled.MANIFEST, tombstones.TOMBSTONE, file_name(Role.METADATA, name)):
            yield f"{settled.folder_of(name)}/{each}"


def _below(view: View, folder: str) -> Iterator[str]:
    """Every regular file below a folder."""
    for entry in sorted(view.look.listing(folder)):
        if entry.kind is Kind.FOLDER:
            yield from _below(view, f"{folder}/{entry.name}")
        elif entry.kind is Kind.FILE:
            yield f"{folder}/{entry.name}"
