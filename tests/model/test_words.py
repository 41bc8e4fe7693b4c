"""Words for messages: short, whole, and never the cause of another error."""

import pytest

from reconciler.model.words import many, spoken, words_of


@pytest.mark.parametrize(
    ("seconds", "said"), [(40, "40 s"), (99, "99 s"), (100, "2 min"), (5999, "100 min"), (12600, "3.5 h")]
)
def test_a_duration_in_the_unit_that_says_most(seconds: float, said: str) -> None:
    """Seconds below a hundred of them, minutes below a hundred of those, hours above."""
    assert spoken(seconds) == said


def test_numbers_agree_with_their_nouns() -> None:
    """One of a thing is one, none and several are several, and some nouns have a plural of their own."""
    assert [many(count, "id") for count in (0, 1, 2)] == ["0 ids", "1 id", "2 ids"]
    assert [many(count, "batch", "batches") for count in (1, 2)] == ["1 batch", "2 batches"]


class Mute(Exception):
    """An error whose message cannot be had."""

    def __str__(self) -> str:
        """Fail."""
        raise ValueError("no words")


def test_what_foreign_errors_say_is_text() -> None:
    """A message that fails, is endless or holds half a character becomes text that any file takes."""
    assert words_of(Mute()) == "(its message cannot be shown)"
    assert words_of(ValueError("x" * 900)) == "x" * 500
    assert words_of(ValueError("a\ud800b")) == "a\\ud800b"
