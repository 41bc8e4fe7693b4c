"""
What an audit has found that can be repaired with proof: nothing is lost, and nothing is sent.

A pure read. Inputs, answers, metadata and what users have changed are never touched, and what a pass mends by
itself is left to it: there is one way to mend each thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.check.batches import record_in
from reconciler.check.mending import (
    Left,
    Narrow,
    PublishAgain,
    PublishManifest,
    RemoveAside,
    RemoveProgress,
    RemoveStaging,
    RemoveTemporary,
    RemoveTorn,
    Repair,
)
from reconciler.check.rebuilding import PLAIN, rebuilt
from reconciler.check.verdict import Verdict
from reconciler.errors import PermanentError, ReconcilerError
from reconciler.executor.context import View
from reconciler.executor.hashing import digest_of
from reconciler.executor.publishing import results_blocks
from reconciler.executor.reading import owners_of
from reconciler.model.coverage import NOTHING, FileDigest
from reconciler.model.facts import FileFact, Kind
from reconciler.model.identity import BatchName, Role, parse_file_name, parse_name
from reconciler.model.operation import ProcessOutput
from reconciler.model.policy import LOCAL
from reconciler.model.record import Submission
from reconciler.processors import results
from reconciler.workspace import ledger, settled
from reconciler.workspace.aside import ASIDE
from reconciler.workspace.effects import TEMPORARY
from reconciler.workspace.layout import (
    DONE,
    FAILED_ITEMS,
    FAILED_REPAIRS,
    LIVE,
    LOGS,
    PRIVATE,
    QUARANTINE,
    TARGET,
)
from reconciler.workspace.observe import TRIPLE
from reconciler.workspace.receipts import published_by
from reconciler.workspace.scan import Listing, batch_of_folder

MENDS_ITSELF: Final = "reconcile WORKSPACE"
"""What mends the rest."""

STAGING: Final = ".staging-"
_TELLING: Final = frozenset({1, 2, 3, 5, 6, 15})
"""Promises whose findings make a torn line of history worth keeping."""
_OPEN: Final = 0o077
"""What nobody else may do with our own files."""


def diagnose(view: View, listing: Listing, verdict: Verdict) -> Iterator[Repair | Left]:
    """Everything that could be repaired, and what is left of it, with the reason."""
    yield from (Left(path, "left by a crash; a pass removes it", MENDS_ITSELF) for path in listing.stale)
    for folder in _folders(view):
        yield from _temporaries(view, folder)
    for folder in (DONE, QUARANTINE):
        yield from _staging(view, listing, folder)
    if view.look.kind(ASIDE) is Kind.FOLDER:
        yield RemoveAside()
    progress = [*_progress(view, listing, verdict)]
    yield from progress
    # What goes needs no other mode; SQLite keeps more files beside its own.
    going = tuple(each.path for each in progress if isinstance(each, RemoveProgress))
    yield from (each for each in _modes(view, PRIVATE) if not each.path.startswith(going or "/"))
    yield from _history(view, listing, verdict)
    for name in settled.names(view.look):
        if view.look.kind(f"{settled.folder_of(name)}/{settled.MANIFEST}") is None:
            yield _manifest(view, listing, name)
        else:
            yield from _results(view, name, verdict)


def _folders(view: View) -> Iterator[str]:
    """The folders in which temporary files of ours may stand and no pass looks for them."""
    for top in (DONE, QUARANTINE, TARGET, FAILED_ITEMS, FAILED_REPAIRS, LOGS, PRIVATE):
        yield top
        for entry in sorted(view.look.listing(top)):
            path = f"{top}/{entry.name}"
            if entry.kind is Kind.FOLDER and path != ASIDE and not entry.name.startswith(STAGING):
                yield path


def _temporaries(view: View, folder: str) -> Iterator[Repair | Left]:
    """Temporary files in one folder."""
    for entry in sorted(view.look.listing(folder)):
        if not entry.name.startswith(TEMPORARY) or entry.kind is not Kind.FILE:
            continue
        final = f"{folder}/{entry.name.removeprefix(TEMPORARY)}"
        if view.look.fact(final) is not None:
            yield RemoveTemporary(f"{folder}/{entry.name}")
        else:
            why = f"{final} is not there; whatever makes it takes the place of this, too"
            yield Left(f"{folder}/{entry.name}", why, MENDS_ITSELF)


def _staging(view: View, listing: Listing, parent: str) -> Iterator[Repair | Left]:
    """Folders in which a move was put together."""
    for entry in sorted(view.look.listing(parent)):
        path, leaf = f"{parent}/{entry.name}", entry.name.removeprefix(STAGING)
        if entry.kind is not Kind.FOLDER or leaf == entry.name:
            continue
        name = parse_name(leaf) if parent == DONE else batch_of_folder(leaf)
        if name in listing.batches:
            yield Left(path, "left by a move that was cut off; a pass makes it again", MENDS_ITSELF)
            continue
        only = [each.name for each in view.look.listing(path) if not _stands_elsewhere(view, path, each.name)]
        if only:
            yield Left(f"{path}/{only[0]}", "no other file holds the same", "move it to where it belongs")
        else:
            yield RemoveStaging(path)


def _stands_elsewhere(view: View, staging: str, leaf: str) -> bool:
    """Whether a staged file is a document of ours, or an equal one stands under its final name."""
    fact, found = view.look.fact(f"{staging}/{leaf}"), parse_file_name(leaf)
    if fact is None:
        return False
    if found is None:
        # What is written beside the files is made of them, and never the only word of anything.
        return leaf.removeprefix(TEMPORARY) in (settled.MANIFEST, "reason.json")
    folders = [settled.folder_of(found[1])]
    folders += [
        f"{QUARANTINE}/{each.name}"
        for each in view.look.listing(QUARANTINE)
        if batch_of_folder(each.name) == found[1] and not each.name.startswith(STAGING)
    ]
    twins = [twin for folder in folders if (twin := view.look.fact(f"{folder}/{leaf}")) is not None]
    return any(
        twin.inode == fact.inode or view.look.digest(twin.path) == view.look.digest(fact.path)
        for twin in twins
        if twin.size == fact.size
    )


def _sound(verdict: Verdict, folder: str) -> bool:
    """Whether nothing was found below a folder."""
    return not any(f"{each.where}/".startswith(f"{folder}/") for each in verdict.findings)


def _progress(view: View, listing: Listing, verdict: Verdict) -> Iterator[Repair | Left]:
    """Progress of local runs whose batch is not live any more."""
    for entry in sorted(view.look.listing(LIVE)):
        leaf, dot, _ = entry.name.rpartition(".sqlite")
        name = parse_name(leaf) if dot else None
        path = f"{LIVE}/{entry.name}"
        if name is None or name in listing.batches or not path.endswith(".sqlite"):
            continue
        folder = settled.folder_of(name)
        try:
            over = settled.read(view.look, name).provider == LOCAL and _sound(verdict, folder)
        except (ReconcilerError, FileNotFoundError):
            over = False
        if over:
            yield RemoveProgress(path, name)
        else:
            yield Left(path, f"it may hold answers, and {folder}/ does not prove that it holds them, too")


def _modes(view: View, folder: str) -> Iterator[Narrow]:
    """Private files and folders that others may get at."""
    mode = view.look.mode(folder)
    if mode is not None and mode & _OPEN:
        yield Narrow(folder, mode & ~_OPEN)
    for entry in sorted(view.look.listing(folder)):
        path = f"{folder}/{entry.name}"
        if entry.kind is Kind.FOLDER and path != ASIDE:
            yield from _modes(view, path)
        elif entry.kind is Kind.FILE and not entry.name.startswith(TEMPORARY):
            mode = view.look.mode(path)
            if mode is not None and mode & _OPEN:
                yield Narrow(path, mode & ~_OPEN)


def _history(view: View, listing: Listing, verdict: Verdict) -> Iterator[Repair | Left]:
    """Torn lines of history, where everything else proves that nothing hangs on them."""
    torn = sum(entry.problem == ledger.TORN for entry in ledger.entries(view.look))
    if not torn:
        return
    if _in_doubt(view, listing):
        why = "a line is torn, and a batch is in doubt; it may be what the line was about"
        yield Left(ledger.PATH, why, MENDS_ITSELF)
    elif any(each.promise in _TELLING for each in verdict.findings) or verdict.untold:
        why = "a line is torn, and the rest does not prove that nothing hangs on it"
        yield Left(ledger.PATH, why, "mend what is found first, then: reconcile check WORKSPACE --repair")
    else:
        yield RemoveTorn(view.look.digest(ledger.PATH), torn)


def _in_doubt(view: View, listing: Listing) -> bool:
    """Whether the create of any batch may have left without its line."""
    for name in listing.batches:
        try:
            record = view.record(name)
        except (ReconcilerError, OSError):
            return True
        if record is not None and record.state is Submission.CREATING:
            return True
    return False


def _manifest(view: View, listing: Listing, name: BatchName) -> Repair | Left:
    """A manifest that is not there any more."""
    path = f"{settled.folder_of(name)}/{settled.MANIFEST}"
    if name in listing.batches:
        return Left(path, "a live batch has that name, too; it cannot be told which of them settled")
    try:
        return PublishManifest(path, name, rebuilt(view, name))
    except PermanentError as error:
        return Left(path, error.message, "restore it from a backup, or move the files out of the workspace")


def _results(view: View, name: BatchName, verdict: Verdict) -> Iterator[Repair | Left]:
    """Results of a settled batch that are not there any more."""
    folder = settled.folder_of(name)
    try:
        manifest = settled.read(view.look, name)
        receipt = manifest.receipts.get(ProcessOutput.verb, {})
        published = published_by(receipt)
    except (ReconcilerError, FileNotFoundError, ValueError, TypeError, KeyError):
        return
    gone = [path for path in published if view.look.kind(path) is None]
    whole = _sound(verdict, folder) and all(_is(view, folder, leaf) for leaf in manifest.files)
    for path in gone:
        if not whole:
            # No replay makes them again either: answers were removed or changed.
            yield Left(
                path, f"{folder}/ does not hold all that it is made of", f"restore {path} from a backup"
            )
            continue
        why = ""
        if receipt.get("processor") != PLAIN or manifest.coverage.extraction is not None:
            why = "it was made by other code than the built-in results"
        elif path != results.published_as(name):
            why = "it is made of the results beside it"
        elif _derived(view, name, manifest) != published[path]:
            why = "what would be made of the answers today has other bytes"
        again = f"reconcile replay WORKSPACE {name}"
        yield Left(path, why, again) if why else PublishAgain(path, name, published[path])


def _is(view: View, folder: str, leaf: str) -> bool:
    """Whether a file is there."""
    return view.look.fact(f"{folder}/{leaf}") is not None


def _derived(view: View, name: BatchName, manifest: settled.Manifest) -> FileDigest | None:
    """What the results of a settled batch hold when they are made again; None where they cannot be."""
    try:
        return digest_of(blocks_of(view, name, manifest))
    except (ReconcilerError, OSError):
        return None


def blocks_of(view: View, name: BatchName, manifest: settled.Manifest) -> Iterator[bytes]:
    """
    The results of a settled batch, made again by the built-in processor.

    Raises:
        ReconcilerError: A file of it cannot be read.
    """
    folder = settled.folder_of(name)
    facts: dict[Role, FileFact] = {}
    for leaf in manifest.files:
        found, fact = parse_file_name(leaf), view.look.fact(f"{folder}/{leaf}")
        if found is not None and fact is not None and found[0] in TRIPLE:
            facts[found[0]] = fact
    dismissed = record_in(view, folder, name).dismissed
    given_up = manifest.coverage.failed == NOTHING and "failed" in dismissed
    owners = owners_of(view, manifest.children)
    origin = results.Origin(name, manifest.provider, manifest.attempt, given_up)
    return results_blocks(view, facts, origin, lambda hashed, _place: owners.get(hashed))
