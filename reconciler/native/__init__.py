"""
The short ways of the hottest loops, once more in C: the same results, in a fraction of the time.

What is here decides nothing, and nothing needs it. It takes in what most lines and names look like, and stops
at the first that does not; that one is Python's, and so is everything where no compiler was at hand when the
package was built, or where `RECONCILER_NATIVE=0` stands in the environment. See docs/decisions/0092.
"""

from __future__ import annotations

import os
import sys
from array import array
from importlib import import_module
from typing import Final, Protocol, cast

Block = bytes | bytearray


class Native(Protocol):
    """What the C code offers. Wrong types and places raise TypeError, ValueError or IndexError."""

    def take_requests(  # noqa: PLR0913, PLR0917 - flat, as C has it
        self, block: Block, at: int, end: int, base: int, number: int, positions: dict[bytes, int], /
    ) -> tuple[int, bytes, bytes, bytes]:
        """
        Take in the lines of requests from *at* as long as they are plain and their ids are new.

        Args:
            block: Whole lines; no copy is made of them.
            at: Where the first of them begins.
            end: Where they end; what stands behind it is of no account.
            base: Where the block begins in its file.
            number: How many lines stand before *at* in the file.
            positions: The place of each id so far; those of these lines are added.

        Returns:
            Where the first line begins that was not taken; then of all that were the digests of their ids
            (16 bytes each), their first bytes in the file and their numbers (8 bytes, as in `array("Q")`).
        """

    def take_answers(  # noqa: PLR0913, PLR0917 - likewise
        self,
        block: Block,
        at: int,
        end: int,
        base: int,
        number: int,
        positions: dict[bytes, int],
        role: int,
        roles: bytearray,
        numbers: array[int],
        offsets: array[int],
        sizes: array[int],
        heads: list[bytes | None] | None,
        pieces: tuple[bytes, ...],
        /,
    ) -> tuple[int, int]:
        """
        Take in the lines of answers from *at* as long as each is plainly the first answer to a request.

        Args:
            block: Whole lines; no copy is made of them.
            at: Where the first of them begins.
            end: Where they end.
            base: Where the block begins in its file.
            number: How many lines stand before *at* in the file.
            positions: The place of each id.
            role: The code of the file.
            roles: For each request the code of the file that answers it; 0 where none does yet.
            numbers: For each request the number of its answer's line.
            offsets: For each request the first byte of that line in the file.
            sizes: For each request the bytes of that line, without its line feed.
            heads: For each request the results line of its answer, as `results_head` gives it; then only
                answers are taken that have one. None where nobody wants them.
            pieces: As for `results_head`.

        Returns:
            Where the first line begins that was not taken, and how many were.
        """

    def results_head(self, line: bytes, pieces: tuple[bytes, ...], /) -> bytes | None:
        """
        The results line of a plain answer up to what all lines share; None where Python has to look.

        Args:
            line: The answer's line, line feed included.
            pieces: What stands around id, text, finish reason, refusal, tool calls, usage and model.
        """

    def group_names(self, names: list[str], /) -> tuple[dict[str, int], list[str]]:
        """
        The roles of each batch as a sum of bits, in the roles' order; and the names left to Python.

        Batches whose names are whole numbers come first, in their order.
        """


def _built() -> Native | None:
    """The C code, None where there is none or nobody wants it."""
    # A free-threaded Python has no stable ABI, and may find what another one has built in the same checkout.
    if os.environ.get("RECONCILER_NATIVE") == "0" or "t" in sys.abiflags:
        return None
    try:
        return cast("Native", import_module("reconciler.native._native"))
    except ImportError:
        return None


NATIVE: Final = _built()
"""The C code, if it is there."""
