"""
The shape of a triple: which of its three files exist.

Pure. Every subset of roles has exactly one shape, so an impossible triple cannot be written down.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

from reconciler.model.identity import Role


class Shape(enum.StrEnum):
    """Which files exist; what they hold is another matter."""

    EMPTY = "empty"
    WAITING = "waiting"
    ANSWERED = "answered"
    FAILED = "failed"
    MIXED = "mixed"
    ORPHANED = "orphaned"


SHAPES: Final[dict[frozenset[Role], Shape]] = {
    frozenset(): Shape.EMPTY,
    frozenset({Role.INPUT}): Shape.WAITING,
    frozenset({Role.INPUT, Role.OUTPUT}): Shape.ANSWERED,
    frozenset({Role.INPUT, Role.ERROR}): Shape.FAILED,
    frozenset({Role.INPUT, Role.OUTPUT, Role.ERROR}): Shape.MIXED,
    frozenset({Role.OUTPUT}): Shape.ORPHANED,
    frozenset({Role.ERROR}): Shape.ORPHANED,
    frozenset({Role.OUTPUT, Role.ERROR}): Shape.ORPHANED,
}

_WITH_METADATA: Final = {roles | {Role.METADATA}: shape for roles, shape in SHAPES.items()}
_ANY: Final = {**SHAPES, **_WITH_METADATA}


def shape_of(roles: Iterable[Role]) -> Shape:
    """The shape of a triple in which *roles* exist; metadata does not count."""
    return _ANY[frozenset(roles)]
