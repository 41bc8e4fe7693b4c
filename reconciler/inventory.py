"""
What lies at the providers, held against what lies here: `reconcile audit`.

Asks and compares; changes nothing, unless told to remove remote files whose local copies are settled and were
read again just before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Final

import attrs

from reconciler.config import Settings
from reconciler.errors import BadMetadata, KeyRefused, NotThere, PermanentError, ReconcilerError
from reconciler.executor.context import View, viewing
from reconciler.executor.remotes import Remotes
from reconciler.model.identity import ANSWERS, BatchName, Role, parse_file_name
from reconciler.model.policy import NO_PROVIDER
from reconciler.model.record import Record
from reconciler.model.remote import RemoteBatch, RemoteFile
from reconciler.model.status import Phase, phase_of
from reconciler.providers.base import Remote
from reconciler.session import Network, Options, Session, session
from reconciler.workspace import ledger, metadata, settled
from reconciler.workspace.layout import QUARANTINE
from reconciler.workspace.reading import Reading
from reconciler.workspace.scan import scan

NAME_IT: Final = "name it under [provider], in a [[batch]] table, or by --provider"

_UPLOADED: Final = re.compile(r"batch_input_([0-9a-f]{32})\.jsonl", re.ASCII)
"""The name under which an input is uploaded; it holds the intent."""


@attrs.frozen
class Finding:
    """
    Something at a provider, or here, that has no counterpart.

    Attributes:
        provider: Where.
        what: In words.
        remote_id: The provider's id.
        batch: The batch here that it concerns, None where there is none.
        ours: History knows that this workspace made it.
    """

    provider: str
    what: str
    remote_id: str
    batch: BatchName | None = None
    ours: bool = False


@attrs.frozen
class Held:
    """
    What one provider keeps for this account.

    Attributes:
        provider: Its name.
        batches: How many batches.
        files: How many files.
        size: Their bytes, as far as the provider tells.
        removable: Files whose content is settled here.
        removable_size: Their bytes.
        removed: How many of those were removed now.
    """

    provider: str
    batches: int
    files: int
    size: int
    removable: int
    removable_size: int
    removed: int = 0


@attrs.frozen
class Inventory:
    """
    A workspace and the accounts of its providers.

    Attributes:
        root: The workspace.
        held: By provider that could be asked.
        findings: What has no counterpart.
        unasked: Providers that could not be asked, and why.
    """

    root: str
    held: tuple[Held, ...]
    findings: tuple[Finding, ...]
    unasked: tuple[tuple[str, str], ...]


def audit(path: str, settings: Settings, options: Options, *, delete_remote: bool = False) -> Inventory:
    """
    Compare a workspace with the accounts that it uses: of providers that settings or its batches name.

    Args:
        path: The workspace.
        settings: Every setting.
        options: What else the caller wants.
        delete_remote: Remove remote files whose content is settled here, under the lock.

    Raises:
        UserError: There is no workspace; or, to remove, another reconciler holds it.
    """
    if delete_remote:
        with session(path, settings, options) as held:
            return _audit(held.ctx, held.ctx.remotes, settings, options, held)
    with viewing(path, settings) as view, closing(Network(settings, options)) as network:
        return _audit(view, Remotes(options.wire or network.open), settings, options, None)


@attrs.frozen
class _Here:
    """What this workspace knows: records wherever they lie, and the ids and providers in its history."""

    live: Mapping[BatchName, Record]
    settled: Mapping[BatchName, Record]
    quarantined: tuple[tuple[BatchName, Record], ...]
    history: frozenset[str]
    providers: frozenset[str]

    def of(self, provider: str) -> Iterator[tuple[BatchName, Record]]:
        """Records of one provider, with their names."""
        for name, record in (*self.live.items(), *self.settled.items(), *self.quarantined):
            if record.provider == provider:
                yield name, record


def _audit(
    view: View, remotes: Remotes, settings: Settings, options: Options, held: Session | None
) -> Inventory:
    """The comparison; with *held*, remote files that are settled here are removed."""
    here = _known(view)
    hooks = options.plugged.hooks_of("")
    providers = hooks.providers
    # A key in the environment does not make an account this workspace's: only what it has used is looked at.
    ours = here.providers | {each["provider.name"] for each in (settings, *settings.by_table())}
    found: list[Held] = []
    findings: list[Finding] = []
    unasked: list[tuple[str, str]] = []
    unasked += [(name, hooks.keyless[name]) for name in sorted(ours & hooks.keyless.keys())]
    strange = ours - providers.keys() - hooks.keyless.keys() - {NO_PROVIDER}
    unasked += [(name, f"there is no client for it here; {NAME_IT}") for name in sorted(strange)]
    for name in sorted(ours & providers.keys()):
        remote = providers[name]
        if not isinstance(remote, Remote):
            continue
        try:
            with remotes.asking(remote) as wire:
                batches, files = list(remote.batches(wire)), list(remote.files(wire))
            findings += _strangers(name, batches, here)
            findings += _gone(remotes, remote, batches, here)
            findings += _spare(name, files, here)
            found.append(_held(view, name, batches, files, here))
            if held is not None:
                removed = _remove(held, remote, _removable(view, name, files, here))
                found[-1] = attrs.evolve(found[-1], removed=removed)
        except (KeyRefused, ReconcilerError) as error:
            unasked.append((name, error.message))
    return Inventory(view.look.root, tuple(found), tuple(findings), tuple(unasked))


def _known(view: View) -> _Here:
    """Every record of the workspace."""
    live: dict[BatchName, Record] = {}
    listing = scan(view.look, view.layout)
    for name in listing.batches:
        try:
            record = view.record(name)
        except (BadMetadata, PermanentError):
            continue
        if record is not None:
            live[name] = record
    done = {
        name: record
        for name in settled.names(view.look)
        if (record := _archived(view.look, settled.folder_of(name)))
    }
    aside = tuple(
        (name, record)
        for name, folders in listing.quarantined.items()
        for folder in folders
        if (record := _archived(view.look, f"{QUARANTINE}/{folder}"))
    )
    ids = {
        str(entry.fields[key])
        for entry in ledger.entries(view.look)
        for key in ("batch_id", "intent")
        if key in entry.fields
    }
    named = {record.provider for record in (*live.values(), *done.values(), *(each for _, each in aside))}
    named |= {entry.fields.get("provider") for entry in ledger.entries(view.look)}
    return _Here(
        live, done, aside, frozenset(ids), frozenset(each for each in named if isinstance(each, str))
    )


def _archived(look: Reading, folder: str) -> Record | None:
    """The metadata in a folder of `done/` or `quarantine/`, where it can be read."""
    for entry in look.listing(folder):
        # A dismissed twin lies under a name of its own, and its files keep theirs.
        found = parse_file_name(entry.name)
        if found is not None and found[0] is Role.METADATA:
            path = f"{folder}/{entry.name}"
            try:
                return metadata.decode(look.read(path), path, found[1])
            except (BadMetadata, PermanentError, OSError):
                return None
    return None


def _strangers(provider: str, batches: Iterable[RemoteBatch], here: _Here) -> Iterator[Finding]:
    """Remote batches of which there is no triple here."""
    known = {record.batch_id for _, record in here.of(provider)}
    for each in batches:
        if each.batch_id not in known:
            ours = each.batch_id in here.history or (each.intent or "") in here.history
            whose = "made by this workspace, and not here any more" if ours else "not of this workspace"
            yield Finding(provider, f"{each.status}; {whose}", each.batch_id, ours=ours)


def _gone(remotes: Remotes, remote: Remote, batches: Iterable[RemoteBatch], here: _Here) -> Iterator[Finding]:
    """Live batches under way that the provider does not know."""
    listed = {each.batch_id for each in batches}
    for name, record in here.live.items():
        if record.provider != remote.name or record.batch_id is None or record.batch_id in listed:
            continue
        if phase_of(record.status) is not Phase.RUNNING:
            continue
        try:
            with remotes.asking(remote) as wire:
                remote.status(wire, record.batch_id)
        except NotThere:
            yield Finding(
                remote.name, "the provider does not know it any more", record.batch_id, name, ours=True
            )


def _spare(provider: str, files: Iterable[RemoteFile], here: _Here) -> Iterator[Finding]:
    """Inputs that were uploaded once more than they were needed: a crash came before the id was written."""
    known = {record.input_file_id for _, record in here.of(provider)}
    for each in files:
        intent = _UPLOADED.fullmatch(each.name)
        if intent and intent[1] in here.history and each.file_id not in known:
            yield Finding(
                provider, "an upload that no batch here was made of; it costs nothing", each.file_id
            )


def _held(
    view: View, provider: str, batches: list[RemoteBatch], files: list[RemoteFile], here: _Here
) -> Held:
    """What an account keeps, in numbers."""
    removable = [each for _, each in _removable(view, provider, files, here)]
    return Held(
        provider,
        len(batches),
        len(files),
        sum(each.size or 0 for each in files),
        len(removable),
        sum(each.size or 0 for each in removable),
    )


def _removable(
    view: View, provider: str, files: list[RemoteFile], here: _Here
) -> list[tuple[BatchName, RemoteFile]]:
    """Remote files of settled batches whose local copies are what their manifest says."""
    by_id = {each.file_id: each for each in files}
    found: list[tuple[BatchName, RemoteFile]] = []
    for name, record in here.settled.items():
        ids = {record.remote_file(role) for role in (Role.INPUT, *ANSWERS)}
        there = [by_id[each] for each in ids if each is not None and each in by_id]
        if record.provider == provider and there and _sound(view.look, name):
            found += [(name, each) for each in there]
    return found


def _sound(look: Reading, name: BatchName) -> bool:
    """Whether every file of a settled batch holds what its manifest says; reads all of it."""
    try:
        manifest = settled.read(look, name)
        return all(
            look.digest(f"{settled.folder_of(name)}/{leaf}") == digest
            for leaf, digest in manifest.files.items()
        )
    except (BadMetadata, PermanentError, OSError):
        return False


def _remove(held: Session, remote: Remote, files: list[tuple[BatchName, RemoteFile]]) -> int:
    """Remove remote files one by one; history learns of each."""
    for name, each in files:
        with held.ctx.remotes.asking(remote) as wire:
            remote.delete_file(wire, each.file_id)
        ledger.append(held.ctx.fx, "remote.deleted", name, provider=remote.name, file_id=each.file_id)
    return len(files)
