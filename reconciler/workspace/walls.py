"""
`.reconciler/walls/`: batches of which every request was refused alike, so that nothing more is sent there.

A folder for each provider, account and model. In it, for each batch that met the wall, a file that says how;
and, where some go ahead of others (`[policy] probe_batches`), a mark for each that was sent, and one that a
batch was answered. What stands in a file follows from the batch alone, so writing it again is no change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, Final

import attrs
import msgspec

from reconciler.model.facts import Kind
from reconciler.model.identity import BatchName
from reconciler.model.outcome import ErrorClass
from reconciler.workspace.effects import TEMPORARY, Effects
from reconciler.workspace.layout import PRIVATE
from reconciler.workspace.reading import Reading

FOLDER: Final = f"{PRIVATE}/walls"
ANSWERED: Final = "answered"
ENOUGH: Final = 10
"""Requests that were refused alike from which there is a wall."""

AT_ONCE: Final = frozenset({ErrorClass.BILLING, ErrorClass.AUTHENTICATION})
"""Classes of which one request is enough: every other one would meet them."""

WALLS: Final = AT_ONCE | {ErrorClass.NOT_FOUND, ErrorClass.INVALID_REQUEST}
"""Classes that a whole batch can meet alike for one reason."""

_MET: Final = ".met.json"
_SENT: Final = ".sent"


@attrs.frozen
class Place:
    """
    Where batches are sent.

    Attributes:
        provider: The provider.
        account: The fingerprint of its account.
        model: The model; empty where lines name none.
    """

    provider: str
    account: str
    model: str

    @property
    def folder(self) -> str:
        """Its folder, relative to the workspace."""
        words = f"{self.provider}\n{self.account}\n{self.model}"
        return f"{FOLDER}/{hashlib.sha256(words.encode()).hexdigest()[:16]}"

    @property
    def told(self) -> str:
        """The place for people."""
        return f"{self.provider}{' for ' + self.model if self.model else ''}"


@attrs.frozen
class Met:
    """
    A batch of which every request was refused alike.

    Attributes:
        batch: The batch.
        provider: Who refused it.
        model: The model that it asked for.
        error_class: Why.
        message: The provider's own words for the first of its requests.
        requests: How many there were.
        lifted: A person has said since that it may be tried again.
    """

    batch: str
    provider: str
    model: str
    error_class: ErrorClass
    message: str
    requests: int
    lifted: bool = False


@attrs.frozen
class Wall:
    """
    Why nothing more is sent to a place.

    Attributes:
        folder: The folder of the place.
        met: The batches that met it.
    """

    folder: str
    met: tuple[Met, ...]

    @property
    def told(self) -> str:
        """The reason, in one line."""
        first = self.met[0]
        requests = sum(each.requests for each in self.met)
        names = ", ".join(each.batch for each in self.met[:3]) + (", ..." if len(self.met) > 3 else "")  # noqa: PLR2004 - enough to see
        place = f"{first.provider}{' for ' + first.model if first.model else ''}"
        words = f": {first.message}" if first.message else ""
        return f"{place} refused all {requests} requests of {names} alike ({first.error_class.value}{words})"


def met(fx: Effects, place: Place, found: Met) -> None:
    """Write down that a batch was refused as a whole; what is known of it already stays as it is."""
    path = f"{place.folder}/{found.batch}{_MET}"
    if fx.kind(path) is None:
        fx.publish(path, (msgspec.json.encode(attrs.asdict(found)) + b"\n",), replace=True)


def answered(fx: Effects, place: Place) -> None:
    """Write down that a batch was answered, where somebody waits for that."""
    if fx.kind(place.folder) is Kind.FOLDER and fx.kind(f"{place.folder}/{ANSWERED}") is None:
        fx.publish(f"{place.folder}/{ANSWERED}", (b"",), replace=True)


def sent(fx: Effects, place: Place, name: BatchName) -> None:
    """Write down that a batch goes ahead of others."""
    if fx.kind(f"{place.folder}/{name}{_SENT}") is None:
        fx.publish(f"{place.folder}/{name}{_SENT}", (b"",), replace=True)


def ahead(look: Reading, place: Place) -> list[str] | None:
    """The batches that were sent ahead; None where one was answered, so that the others may follow."""
    names = _names(look, place.folder)
    if ANSWERED in names:
        return None
    return [name.removesuffix(_SENT) for name in names if name.endswith(_SENT)]


def wall_at(look: Reading, folder: str) -> Wall | None:
    """A wall at a place, None where there is none."""
    return next(_walls_at(look, folder), None)


def _walls_at(look: Reading, folder: str, enough: int = ENOUGH) -> Iterator[Wall]:
    """A wall for each class of refusal that so many requests have met."""
    every = [each for each in _every(look, folder) if not each.lifted]
    by_class: dict[ErrorClass, list[Met]] = {}
    for each in every:
        by_class.setdefault(each.error_class, []).append(each)
    for error_class, found in by_class.items():
        if error_class in AT_ONCE or sum(each.requests for each in found) >= enough:
            yield Wall(folder, tuple(found))


def walls(look: Reading, enough: int = ENOUGH) -> Iterator[Wall]:
    """Every wall of a workspace; with a smaller *enough* also what may become one."""
    for entry in sorted(look.listing(FOLDER), key=lambda each: each.name):
        if entry.kind is Kind.FOLDER:
            yield from _walls_at(look, f"{FOLDER}/{entry.name}", enough)


def lift(fx: Effects, wall: Wall) -> None:
    """Let batches be sent there again; those that have met it count no more."""
    # Whoever was answered before says nothing any more: some go ahead anew.
    fx.unlink(f"{wall.folder}/{ANSWERED}")
    # The first goes last: what a crash leaves of a wall bears its name still.
    for each in reversed(wall.met):
        lifted = attrs.asdict(attrs.evolve(each, lifted=True))
        fx.publish(f"{wall.folder}/{each.batch}{_MET}", (msgspec.json.encode(lifted) + b"\n",), replace=True)


def _every(look: Reading, folder: str) -> Iterator[Met]:
    """Every batch that met the wall at a place; a file that cannot be read counts as one."""
    for name in _names(look, folder):
        if name.endswith(_MET):
            path = f"{folder}/{name}"
            yield _read(b"" if look.fact(path) is None else look.read(path), name.removesuffix(_MET))


def _names(look: Reading, folder: str) -> list[str]:
    """What stands at a place; what a crash has left half written says nothing."""
    return sorted(each.name for each in look.listing(folder) if not each.name.startswith(TEMPORARY))


class _Told(msgspec.Struct, forbid_unknown_fields=True):
    """What `met` writes."""

    batch: str
    provider: str
    model: str
    error_class: ErrorClass
    message: str
    requests: Annotated[int, msgspec.Meta(ge=0)]
    lifted: bool = False


def _read(data: bytes, name: str) -> Met:
    try:
        found = msgspec.json.decode(data, type=_Told)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        found = None
    if found is not None and found.batch == name:
        return Met(*msgspec.structs.astuple(found))
    told = "what was written down of it cannot be read"
    return Met(name, "a provider", "", ErrorClass.BILLING, told, 0)
