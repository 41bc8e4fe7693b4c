"""
The decision about one batch: what to do now, why, and what comes next.

Pure. Waiting is a value, not an error, and planning again is the engine's loop, not an operation.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from reconciler.model.identity import BatchName
from reconciler.model.operation import Operation


@attrs.frozen
class Again:
    """Once the steps are done, look again: what they find decides the rest."""


@attrs.frozen
class Settled:
    """Nothing is left to do for this batch."""


@attrs.frozen
class Waiting:
    """
    Time or the provider will end it.

    Attributes:
        until: When to look again, in seconds since the epoch.
    """

    until: float


@attrs.frozen
class Held:
    """
    Only a person can move it on; nothing is wrong with its files.

    Attributes:
        hint: What to type or change.
    """

    hint: str


@attrs.frozen
class Attention:
    """
    Something is wrong; the files stay where they are.

    Attributes:
        hint: What to type or change.
    """

    hint: str


Then: TypeAlias = Again | Settled | Waiting | Held | Attention


@attrs.frozen
class Plan:
    """
    An ordered list of operations for one batch.

    Attributes:
        name: The batch.
        because: Why, in one sentence.
        steps: What to do, in order; execution stops at the first that fails.
        then: What comes after the steps.
    """

    name: BatchName
    because: str
    steps: tuple[Operation, ...] = ()
    then: Then = Again()
