"""What becomes of a batch, in each dialect."""

from typing import Final

import pytest

from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import (
    MISSING,
    TWICE,
    Outcome,
    all_failed,
    cancelled,
    error_object,
    expired,
    http_error,
    refused,
)
from tests.testing.speakers import SPEAKERS
from tests.testing.speaking import IDS, Speaker

WORDS: Final = {
    "openai": ("validating", "in_progress", "finalizing", "completed"),
    "azure": ("validating", "in_progress", "finalizing", "completed"),
    "anthropic": ("in_progress", "in_progress", "in_progress", "ended"),
    "gemini": (
        "BATCH_STATE_PENDING",
        "BATCH_STATE_RUNNING",
        "BATCH_STATE_RUNNING",
        "BATCH_STATE_SUCCEEDED",
    ),
    "mistral": ("QUEUED", "RUNNING", "RUNNING", "SUCCESS"),
    "openrouter": ("validating", "in_progress", "finalizing", "completed"),
}
ENDS: Final = {
    "openai": ("expired", "cancelled"),
    "azure": ("expired", "cancelled"),
    "anthropic": ("ended", "ended"),
    "gemini": ("BATCH_STATE_EXPIRED", "BATCH_STATE_CANCELLED"),
    "mistral": ("TIMEOUT_EXCEEDED", "CANCELLED"),
    "openrouter": ("expired", "cancelled"),
}
NOT_RUN: Final = {
    "openai": ("batch_expired", "batch_cancelled"),
    "azure": ("batch_expired", "batch_cancelled"),
    "anthropic": ("expired", "canceled"),
    "mistral": ("batch_expired", "batch_cancelled"),
    "openrouter": ("batch_expired", "batch_cancelled"),
}


def name(speaker: Speaker) -> str:
    """Which it is."""
    return next(each for each, kind in SPEAKERS.items() if type(speaker) is kind)


def test_a_batch_goes_through_its_states_and_is_answered(fake: FakeProvider, speaker: Speaker) -> None:
    """A batch is told in the provider's own states, then every request has an echo for an answer."""
    fake.default(Fate(polls=3))
    batch = speaker.submit(IDS)

    assert tuple(speaker.state(batch) for _ in range(4)) == WORDS[name(speaker)]
    assert speaker.results(batch) == [(number, f"say {number}") for number in IDS]


def test_a_list_is_a_look(fake: FakeProvider, speaker: Speaker) -> None:
    """A batch that only lists show moves on as well: a client that polls by lists gets there."""
    fake.default(Fate(polls=2))
    batch = speaker.submit(IDS)

    assert [speaker.listed() for _ in range(2)] == [[batch], [batch]]
    assert speaker.state(batch) == WORDS[name(speaker)][3]


def test_a_batch_ends_by_the_clock(fake: FakeProvider, speaker: Speaker) -> None:
    """With `seconds`, looks change nothing and the virtual clock does."""
    fake.default(Fate(seconds=3600))
    batch = speaker.submit(IDS)
    before = {speaker.state(batch) for _ in range(5)}
    fake.clock.advance(3600)

    assert WORDS[name(speaker)][3] not in before
    assert speaker.state(batch) == WORDS[name(speaker)][3]


def test_states_go_back_and_unknown_words_come(fake: FakeProvider, speaker: Speaker) -> None:
    """Scripted words are told as they are, one a look, and the batch goes its own way afterwards."""
    end = WORDS[name(speaker)][3]
    fake.default(Fate(polls=0, words=("moonwalking", end, "moonwalking")))
    batch = speaker.submit(IDS)

    assert [speaker.state(batch) for _ in range(4)] == ["moonwalking", end, "moonwalking", end]


def test_each_request_has_its_own_outcome(fake: FakeProvider, speaker: Speaker) -> None:
    """Answers, failures, lines that are missing, and lines that come twice are dealt out by id."""
    outcomes = {
        "r-1": http_error(400),
        "r-2": MISSING,
        "r-3": TWICE,
        "r-4": Outcome(text="something else"),
    }
    fake.default(Fate(polls=0, outcomes=outcomes))
    batch = speaker.submit(IDS)
    speaker.state(batch)
    found = sorted(speaker.results(batch))

    assert [number for number, _ in found] == ["r-1", "r-3", "r-3", "r-4"]
    assert dict(found)["r-3"] == "say r-3"
    assert dict(found)["r-4"] == "something else"
    assert "say" not in dict(found)["r-1"]


def test_outcomes_are_chosen_by_a_function(fake: FakeProvider, speaker: Speaker) -> None:
    """`choose` decides where no entry does, and None leaves it to the default."""
    fake.default(Fate(polls=0, choose=lambda each: error_object() if each == "r-2" else None))
    batch = speaker.submit(IDS)
    speaker.state(batch)

    assert [number for number, word in speaker.results(batch) if not word.startswith("say")] == ["r-2"]


def test_results_are_shuffled(fake: FakeProvider, speaker: Speaker) -> None:
    """The lines come in another order, the same in every run, and none is lost."""
    fake.default(Fate(polls=0, shuffle=True))
    orders = []
    for _ in range(2):
        batch = speaker.submit(IDS)
        speaker.state(batch)
        orders.append([number for number, _ in speaker.results(batch)])

    assert orders[0] == orders[1] != list(IDS)
    assert sorted(orders[0]) == list(IDS)


def test_foreign_ids_come_along(fake: FakeProvider, speaker: Speaker) -> None:
    """Results may hold ids that nobody asked for."""
    fake.default(Fate(polls=0, foreign=("r-9",)))
    batch = speaker.submit(IDS)
    speaker.state(batch)

    assert [number for number, _ in speaker.results(batch)] == [*IDS, "r-9"]


@pytest.mark.parametrize("which", [0, 1], ids=["expired", "cancelled"])
def test_an_early_end_keeps_what_was_answered(fake: FakeProvider, speaker: Speaker, which: int) -> None:
    """A batch that expires or is cancelled has partial answers, and says of the rest that it never ran."""
    fake.gemini.switches.expired_output = fake.gemini.switches.cancelled_output = True
    fake.default((expired, cancelled)[which](1, polls=0))
    batch = speaker.submit(IDS)

    assert speaker.state(batch) == ENDS[name(speaker)][which]
    rest = NOT_RUN.get(name(speaker))
    unanswered = [(number, rest[which]) for number in IDS[1:]] if rest else []
    assert speaker.results(batch) == [("r-1", "say r-1"), *unanswered]


def test_a_client_cancels(fake: FakeProvider, speaker: Speaker) -> None:
    """A cancel is told as under way first, then as done; a second one is refused; OpenRouter has none."""
    fake.default(Fate(polls=9, cancelling=1))
    batch = speaker.submit(IDS)
    first = speaker.cancel(batch)
    if name(speaker) == "openrouter":
        assert (first.status_code, speaker.state(batch)) == (404, "validating")
        return
    states = [speaker.state(batch) for _ in range(2)]

    assert first.status_code == 200
    assert states[0] != states[1] == ENDS[name(speaker)][1]
    assert speaker.cancel(batch).status_code in {400, 409}


def test_all_requests_may_fail(fake: FakeProvider, speaker: Speaker) -> None:
    """A batch in which everything failed has ended well, and has a failure for each request."""
    fake.default(at_once(all_failed(500)))
    batch = speaker.submit(IDS)

    assert speaker.state(batch) == WORDS[name(speaker)][3]
    assert [number for number, _ in speaker.results(batch)] == list(IDS)


def at_once(fate: Fate) -> Fate:
    """The same fate, at the first look."""
    return Fate(polls=0, default=fate.default, end=fate.end, errors=fate.errors)


def test_files_are_told_late(fake: FakeProvider, speaker: Speaker) -> None:
    """A batch may have ended for some looks before it tells where its results are."""
    fake.default(Fate(polls=0, late=2))
    batch = speaker.submit(IDS)
    ended = speaker.state(batch)

    assert ended == WORDS[name(speaker)][3]
    assert speaker.results(batch) == []
    assert len(speaker.results(batch)) == len(IDS)


def test_new_batches_are_missing_from_lists_at_first(fake: FakeProvider, speaker: Speaker) -> None:
    """A list may lag behind, while a get knows the batch already."""
    fake.default(Fate(lag=2))
    batch = speaker.submit(IDS)

    assert speaker.get(batch).status_code == 200
    assert [speaker.listed() for _ in range(3)] == [[], [], [batch]]


def test_a_batch_vanishes(fake: FakeProvider, speaker: Speaker) -> None:
    """A provider may forget a batch that has ended: 404."""
    fake.default(Fate(polls=0, vanishes="batch"))
    batch = speaker.submit(IDS)
    speaker.state(batch)

    assert speaker.get(batch).status_code == 404
    assert speaker.listed() == []


def test_fates_come_in_the_scripted_order(fake: FakeProvider, speaker: Speaker) -> None:
    """`script` is for the next batches, one each; `default` for those after them."""
    fake.script(Fate(polls=0), Fate(polls=5))
    fake.default(Fate(polls=0))
    end = WORDS[name(speaker)][3]

    assert [speaker.state(speaker.submit(IDS)) == end for _ in range(3)] == [True, False, True]


def test_what_is_refused_at_validation_runs_nothing(fake: FakeProvider, speaker: Speaker) -> None:
    """A batch that fails has no answer in it."""
    fake.default(at_once(refused()))
    batch = speaker.submit(IDS)
    speaker.state(batch)

    assert not [word for _, word in speaker.results(batch) if word.startswith("say")]


def test_another_accounts_batch_is_not_there(fake: FakeProvider, speaker: Speaker) -> None:
    """With the key of another account a batch is a 404, and in no list; with nobody's key nothing is."""
    batch = speaker.submit(IDS)
    speaker.key = "other-key"  # type: ignore[attr-defined]
    seen = speaker.get(batch).status_code, speaker.listed()
    speaker.key = "nobody"  # type: ignore[attr-defined]
    fake.gemini.switches.wrong_key = 401

    assert seen == (404, [])
    assert speaker.get(batch).status_code == 401
