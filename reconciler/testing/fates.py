"""
Fates: what becomes of a batch and of each of its requests.

A fate is a value that a test writes before (or while) a batch lives; the world carries it out. It knows no
provider's words: each dialect says it in its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import attrs

End = Literal["completed", "failed", "expired", "cancelled"]
"""How a batch ends. At Anthropic every one of them is called `ended`."""

Last = Literal["", "output", "error"]
"""Which of two answer files is told late; empty for both."""

OutcomeKind = Literal["ok", "refusal", "length", "http", "error", "expired", "cancelled", "missing", "twice"]

PARTIAL: Final[frozenset[str]] = frozenset({"expired", "cancelled"})
"""Ends that may leave requests unanswered."""


@attrs.frozen
class Outcome:
    """
    What becomes of one request.

    Attributes:
        kind: `http` is an answer with a status other than 200, `error` a line with an error and no answer,
            `missing` no line at all, `twice` the same answer on two lines.
        status: The HTTP status of a line of kind `http`.
        code: The error's code or type; the dialect's usual one when empty.
        message: What the error says.
        text: What the answer says; the request's last message when None.
        body: The whole answer in place of one made here.
    """

    kind: OutcomeKind = "ok"
    status: int = 400
    code: str = ""
    message: str = "this request was scripted to fail"
    text: str | None = None
    body: Any = None


OK: Final = Outcome()
REFUSAL: Final = Outcome("refusal")
LENGTH: Final = Outcome("length")
EXPIRED: Final = Outcome("expired")
CANCELLED: Final = Outcome("cancelled")
MISSING: Final = Outcome("missing")
TWICE: Final = Outcome("twice")


def http_error(
    status: int = 400, code: str = "", message: str = "this request was scripted to fail"
) -> Outcome:
    """An answer with another status than 200: the provider ran the request and it failed."""
    return Outcome("http", status=status, code=code, message=message)


def error_object(code: str = "", message: str = "this request was scripted to fail") -> Outcome:
    """A line that has an error in place of an answer."""
    return Outcome("error", code=code, message=message)


@attrs.frozen
class LineError:
    """One entry of `errors.data[]` of a batch that failed at validation; *line* is 1-based, None for all."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


TOKEN_LIMIT: Final = LineError(
    "token_limit_exceeded",
    "Enqueued token limit reached. Please try again once some in_progress batches end.",
)
"""OpenAI facts, gotchas: a full queue is no error on create; it shows later (openai-python#1643, #2084)."""


@attrs.frozen
class Fate:
    """
    What becomes of one batch.

    Attributes:
        end: How it ends.
        polls: For how many looks (a get, or a list that shows it) it is still under way.
        seconds: It ends by the virtual clock, this long after its creation, and not by looks.
        words: The dialect's own states for its first looks, one each: unknown ones, or states that go back.
            While they last nothing else of the batch moves on.
        outcomes: What becomes of single requests, by id; an entry may also be given by *choose*.
        default: What becomes of the others.
        choose: Decides for ids without an entry; None means *default*.
        done: How many requests had their turn before an early end; half of them when None.
        errors: Why the batch fails at validation, when *end* is `failed`.
        shuffle: The result lines come in another order than the requests.
        counts: Fields of the counts that lie, in the dialect's own names.
        absent: What stands for a file that does not exist: null, an empty id, or a file of no bytes.
        late: For how many looks after its end its files (or results URL) are still not told.
        last: Which of two files is not told for that long; the other one is told at once. Empty for both.
        lag: From how many lists it is missing at first.
        cancelling: For how many looks a cancelled batch is still being cancelled.
        foreign: Ids in the results that nobody asked for.
        vanishes: At the end the results are gone, or the batch is.
        archived: Anthropic: ended and archived, so that the results are gone.
        results_origin: Anthropic: where `results_url` points, such as another server's address.
        place: Gemini: where the results are told; `both` and neither place are seen in the wild.
    """

    end: End = "completed"
    polls: int = 1
    seconds: float | None = None
    words: tuple[str, ...] = ()
    outcomes: Mapping[str, Outcome] = attrs.field(factory=dict)
    default: Outcome = OK
    choose: Callable[[str], Outcome | None] | None = None
    done: int | None = None
    errors: tuple[LineError, ...] = ()
    shuffle: bool = False
    counts: Mapping[str, Any] = attrs.field(factory=dict)
    absent: Literal["null", "empty-id", "empty-file"] | None = None
    late: int = 0
    last: Last = ""
    lag: int = 0
    cancelling: int = 1
    foreign: tuple[str, ...] = ()
    vanishes: Literal["", "results", "batch"] = ""
    archived: bool = False
    results_origin: str | None = None
    place: Literal["metadata", "response", "both"] | None = None

    def tells(self, role: str, looks: int) -> bool:
        """Whether the file of a role is told, after so many *looks* since the end."""
        return looks >= self.late or self.last not in ("", role)

    def outcome(self, custom_id: str, position: int, total: int, end: str) -> Outcome:
        """What becomes of a request, the *position*-th (from 0) of *total*, when *end* comes."""
        if custom_id in self.outcomes:
            return self.outcomes[custom_id]
        if end in PARTIAL:
            done = total // 2 if self.done is None else self.done
            if position >= done:
                return EXPIRED if end == "expired" else CANCELLED
        chosen = self.choose(custom_id) if self.choose is not None else None
        return self.default if chosen is None else chosen


def all_failed(status: int = 400, code: str = "") -> Fate:
    """
    Every request fails, and the batch is completed all the same.

    OpenAI facts, gotchas: the output file is null then (kaapi-backend#723, openai-cookbook#1564).
    """
    return Fate(default=http_error(status, code))


def refused(*errors: LineError) -> Fate:
    """The input is refused at validation: nothing runs, and the batch that was created is `failed`."""
    return Fate(end="failed", errors=errors or (LineError("invalid_request", "The input is not valid."),))


def token_limit_exceeded() -> Fate:
    """The queue is full, which shows after the create: nothing runs."""
    return refused(TOKEN_LIMIT)


def expired(done: int | None = None, **more: Any) -> Fate:
    """The batch runs out of time; *done* of its requests were answered, and are paid."""
    return Fate(end="expired", done=done, **more)


def cancelled(done: int | None = None, **more: Any) -> Fate:
    """Somebody cancels the batch; *done* of its requests were answered, and are paid."""
    return Fate(end="cancelled", done=done, **more)
