"""The account of a batch: tallies that add up without listing one id."""

from typing import Any, Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.coverage import NOTHING, Coverage, Tally, hash_id
from reconciler.model.outcome import ErrorClass

ids = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
bags = st.lists(ids, max_size=12)


def tally(*custom_ids: str) -> Tally:
    """The tally of ids."""
    return Tally.of(map(hash_id, custom_ids))


PARTS: Final = ("answered", "failed", "retried", "dismissed", "missing")
BALANCED: Final = Coverage(
    input=tally("a", "b", "c", "d", "e"),
    answered=tally("a", "b"),
    failed=tally("c"),
    retried=tally("d"),
    dismissed=tally("e"),
    by_class={ErrorClass.TIMEOUT: tally("c")},
)


@given(bags.flatmap(lambda bag: st.tuples(st.just(bag), st.permutations(bag))))
def test_the_order_of_ids_does_not_matter(bag: tuple[list[str], list[str]]) -> None:
    """Lines may stand in any order."""
    assert tally(*bag[0]) == tally(*bag[1])


@given(bags, bags)
def test_tallies_add_and_subtract(one: list[str], other: list[str]) -> None:
    """The tally of two files is the sum of theirs, and a part can be taken out again."""
    assert tally(*one) + tally(*other) == tally(*one, *other)
    assert tally(*one, *other) - tally(*other) == tally(*one)


@given(bags.filter(bool))
def test_a_repeated_id_is_seen(bag: list[str]) -> None:
    """An id that stands twice changes both the count and the digest."""
    once, twice = tally(*bag), tally(*bag, bag[0])
    assert twice.requests == once.requests + 1
    assert twice.ids != once.ids


@given(ids, ids)
def test_different_ids_differ(one: str, other: str) -> None:
    """Ids are compared code point by code point: nothing is trimmed, folded or normalised."""
    assert (tally(one) == tally(other)) is (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("a", "A", id="case"),
        pytest.param("a", "a ", id="space"),
        pytest.param("e\u0301", "\u00e9", id="normalisation"),
        pytest.param("1", "01", id="zero"),
    ],
)
def test_ids_that_only_look_alike_differ(one: str, other: str) -> None:
    """What a person might read as one id is two."""
    assert tally(one) != tally(other)


def test_a_lone_surrogate_is_no_id() -> None:
    """An id that no UTF-8 file can hold is refused, not hashed as something else."""
    with pytest.raises(UnicodeEncodeError):
        hash_id("\ud800")


def test_a_hash_is_the_same_for_ever() -> None:
    """Digests stand on disk, so the hash of an id never changes."""
    assert tally("request-1").digest == "48fa11119c11f0a8e394aab0ce42843b"


@given(bags)
def test_a_digest_is_32_digits(bag: list[str]) -> None:
    """The digest on disk has a fixed width and reads back as the sum."""
    digest = tally(*bag).digest
    assert len(digest) == 32
    assert int(digest, 16) == tally(*bag).ids


def test_nothing_is_the_empty_tally() -> None:
    """No ids add nothing."""
    assert tally() == NOTHING == Tally()
    assert tally("a") + NOTHING == tally("a")


@pytest.mark.parametrize(
    ("changed", "balanced", "conserved"),
    [
        pytest.param({}, True, True, id="every-id-has-an-end"),
        pytest.param({"answered": tally("a"), "missing": tally("b")}, False, True, id="one-is-missing"),
        pytest.param({"answered": tally("a")}, False, False, id="one-is-lost"),
        pytest.param({"answered": tally("a", "b", "b")}, False, False, id="one-is-counted-twice"),
        pytest.param({"answered": tally("a", "x")}, False, False, id="one-is-not-ours"),
        pytest.param({"missing": tally("b")}, False, False, id="answered-and-missing"),
        pytest.param({"failed": NOTHING, "dismissed": tally("c", "e")}, True, True, id="given-up"),
        pytest.param({"failed": NOTHING, "retried": tally("c", "d")}, True, True, id="handed-over"),
    ],
)
def test_when_an_account_balances(changed: dict[str, Any], *, balanced: bool, conserved: bool) -> None:
    """It balances when every input id is answered, failed, retried or dismissed, each exactly once."""
    account = attrs.evolve(BALANCED, **changed)
    assert (account.balanced, account.conserved) == (balanced, conserved)


@given(st.lists(st.tuples(ids, st.sampled_from(PARTS)), unique_by=lambda pair: pair[0], max_size=12))
def test_an_account_that_lists_every_id_once_is_conserved(places: list[tuple[str, str]]) -> None:
    """However the ids are spread over the five parts, they add up; they balance when none is missing."""
    parts: dict[str, Any] = {
        part: tally(*(each for each, place in places if place == part)) for part in PARTS
    }
    account = Coverage(input=tally(*(each for each, _ in places)), **parts)
    assert account.conserved
    assert account.balanced is all(place != "missing" for _, place in places)


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        pytest.param([], NOTHING, id="none"),
        pytest.param([ErrorClass.TIMEOUT], tally("c"), id="one"),
        pytest.param([ErrorClass.TIMEOUT, ErrorClass.TIMEOUT], tally("c"), id="asked-twice"),
        pytest.param([ErrorClass.BILLING], tally("x", "y"), id="other"),
        pytest.param(list(ErrorClass), tally("c", "x", "y"), id="all"),
        pytest.param([ErrorClass.UNKNOWN], NOTHING, id="not-there"),
    ],
)
def test_failures_by_class(classes: list[ErrorClass], expected: Tally) -> None:
    """The failures of some classes are counted once each."""
    by_class = {ErrorClass.TIMEOUT: tally("c"), ErrorClass.BILLING: tally("x", "y")}
    assert attrs.evolve(BALANCED, by_class=by_class).failed_in(classes) == expected
