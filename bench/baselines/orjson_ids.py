"""The ids of a batch, compared as multisets; orjson decodes every line whole, which checks its UTF-8 too."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import orjson

BUFFER: Final = 1 << 20


def ids_of(path: Path) -> Iterator[str]:
    """The id of every line, each of which has to be one JSON object."""
    with path.open("rb", buffering=BUFFER) as lines:
        for line in lines:
            yield _id_of(line)


def ids_and_digest_of(path: Path, digests: dict[str, str]) -> Iterator[str]:
    """The same; the SHA-256 of the file stands in *digests* at the end."""
    hasher = hashlib.sha256()
    with path.open("rb", buffering=BUFFER) as lines:
        for line in lines:
            hasher.update(line)
            yield _id_of(line)
    digests[path.name] = hasher.hexdigest()


def match(asked: Path, answers: Sequence[Path]) -> Counter[str]:
    """
    The ids of a batch.

    Raises:
        ValueError: An id is asked and not answered as often, or the other way round.
    """
    return _compared(Counter(ids_of(asked)), Counter(each for path in answers for each in ids_of(path)))


def match_with_digests(asked: Path, answers: Sequence[Path]) -> tuple[Counter[str], dict[str, str]]:
    """The same, with the SHA-256 of each file."""
    digests: dict[str, str] = {}
    questions = Counter(ids_and_digest_of(asked, digests))
    found = Counter(each for path in answers for each in ids_and_digest_of(path, digests))
    return _compared(questions, found), digests


def _id_of(line: bytes) -> str:
    found = orjson.loads(line)
    if not isinstance(found, dict):
        raise TypeError("a line is no object")
    custom_id = found["custom_id"]
    if not isinstance(custom_id, str):
        raise TypeError("an id is no string")
    return custom_id


def _compared(asked: Counter[str], answered: Counter[str]) -> Counter[str]:
    if asked != answered:
        raise ValueError("the ids differ")
    return asked
