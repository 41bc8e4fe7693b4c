"""Ends in groups: whatever order they were written in, each file's lines stand in the order of the input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.identity import ANSWERS, Role
from reconciler.workspace.groups import MOST, End, Order, numbers_of, rows

ENDS = st.tuples(st.integers(1, 40), st.sampled_from(ANSWERS), st.binary(max_size=9).map(bytes.hex))
WRITTEN = st.lists(st.lists(ENDS.map(lambda end: (end[0], end[1], end[2].encode())), max_size=9), max_size=9)


def order(written: list[list[End]], most: int = 1 << 20) -> tuple[Order, list[int]]:
    """What was written, put into order; and the rows whose answers are asked for, as they are."""
    table = [row for group in written for row in rows(group)]
    asked: list[int] = []

    def answers(number: int) -> bytes:
        asked.append(number)
        return table[number].answers

    return Order(((at, row.role, row.lines) for at, row in enumerate(table)), answers, most), asked


@given(WRITTEN, st.sampled_from([0, 30, 1 << 20]))
def test_lines_come_back_in_the_order_of_the_input(written: list[list[End]], most: int) -> None:
    """Of each line the end that was written first, in the order of lines, however little may be held."""
    # Of one group the answers come before the failures, as they do in the table.
    ends = [end for group in written for role in ANSWERS for end in group if end[1] is role]
    first: dict[int, End] = {}
    for end in ends:
        first.setdefault(end[0], end)
    found, _ = order(written, most)
    for role in ANSWERS:
        expected = [(number, first[number][2]) for number in sorted(first) if first[number][1] is role]
        assert list(found.of(role)) == expected
        assert found.count(role) == len(expected)


def test_a_row_is_read_once_where_late_ends_are_few() -> None:
    """Groups one after the other, each with one straggler of an earlier one, are read from the disk once."""
    numbers = [[*range(10 * n + 2, 10 * n + 11), 10 * (n - 3) + 1] for n in range(3, 30)]
    found, asked = order([[(number, Role.OUTPUT, b"x") for number in group] for group in numbers])
    assert len(list(found.of(Role.OUTPUT))) == 270
    assert len(asked) == len(set(asked)) == 27


def test_no_row_grows_without_an_end() -> None:
    """Long answers of one group stand in several rows, none of them much over its size."""
    found = list(rows([(number, Role.OUTPUT, bytes(300_000)) for number in range(1, 20)]))
    assert all(len(row.answers) < MOST + 300_001 for row in found)
    assert [number for row in found for number in numbers_of(row.lines)] == list(range(1, 20))


def test_a_row_that_is_full_takes_no_more() -> None:
    """An answer of the very size fills a row."""
    found = list(
        rows([(1, Role.OUTPUT, bytes(MOST)), (2, Role.OUTPUT, bytes(MOST - 1)), (3, Role.OUTPUT, b"x")])
    )
    assert [list(numbers_of(row.lines)) for row in found] == [[1], [2, 3]]


def test_numbers_are_written_little_end_first() -> None:
    """A file may go to a machine of another kind."""
    (row,) = rows([(258, Role.ERROR, b"x")])
    assert row == ("error", b"\x02\x01" + bytes(6), b"x\n")


def test_an_answer_of_two_lines_is_refused() -> None:
    """It would come back as two answers."""
    with pytest.raises(ValueError, match="line feed"):
        list(rows([(1, Role.OUTPUT, b"a\nb")]))


@pytest.mark.parametrize("answers", [b"", b"a\n", b"a\nb\nc\n"], ids=["none", "fewer", "more"])
def test_a_row_of_other_answers_is_refused(answers: bytes) -> None:
    """Where answers and numbers do not go together, no answer is given to a request that it may not be of."""
    (row,) = rows([(1, Role.OUTPUT, b"a"), (2, Role.OUTPUT, b"b")])
    found = Order([(1, row.role, row.lines)], lambda _number: answers)
    with pytest.raises(ValueError, match="row 1 has"):
        list(found.of(Role.OUTPUT))
