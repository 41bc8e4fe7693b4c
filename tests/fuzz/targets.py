"""Every target, with its seeds, and its corpus: inputs that have reached something that no other had."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final

import attrs

from tests.fuzz import content, imports, lines, providers, records, seeds, settings
from tests.fuzz.mutate import LARGEST, mutated

CORPUS: Final = Path(__file__).resolve().parent / "corpus"


@attrs.frozen
class Target:
    """
    One target.

    Attributes:
        name: What it is called on the command line.
        check: Hands an input to readers, and holds what comes of it to what is promised.
        seeds: Sound documents.
        sealed: Puts a damaged document into a state in which it is looked at all: mends its checksums.
        weight: Its part of the inputs of a full run.
        largest: Bytes of an input of a guided run. Less where a target is slow: coverage prefers what grows.
    """

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    sealed: Callable[[bytes], bytes] = lambda data: data
    weight: int = 1
    largest: int = LARGEST

    def mutated(self, data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
        """A damaged document; checksums are mended three times out of four."""
        damaged = mutated(data, chance, others)
        return self.sealed(damaged) if chance.random() < 0.75 else damaged

    def corpus(self) -> list[bytes]:
        """What is kept of earlier runs."""
        path = CORPUS / f"{self.name}.txt"
        return list(unpacked(path.read_text("ascii"))) if path.exists() else []


TARGETS: Final = {
    target.name: target
    for target in (
        Target("lines", lines.lines, seeds.lines, weight=6),
        Target("record", records.record, seeds.record, weight=3),
        Target("archive", records.archive, seeds.archive, weight=2),
        Target("history", records.history, seeds.history, records.sealed, weight=2),
        Target("wall", records.wall, seeds.wall, weight=1),
        Target("settings", settings.settings, seeds.settings, weight=2),
        Target("providers", providers.providers, seeds.providers, weight=4),
        Target("imports", imports.imports, seeds.imports, weight=2),
        Target("content", content.content, seeds.content, weight=3, largest=4096),
    )
}


def packed(inputs: Iterable[bytes]) -> str:
    """Inputs as text, one a line, in an order that does not depend on when they were found."""
    kept = sorted(set(inputs), key=lambda data: (len(data), hashlib.sha256(data).digest()))
    return "".join(base64.b64encode(zlib.compress(data, 9)).decode() + "\n" for data in kept)


def unpacked(text: str) -> Iterator[bytes]:
    """The inverse of `packed`."""
    for line in text.splitlines():
        yield zlib.decompress(base64.b64decode(line))
