"""No change of a file, no connection and no program gets past the rooms and their counter."""

import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.testing import FakeProvider
from tests.proof.outside import tracing
from tests.proof.outside.process import CASES, ENDS, at_provider, environment
from tests.proof.outside.seen import Watch
from tests.proof.outside.within import PLANTED
from tests.scenarios import SCENARIOS, fresh
from tests.test_rooms import ROOMS

ROOT = Path(__file__).resolve().parents[3]
MORE = [
    pytest.param(case, marks=pytest.mark.slow)
    for case in ("fetch-openai", "send-anthropic", "fetch-gemini", "settle", "local")
]

traced = pytest.mark.skipif(bool(tracing.why_not()), reason=tracing.why_not() or "it can be traced")


def within(home: Path, *words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Begin one of the programs that are watched."""
    return subprocess.run(
        [*before, sys.executable, "-m", "tests.proof.outside.within", *words],
        env=environment(home, {"PYTHONPATH": str(ROOT)}),
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )


def watch(root: Path, what: str, *words: str) -> Watch:
    """What strace sees of a program, held against what it counted."""
    there = {str(path.relative_to(root)) for path in root.rglob("*")}
    log = root.parent / "calls"
    ran = within(root.parent, what, str(root), *words, before=(*tracing.tracing(log),))
    assert ran.returncode == 0, ran.stderr
    watched = Watch(root, there)
    watched.read(log)
    return watched


def all_counted(case: str) -> None:
    """Nothing goes past the counter, and something was counted."""
    with fresh(SCENARIOS[case]) as root:
        seen = watch(root, case)
    assert seen.past == []
    assert seen.counted >= 5


@traced
def test_every_change_is_counted() -> None:
    """What strace sees of a pass was announced to the tap, change by change and path by path."""
    all_counted("local")


@traced
@pytest.mark.slow
@pytest.mark.parametrize("case", SCENARIOS)
def test_every_change_of_every_scenario_is_counted(case: str) -> None:
    """The same for every scenario."""
    all_counted(case)


@traced
def test_every_call_is_counted(fake_provider: FakeProvider) -> None:
    """The same for a pass that asks a provider: connections and requests, too."""
    with at_provider("openai", fake_provider) as real:
        seen = watch(real.root, "online", "openai", fake_provider.url("openai"), fake_provider.key)
    assert seen.past == []
    assert fake_provider.calls.count("create") == 1
    assert seen.counted > 20


@traced
@pytest.mark.slow
@pytest.mark.parametrize("planted", PLANTED)
def test_what_goes_past_the_counter_is_seen(tmp_path: Path, planted: str) -> None:
    """A change that nobody announced is found, whichever way it is made."""
    root = tmp_path / "w"
    (root / "workdir").mkdir(parents=True)
    (root / "reconciler.toml").write_text("", "utf-8")
    assert watch(root, planted).past != []


@pytest.mark.parametrize("case", ["send-openai", *MORE])
def test_only_rooms_change_anything(fake_provider: FakeProvider, case: str) -> None:
    """By the interpreter's own audit events, the whole command changes and connects only within the rooms."""
    with CASES[case].make(fake_provider) as real:
        log = real.root.parent / "events"
        words = ["-m", "tests.proof.outside.audited", str(log), "run", str(real.root), *real.words]
        variables = {**real.variables, "PYTHONPATH": str(ROOT)}
        code, said = real.run(instead=[sys.executable, *words], variables=variables)
        assert code in ENDS, said
        events = [line.split("\t") for line in log.read_text("utf-8").splitlines()]
    network = {"providers/http.py", "providers/http_live.py"}
    allowed = dict.fromkeys(("socket.connect", "socket.sendto"), network)
    assert [each for each in events if each[1] not in allowed.get(each[0], ROOMS)] == []
    assert len(events) > 10
