"""No reader of the product comes to grief over any bytes: what long runs have left, and new damage."""

import pytest

from tests.fuzz.oracle import MEMORY, SECONDS
from tests.fuzz.running import Ran, blind, replay, smaller, spread
from tests.fuzz.targets import TARGETS, packed, unpacked

SAMPLE = 40
"""Damaged documents for each target, times its weight."""


def told(name: str, ran: Ran) -> str:
    """What was found, with the input that shows it."""
    small = [smaller(TARGETS[name], each) for each in ran.found]
    return "\n".join(f"{each.kind}: {each.data[:400]!r}\n{each.told[-1500:]}" for each in small)


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_kept(name: str) -> None:
    """Sound documents and every input of the corpus: a value or an error of ours, soon, in 200 MB."""
    target = TARGETS[name]
    inputs = [*target.seeds(), *target.corpus()]
    assert target.corpus()
    ran = replay(target, inputs)
    assert (ran.inputs, told(name, ran)) == (len(inputs), "")


@pytest.mark.parametrize("name", TARGETS)
def test_new_damage(name: str) -> None:
    """The same of documents that are damaged by chance, the same ones in every run."""
    ran = blind(TARGETS[name], SAMPLE * TARGETS[name].weight, seed=7)
    assert (ran.inputs, told(name, ran)) == (SAMPLE * TARGETS[name].weight, "")


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_is_small(name: str) -> None:
    """What is kept is written in one way, and is no burden: at most 100 KB a target, and no input twice."""
    corpus = TARGETS[name].corpus()
    text = packed(corpus)
    assert len(text) < 100_000
    assert list(unpacked(text)) == corpus


def test_the_bounds_are_those_that_are_promised() -> None:
    """One second and 200 MB."""
    assert (SECONDS, MEMORY) == (1.0, 200 * 2**20)


def test_inputs_that_reach_nothing_new_are_not_kept() -> None:
    """Of inputs that take the same steps one is kept, and one that takes others."""
    check = TARGETS["wall"].check
    sound = TARGETS["wall"].seeds()[0]
    again = sound.replace(b'"model": "m"', b'"model": "another"')
    assert set(spread(check, [sound, again, b"["])) == {sound, b"["}
