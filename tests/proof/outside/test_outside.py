"""Whatever the system does to the process, at whatever call: nothing is lost, and nothing paid twice."""

import signal as signals
from pathlib import Path

import pytest

from reconciler.testing import FakeProvider
from tests.proof.outside import limits, mounts, tracing
from tests.proof.outside.process import CASES
from tests.proof.outside.stops import ERRORS, Stops

traced = pytest.mark.skipif(bool(tracing.why_not()), reason=tracing.why_not() or "it can be traced")
mounted = pytest.mark.skipif(bool(mounts.why_not()), reason=mounts.why_not() or "it can be mounted")
neither = tracing.why_not() or mounts.why_not()
both = pytest.mark.skipif(bool(neither), reason=neither or "it can be traced and mounted")


@pytest.fixture(scope="module")
def sending(fake_provider_server: FakeProvider) -> Stops:
    """One pass that sends a batch."""
    return Stops("send-openai", fake_provider_server)


@traced
@pytest.mark.parametrize("signal", ["KILL", pytest.param("TERM", marks=pytest.mark.slow)])
def test_a_signal_at_a_call(sending: Stops, signal: str) -> None:
    """Killed, or asked to end, at any of its system calls, a pass is made up for by later ones."""
    assert sending.sweep(signal, 1) == 1


@traced
@pytest.mark.slow
@pytest.mark.parametrize("signal", ["KILL", "TERM"])
@pytest.mark.parametrize("case", CASES)
def test_a_signal_at_some_calls(fake_provider: FakeProvider, case: str, signal: str) -> None:
    """The same at more calls of every case."""
    assert Stops(case, fake_provider).sweep(signal, 6) == 6


@traced
@pytest.mark.slow
@pytest.mark.parametrize("sticky", [False, True], ids=["once", "sticky"])
def test_a_call_fails(sending: Stops, *, sticky: bool) -> None:
    """A system call that fails with any error of a disk, once or for good, is made up for by later passes."""
    assert sending.failures(sticky=sticky, some=9) == len(ERRORS)


@traced
def test_the_holder_of_the_lock_is_stopped(sending: Stops) -> None:
    """While the command stands still with the lock, a second one ends with 4 and changes nothing."""
    limits.stood_still(sending)


@traced
@pytest.mark.parametrize(
    "deadly", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["write-kills", "write-fails"]
)
def test_files_may_not_grow(sending: Stops, *, deadly: bool) -> None:
    """`ulimit -f` fails or kills a pass at a write; without the limit, the next one makes up for it."""
    code = limits.limited(sending, 0, deadly=deadly)
    assert code == (-signals.SIGXFSZ if deadly else 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize(
    ("to", "code"),
    [
        (">/dev/full", 1),
        ("2>/dev/full", 3),
        pytest.param(">/dev/full 2>/dev/full", 1, marks=pytest.mark.slow),
    ],
    ids=["stdout", "stderr", "both"],
)
def test_nowhere_to_print(fake_provider: FakeProvider, to: str, code: int) -> None:
    """What cannot be printed, as on a full disk, keeps no batch from settling; of stdout it says so."""
    with CASES["settle"].make(fake_provider) as real:
        ended, said = real.run(instead=["sh", "-c", f'exec "$@" {to}', "sh", *real.command, "-v"])
        assert (real.root / "done" / "2").is_dir()
    assert "Traceback" not in said
    assert ended == code, said
    if to == ">/dev/full":
        assert "error: stdout could not be written to: No space left on device" in said


def test_done_is_a_link(fake_provider: FakeProvider) -> None:
    """Where `done/` is a link, the command changes nothing, and says what to do instead."""
    with CASES["settle"].make(fake_provider) as real:
        code, said = limits.linked_away(real)
    assert code == 78
    assert "mount the other folder at done/" in said


@both
@pytest.mark.slow
@pytest.mark.parametrize("case", ["settle", "local", "send-openai", "fetch-openai"])
def test_the_disk_is_full(case: str) -> None:
    """With next to no room a pass loses nothing; with room again, the next ones make up for it."""
    assert mounts.apart("full", case, "0", "2", "4", "6") == 4


@mounted
def test_a_disk_of_64_kilobytes() -> None:
    """In a file system of 64 KB the command fails without a traceback, and every promise is kept."""
    assert mounts.apart("small", "settle", "1") == 1


@both
@pytest.mark.slow
def test_done_on_another_device() -> None:
    """With `done/` on another device, killed at some of its calls, a pass comes to the same end."""
    assert mounts.apart("elsewhere", "settle", "6") == 6
