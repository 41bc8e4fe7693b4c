r"""
How ends stand in a file of progress: in groups, as they were written down, each group one row.

A row holds the numbers of input lines, eight bytes each, and the answer lines beside them, each with its
"\n". So what has ended is seen from the numbers alone, and a group costs the disk no more than its bytes.
Pure: rows come in and go out as values.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from reconciler.model.identity import ANSWERS, Role

MOST: Final = 1 << 20
"""Bytes of answers from which a row is full; one long line may have more."""

HELD: Final = 8 << 20
"""Bytes of answers that are held while lines are put into order."""

End = tuple[int, Role, bytes]
"""An input line, the file that its answer line goes to, and that line."""


class Row(NamedTuple):
    """Ends of one file."""

    role: str
    lines: bytes
    answers: bytes


def rows(ended: Sequence[End]) -> Iterator[Row]:
    r"""
    Put ends into rows, in their order.

    Raises:
        ValueError: An answer line has a "\n" in it.
    """
    for role in ANSWERS:
        numbers: list[int] = []
        answers: list[bytes] = []
        size = 0
        for number, of, answer in ended:
            if of is role:
                numbers.append(number)
                answers.append(answer)
                size += len(answer)
                if size >= MOST:
                    yield _row(role, numbers, answers)
                    numbers, answers, size = [], [], 0
        if numbers:
            yield _row(role, numbers, answers)


def _row(role: Role, numbers: list[int], answers: list[bytes]) -> Row:
    together = b"\n".join(answers) + b"\n"
    if together.count(b"\n") != len(answers):
        raise ValueError("an answer line has a line feed in it")
    return Row(role.value, _swapped(array("q", numbers)).tobytes(), together)


def numbers_of(lines: bytes) -> array[int]:
    """The line numbers of a row."""
    return _swapped(array("q", lines))


def _swapped(numbers: array[int]) -> array[int]:
    """The same, little end first in memory: a file may come from another machine."""
    if sys.byteorder == "big":  # pragma: no cover - no big-endian machine runs the tests
        numbers.byteswap()
    return numbers


class Order:
    """
    The ends of all rows in the order of the input; of two ends of one line the first one holds.

    Args:
        rows: Number of the row, file and line numbers, in the order in which they were written.
        answers: The answers of a row, by its number.
        most: Bytes of answers that are held while lines are put into order.
    """

    def __init__(
        self,
        rows: Iterable[tuple[int, str, bytes]],
        answers: Callable[[int], bytes],
        most: int = HELD,
    ) -> None:
        self._answers = answers
        self._most = most
        self._ids: list[int] = []
        self._begins: list[int] = []
        self._numbers = array("q")
        self._places = {role: array("q") for role in ANSWERS}
        self._held: OrderedDict[int, list[bytes]] = OrderedDict()
        self._size = 0
        files: list[array[int]] = []
        for row, role, lines in rows:
            self._ids.append(row)
            self._begins.append(len(self._numbers))
            self._numbers.extend(numbers_of(lines))
            files.append(self._places[Role(role)])
        last = -1
        for place in sorted(range(len(self._numbers)), key=self._numbers.__getitem__):
            number = self._numbers[place]
            if number != last:
                files[bisect_right(self._begins, place) - 1].append(place)
            last = number

    def count(self, role: Role) -> int:
        """How many answer lines go to the file of *role*."""
        return len(self._places[role])

    def of(self, role: Role) -> Iterator[tuple[int, bytes]]:
        """The ends whose answers go to the file of *role*: line of the input, and answer line."""
        begin = end = 0
        lines: list[bytes] = []
        for place in self._places[role]:
            if not begin <= place < end:
                row = bisect_right(self._begins, place) - 1
                begin = self._begins[row]
                lines = self._lines(row)
                end = begin + len(lines)
            yield self._numbers[place], lines[place - begin]

    def _lines(self, row: int) -> list[bytes]:
        """
        The answers of a row, held for a while: what ends late stands far from its neighbours.

        Raises:
            ValueError: They are fewer or more than its numbers.
        """
        found = self._held.get(row)
        if found is None:
            answers = self._answers(self._ids[row])
            found = self._held[row] = answers.split(b"\n")[:-1]
            end = self._begins[row + 1] if row + 1 < len(self._begins) else len(self._numbers)
            if len(found) != end - self._begins[row]:
                raise ValueError(f"row {self._ids[row]} has {len(found)} answers")
            self._size += len(answers)
            while self._size > self._most and len(self._held) > 1:
                _, gone = self._held.popitem(last=False)
                self._size -= sum(map(len, gone)) + len(gone)
        else:
            self._held.move_to_end(row)
        return found
