"""What each provider's words for the state of a batch mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.status import Phase, phase_of


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(None, Phase.RUNNING, id="nobody-asked"),
        pytest.param("", Phase.RUNNING, id="no-word"),
        # OpenAI and Azure
        pytest.param("validating", Phase.RUNNING, id="validating"),
        pytest.param("in_progress", Phase.RUNNING, id="in-progress"),
        pytest.param("finalizing", Phase.RUNNING, id="finalizing"),
        pytest.param("cancelling", Phase.RUNNING, id="cancelling"),
        pytest.param("completed", Phase.DONE, id="completed"),
        pytest.param("Completed", Phase.DONE, id="completed-capital"),
        pytest.param("failed", Phase.REFUSED, id="failed"),
        pytest.param("expired", Phase.PARTIAL, id="expired"),
        pytest.param("cancelled", Phase.PARTIAL, id="cancelled"),
        pytest.param("canceled", Phase.PARTIAL, id="canceled"),
        # Anthropic
        pytest.param("canceling", Phase.RUNNING, id="canceling"),
        pytest.param("ended", Phase.DONE, id="ended"),
        # Gemini, in both of its spellings
        pytest.param("BATCH_STATE_PENDING", Phase.RUNNING, id="gemini-pending"),
        pytest.param("JOB_STATE_RUNNING", Phase.RUNNING, id="gemini-running"),
        pytest.param("JOB_STATE_PAUSED", Phase.RUNNING, id="gemini-paused"),
        pytest.param("BATCH_STATE_SUCCEEDED", Phase.DONE, id="gemini-succeeded"),
        pytest.param("JOB_STATE_SUCCEEDED", Phase.DONE, id="gemini-job-succeeded"),
        pytest.param("JOB_STATE_PARTIALLY_SUCCEEDED", Phase.DONE, id="gemini-partially"),
        pytest.param("BATCH_STATE_EXPIRED", Phase.PARTIAL, id="gemini-expired"),
        pytest.param("JOB_STATE_CANCELLED", Phase.PARTIAL, id="gemini-cancelled"),
        pytest.param("BATCH_STATE_FAILED", Phase.REFUSED, id="gemini-failed"),
        # Mistral
        pytest.param("QUEUED", Phase.RUNNING, id="mistral-queued"),
        pytest.param("CANCELLATION_REQUESTED", Phase.RUNNING, id="mistral-cancelling"),
        pytest.param("SUCCESS", Phase.DONE, id="mistral-success"),
        pytest.param("TIMEOUT_EXCEEDED", Phase.PARTIAL, id="mistral-timeout"),
        pytest.param("FAILED", Phase.REFUSED, id="mistral-failed"),
        # Anything else is not finished
        pytest.param("paused_by_moonlight", Phase.RUNNING, id="unheard-of"),
        pytest.param("completed_soon", Phase.RUNNING, id="only-whole-words"),
        pytest.param(" completed\n", Phase.DONE, id="white-space"),
    ],
)
def test_what_a_word_means(status: str | None, expected: Phase) -> None:
    """Each word of each provider has one meaning; a word that nobody knows is read as not finished."""
    assert phase_of(status) is expected


@given(st.text(max_size=30))
def test_every_word_means_something(status: str) -> None:
    """No word of a provider stops the program, and case never matters."""
    assert phase_of(status) in Phase
    assert phase_of(status.upper()) is phase_of(status.upper().lower())


def test_an_unheard_of_word_never_ends_a_batch() -> None:
    """Guessing that a batch has ended would lose answers."""
    assert phase_of("JOB_STATE_UNSPECIFIED") is Phase.RUNNING
