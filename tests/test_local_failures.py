"""
What goes wrong with one request that a function on this machine answers is its own failure, and no other's.

The policy of its class says whether it is called again.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from reconciler.check import check
from reconciler.errors import PermanentError
from reconciler.model.exchange import Request
from tests.workers import Noted, answer, chat, ids, noted, raising
from tests.workspaces import manifest, put, request, results, scratch, settings


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace, in memory."""
    with scratch() as folder:
        yield folder / "w"


@pytest.fixture
def log(root: Path) -> Path:
    """Where calls are written down."""
    return root.parent / "calls"


@attrs.define
class Odd(Exception):
    """An exception that cannot be shown."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError("no words")


def returning(value: Any) -> Callable[[Request], Any]:
    """A worker's answer that is *value*."""
    return lambda _asked: value


LOOP: Final[dict[str, Any]] = {}
LOOP["itself"] = LOOP

FAILURES: Final = [
    pytest.param(raising(ValueError("no")), "unknown", True, "ValueError: no", id="any-exception"),
    pytest.param(raising(KeyError("k")), "unknown", True, "KeyError: 'k'", id="key-error"),
    pytest.param(raising(OSError(28, "full")), "unknown", True, "OSError: [Errno 28] full", id="os-error"),
    pytest.param(raising(TimeoutError()), "timeout", True, "TimeoutError", id="timeout"),
    pytest.param(raising(TimeoutError("60 s")), "timeout", True, "TimeoutError: 60 s", id="timeout-words"),
    pytest.param(raising(SystemExit(3)), "unknown", True, "SystemExit: 3", id="exit"),
    pytest.param(
        raising(ExceptionGroup("two", [ValueError("a")])),
        "unknown",
        True,
        "ExceptionGroup: two (1 sub-exception)",
        id="group",
    ),
    pytest.param(raising(Odd()), "unknown", True, "Odd: (its message cannot be shown)", id="unshowable"),
    pytest.param(raising(ValueError("\ud800")), "unknown", True, "ValueError: \\ud800", id="surrogate"),
    pytest.param(raising(ValueError("a\nb")), "unknown", True, "ValueError: a\nb", id="two-lines"),
    pytest.param(raising(PermanentError("never")), "invalid-request", False, "never", id="permanent"),
    pytest.param(returning("text"), "invalid-request", False, "returned str", id="str"),
    pytest.param(returning(None), "invalid-request", False, "returned NoneType", id="none"),
    pytest.param(returning([1]), "invalid-request", False, "returned list", id="list"),
    pytest.param(returning({1, 2}), "invalid-request", False, "returned set", id="set"),
    pytest.param(returning(object()), "invalid-request", False, "returned object", id="object"),
    pytest.param(returning(chat("x") | {"n": float("nan")}), "invalid-request", False, "no JSON", id="nan"),
    pytest.param(returning(chat("\ud800")), "invalid-request", False, "no JSON", id="half-a-pair"),
    pytest.param(returning(LOOP), "invalid-request", False, "no JSON", id="itself"),
    pytest.param(returning(chat("x" * 5000)), "invalid-request", False, "the limit is", id="too-long"),
    pytest.param(returning({}), "unknown", True, "no body", id="empty-body"),
    pytest.param(returning({"choices": []}), "unknown", True, "choices are empty", id="no-choices"),
    pytest.param(
        returning({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}),
        "rate-limit",
        True,
        "slow down",
        id="error-body-retried",
    ),
    pytest.param(
        returning({"error": {"message": "bad", "type": "invalid_request_error"}}),
        "invalid-request",
        False,
        "bad",
        id="error-body-final",
    ),
    pytest.param(
        returning({"error": {"message": "no", "code": "content_filter"}}),
        "content-filter",
        False,
        "no",
        id="error-body-filtered",
    ),
]


@pytest.mark.parametrize(("then", "error_class", "again", "words"), FAILURES)
def test_a_failure_is_its_own(
    then: Callable[[Request], Any], error_class: str, words: str, root: Path, *, again: bool
) -> None:
    """What goes wrong with one request stands in the error file with its class; the others are answered."""
    log = root.parent / "calls"

    def mixed(asked: Request) -> Any:
        return then(asked) if asked.custom_id == "q-1" else chat("fine")

    put(root, "1", input=[request(n) for n in range(3)])
    report = answer(root, Noted(log, mixed), max_attempts=2, line_bytes=4096)
    assert report.exit_code == 0
    assert ids(root / "done/1/batch_output_1.jsonl") == ["q-0", "q-2"]
    assert ids(root / "done/1/batch_error_1.jsonl") == ["q-1"]
    first, failure, last = results(root, "1")
    assert (first["text"], last["text"]) == ("fine", "fine")
    assert (failure["outcome"], failure["error"]["class"]) == ("failed", error_class)
    assert words in failure["error"]["message"]
    assert noted(log) == Counter({"q-0": 1, "q-1": 2 if again else 1, "q-2": 1})
    assert manifest(root, "1")["attempt"] == (2 if again else 1)
    assert not (root / "done/1.r1").exists()
    assert check(str(root), settings()).findings == []


@pytest.mark.parametrize(("attempts", "calls"), [(1, 1), (2, 2), (3, 3), (5, 5)])
def test_a_transient_failure_is_called_up_to_max_attempts(
    attempts: int, calls: int, root: Path, log: Path
) -> None:
    """`max_attempts` counts every call, the first included; then it has failed for good."""
    put(root, "1", input=[request(0)])
    assert answer(root, Noted(log, raising(TimeoutError())), max_attempts=attempts).exit_code == 0
    assert noted(log) == Counter({"q-0": calls})


def test_an_unknown_failure_is_called_once_more(root: Path, log: Path) -> None:
    """An exception that says nothing of itself is worth a second call, and no third."""
    put(root, "1", input=[request(0)])
    answer(root, Noted(log, raising(ValueError())), max_attempts=5)
    assert noted(log) == Counter({"q-0": 2})


def test_the_policy_of_a_class_holds_within_a_run(root: Path, log: Path) -> None:
    """`[policy.classes]` says for a run, too, what is asked again and what is not."""
    put(root, "1", input=[request(0)])
    answer(root, Noted(log, raising(TimeoutError())), timeout="never", max_attempts=5)
    put(root, "2", input=[request(1)])
    answer(root, Noted(log, raising(ValueError())), unknown="retry", max_attempts=5)
    assert noted(log) == Counter({"q-0": 1, "q-1": 5})


@pytest.mark.parametrize("is_async", [False, True])
def test_what_is_sent_again_is_what_was_asked(root: Path, *, is_async: bool) -> None:
    """A worker may do with a request as it likes; the next send has the line's own words."""
    heard: list[Any] = []

    def spoiling(asked: Request) -> Any:
        message = asked.body["messages"][0]
        heard.append((message["content"], asked.body.get("seen")))
        message["content"] = "spoilt"
        assert isinstance(asked.body, dict)
        asked.body["seen"] = True
        raise TimeoutError

    async def later(asked: Request) -> Any:
        spoiling(asked)

    put(root, "1", input=[request(0)])
    answer(root, later if is_async else spoiling, max_attempts=3)
    assert heard == [("question 0", None)] * 3


def test_a_retry_that_succeeds_counts(root: Path, log: Path) -> None:
    """A request that is answered at its second send is an answer like any other; no child is made."""

    def then(asked: Request) -> Any:
        if noted(log)[asked.custom_id] == 1 and asked.custom_id == "q-1":
            raise TimeoutError
        return chat("fine")

    put(root, "1", input=[request(n) for n in range(3)])
    assert answer(root, Noted(log, then)).exit_code == 0
    assert [line["text"] for line in results(root, "1")] == ["fine"] * 3
    assert noted(log) == Counter({"q-0": 1, "q-1": 2, "q-2": 1})
    assert not (root / "done/1.r1").exists()
