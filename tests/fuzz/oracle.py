"""
What holds of every target: it ends with a value or an error of ours, soon, and in little memory.

A target is a function from bytes to nothing. It hands the bytes to readers of the product; `refused` lets
through what the product may say of bad input, and whatever else comes out of a target is a violation.
"""

from __future__ import annotations

import gc
import math
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

from reconciler.errors import ReconcilerError

T = TypeVar("T")

SECONDS: Final = 1.0
"""Processor time that one input may take."""

MEMORY: Final = 200 << 20
"""Bytes of address space that a run may come to need beyond what it begins with."""

LONGEST: Final = 2000
"""Characters of a message: it is read by people."""

_DEEP: Final = 400
HANG: Final = 10.0
"""Processor time after which an input is not waited for any longer."""

_STATM: Final = Path("/proc/self/statm")


class Violation(AssertionError):
    """A reader did what it must not do."""


class Hang(Violation):
    """It did not come to an end."""


@attrs.frozen
class Found:
    """
    One violation.

    Attributes:
        data: The input.
        kind: Where it came from: equal for inputs that show the same fault.
        told: The traceback.
    """

    data: bytes
    kind: str
    told: str


def refused(
    read: Callable[[], T], allowed: tuple[type[Exception], ...] = (ReconcilerError,), where: str = ""
) -> T | None:
    """
    What *read* gives, None when it refuses in a way that it may.

    Args:
        read: Reads something.
        allowed: The errors that it may end with; one of ours has a message that people can use.
        where: What a message of ours has to name.

    Raises:
        Violation: The message is empty, endless, or does not say where.
    """
    try:
        return read()
    except allowed as error:
        if isinstance(error, ReconcilerError) and not (
            0 < len(error.message) <= LONGEST and len(error.hint) <= LONGEST and where in error.message
        ):
            raise Violation(f"a message of no use: {error.message[:300]!r}") from error
        return None


def gathered(into: list[T], items: Iterable[T]) -> bool:
    """Take what comes, up to an error; true when there was none."""
    into.extend(items)
    return True


def is_text(value: object, *, empty: bool = False) -> bool:
    """Whether something is a text, as its type says."""
    return isinstance(value, str) and (empty or bool(value))


def is_time(value: object) -> bool:
    """Whether something is a moment that can be compared and written."""
    return isinstance(value, float) and math.isfinite(value)


def expect(holds: object, *told: object) -> None:
    """
    Hold something to be true.

    Raises:
        Violation: It is not.
    """
    if not holds:
        raise Violation(" ".join(f"{each!r:.300}" for each in told))


def is_deep(data: bytes) -> bool:
    """
    Whether a document may be nested so deeply that it hangs on the depth of the stack whether it is read.

    Two readers may differ over such a one, and each may refuse it; what else they do is no less a violation.
    """
    return data.count(b"[") + data.count(b"{") > _DEEP


def tried(check: Callable[[bytes], None], data: bytes, seconds: float = SECONDS) -> Found | None:
    """Hand one input to a target, and look at what it did and how long it took."""
    try:
        began = time.process_time()
        check(data)
        took = time.process_time() - began
        if took > seconds:
            _again(check, data, seconds)
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return Found(data, _kind_of(error), "".join(traceback.format_exception(error)))
    return None


def _again(check: Callable[[bytes], None], data: bytes, seconds: float) -> None:
    """
    Try once more without the collector of garbage, whose time is not the input's.

    Raises:
        Violation: It takes as long again.
    """
    gc.collect()
    gc.disable()
    try:
        began = time.process_time()
        check(data)
        took = time.process_time() - began
    finally:
        gc.enable()
    if took > seconds:
        raise Violation(f"{len(data)} bytes took {took:.1f} s")


def _kind_of(error: BaseException) -> str:
    """The type of an error, and the last line of the product that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/reconciler/" in frame.filename and "/tests/" not in frame.filename]
    frame = (ours or frames)[-1]
    where = "/".join(Path(frame.filename).parts[-2:])
    # A check of ours speaks in its own words; of other errors the place tells more than the words.
    told = f": {str(error)[:40]}" if isinstance(error, AssertionError) else ""
    check = next((each for each in reversed(frames) if "/tests/fuzz/" in each.filename), frame)
    return f"{type(error).__name__} in {where}:{frame.name} (tests/fuzz:{check.name}){told}"


@contextmanager
def bounded() -> Iterator[None]:
    """
    Bounds for a run: more memory than `MEMORY` is a MemoryError, and an input without end is a `Hang`.

    Where the system does not tell the size of the process, memory is not bounded.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        size = int(_STATM.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, hard))
    before = signal.signal(signal.SIGPROF, _hang)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def wind(seconds: float = HANG) -> None:
    """Begin to wait for the end of one input, inside of `bounded`."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _hang(_number: int, _frame: Any) -> None:
    raise Hang("no end of it")


def shrunk(check: Callable[[bytes], None], found: Found, tries: int = 2000) -> bytes:
    """A smaller input that shows the same fault."""
    data, step = found.data, max(len(found.data) // 2, 1)
    while step and tries:
        at = 0
        while at < len(data) and tries:
            tries -= 1
            less = data[:at] + data[at + step :]
            again = tried(check, less)
            if again is not None and again.kind == found.kind:
                data = less
            else:
                at += step
        step //= 2
    return data
