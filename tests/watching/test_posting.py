"""Hooks hear every event of a watched workspace at least once and in order, through whatever goes wrong."""

import json
import os
import sys
from pathlib import Path

import pytest

from reconciler import config, decide
from reconciler.check.mending import RemoveTorn
from reconciler.errors import ConfigError, TransientError
from reconciler.providers.http import Http
from reconciler.repairing import repair
from reconciler.watching.hooks import Command, Hook, hooks_of
from reconciler.workspace import ledger
from reconciler.workspace.effects import Effects
from reconciler.workspace.outbox import TELLING
from tests import workspaces
from tests.proof.disk import Recorder
from tests.watching.receiving import KEY, Posted, Receiver, batches
from tests.workspace.faults import Crash, Trip
from tests.workspaces import answered, put, request


def test_each_change_is_posted_signed_and_once(tmp_path: Path, receiver: Receiver, webhook: Hook) -> None:
    """A batch that is held and then settles: two events, signed, numbered, with its counts; and no third."""
    posted = Posted(tmp_path / "w", [webhook])
    posted.living.write("batch_input_1.jsonl", [request(0)])
    posted.live_for(5.0)
    posted.living.write("batch_output_1.jsonl", [answered(0)])
    posted.live_for(900.0)

    assert [(each["event"], each["batch"]) for each in receiver.taken] == [
        ("batch.held", "1"),
        ("batch.settled", "1"),
    ]
    assert receiver.taken[1]["answered"] == 1
    assert receiver.taken[1]["before"] == "held"
    assert [each["id"].rpartition("-")[2] for each in receiver.taken] == ["1", "2"]


def test_a_receiver_that_is_down_gets_everything_in_order_when_it_is_back(
    tmp_path: Path, receiver: Receiver, webhook: Hook
) -> None:
    """Down for an hour, and through a restart: told once, asked ever less often; then everything comes."""
    posted = Posted(tmp_path / "w", [webhook])
    receiver.down = True
    for n in range(10):
        posted.living.write(f"batch_input_{n}.jsonl", [request(n) | {"custom_id": f"{n}-x"}])
        posted.live_for(180.0)
    posted.begin()
    for n in range(10):
        posted.living.write(f"batch_output_{n}.jsonl", [answered(n) | {"custom_id": f"{n}-x"}])
        posted.live_for(180.0)
    assert receiver.taken == []
    assert posted.living.told.names("hook.") == ["hook.failed"] * 2
    assert receiver.refused < 40
    assert "tell-no-one" not in str(posted.living.told.events)

    receiver.down = False
    posted.live_for(301.0)
    assert [receiver.names(str(n)) for n in range(10)] == [["batch.held", "batch.settled"]] * 10
    assert len(receiver.taken) == 20
    assert posted.living.told.names("hook.r") == ["hook.recovered"]
    assert len(list((posted.living.root / ".reconciler" / "outbox").iterdir())) == 2


def killed_at(stop: int, root: Path, receiver: Receiver, webhook: Hook) -> bool:
    """A life in which the watcher is killed before change *stop* of its outbox; whether it came to that."""
    receiver.taken.clear()
    posted = Posted(root, [webhook])
    posted.tap, died = Trip(stop), False
    try:
        posted.living.write("batch_input_1.jsonl", [request(0)])
        posted.live_for(5.0)
        batches(posted, "2", "3")
        posted.live_for(5.0)
    except Crash:
        died = True
        posted.begin()
    posted.tap = lambda _change, _path: None
    batches(posted, *(name for name in ("2", "3") if not (root / "done" / name).exists()))
    posted.live_for(10.0)
    posted.living.write("batch_output_1.jsonl", [answered(0)])
    posted.live_for(10.0)

    assert receiver.names("1")[-2:] == ["batch.held", "batch.settled"], stop
    assert (receiver.names("2"), receiver.names("3")) == (["batch.settled"], ["batch.settled"]), stop
    return died


@pytest.mark.parametrize("stride", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_a_kill_at_an_effect_of_the_outbox_loses_no_event(
    stride: int, tmp_path: Path, receiver: Receiver, webhook: Hook
) -> None:
    """Killed before a change of the outbox, whichever it is: every event comes, doubles known by their id."""
    stop = 1
    while killed_at(stop, tmp_path / f"w{stop}", receiver, webhook):
        stop += stride

    assert stop > 20


def test_what_settled_while_nobody_watched_is_told(tmp_path: Path, receiver: Receiver, webhook: Hook) -> None:
    """What a pass by hand settled between two watchers is posted by the next; earlier history is not."""
    put(tmp_path / "w", "0", input=[request(0)], output=[answered(0)])
    workspaces.run(tmp_path / "w")
    (tmp_path / "w" / "workdir").rmdir()
    posted = Posted(tmp_path / "w", [webhook])
    posted.live_for(10.0)
    put(tmp_path / "w", "1", input=[request(1)], output=[answered(1)])
    workspaces.run(tmp_path / "w")
    posted.begin()
    posted.live_for(10.0)

    assert (receiver.names("0"), receiver.names("1")) == ([], ["batch.settled"])


def test_a_quarantined_batch_that_is_dismissed_is_told_of(
    tmp_path: Path, receiver: Receiver, webhook: Hook
) -> None:
    """Who heard that it needs a person hears that one has given it up; of a live batch it settles instead."""
    root = tmp_path / "w"
    posted = Posted(root, [webhook])
    put(root, "1", input=[request(1)], output=[answered(2)])
    put(root, "2", input=[request(3), request(4)], output=[answered(3)])
    posted.live_for(600.0)
    decide.dismiss(str(root), workspaces.settings(), ["1", "2"])
    posted.live_for(600.0)

    assert receiver.names("1") == ["batch.needs-attention", "batch.dismissed"]
    assert receiver.names("2")[-1] == "batch.settled"
    told = next(each for each in receiver.taken if each["event"] == "batch.dismissed")
    assert (told["before"], told["because"]) == (
        "needs attention",
        "given up by a person; it was in quarantine/1.1/",
    )


def test_another_batch_of_the_same_name_is_told_of(tmp_path: Path, receiver: Receiver, webhook: Hook) -> None:
    """One that was taken away stands nowhere any more: what comes in its place is new."""
    root = tmp_path / "ws"
    posted = Posted(root, [webhook])
    for number in range(2):
        put(root, "1", input=[request(number)])
        posted.live_for(600.0)
        (root / "workdir" / "batch_input_1.jsonl").unlink()
        posted.live_for(600.0)

    assert receiver.names("1") == ["batch.held", "batch.held"]


def test_without_hooks_nothing_is_written(tmp_path: Path) -> None:
    """A workspace that no hook is named for has no outbox."""
    posted = Posted(tmp_path / "w", [])
    batches(posted, "1")
    posted.live_for(100.0)

    assert (tmp_path / "w" / "done" / "1").is_dir()
    assert not (tmp_path / "w" / ".reconciler" / "outbox").exists()


def test_a_command_gets_the_event_and_no_key(tmp_path: Path) -> None:
    """It is run without a shell, the event on stdin; of our environment it sees neither keys nor tokens."""
    script = (
        "import json, os, sys; event = json.load(sys.stdin);"
        "open(sys.argv[1], 'a').write(json.dumps([event, dict(os.environ), os.getcwd()]) + chr(10))"
    )
    out = tmp_path / "out; rm -rf x"
    environment = {**os.environ, "OPENAI_API_KEY": "sk-secret", "RECONCILER_WEBHOOK_SECRET": KEY}
    command = Command((sys.executable, "-c", script, str(out)), environment)
    posted = Posted(tmp_path / "w", [command])
    batches(posted, "1")
    posted.live_for(10.0)

    event, seen, folder = json.loads(out.read_text())
    assert (event["event"], seen["RECONCILER_EVENT"], seen["RECONCILER_BATCH"]) == (
        *["batch.settled"] * 2,
        "1",
    )
    assert (folder, seen["RECONCILER_EVENT_ID"]) == ("/", event["id"])
    assert "sk-secret" not in str(seen)
    assert KEY not in str(seen)


def test_a_command_that_fails_is_run_again(tmp_path: Path) -> None:
    """What ends with anything but 0 has not heard the event; its last words are told."""
    (tmp_path / "fails").touch()
    script = "import os, sys; sys.exit('out of paper' if os.path.exists(sys.argv[1]) else 0)"
    command = Command((sys.executable, "-c", script, str(tmp_path / "fails")), os.environ)
    posted = Posted(tmp_path / "w", [command])
    batches(posted, "1")
    posted.live_for(30.0)
    assert "out of paper" in posted.living.told.of("hook.failed")[0]["because"]

    (tmp_path / "fails").unlink()
    posted.live_for(300.0)
    assert posted.living.told.names("hook.") == ["hook.failed", "hook.recovered", "hook.told"]


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A command that cannot be run says so."""
    with pytest.raises(TransientError, match="cannot be run"):
        Command((str(tmp_path / "nothing"),), {}).tell({"id": "1", "event": "e", "batch": "b"}, 1)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("watch.run", "./notify.sh"),
        ("watch.run", "say 'hello"),
        ("watch.run", "  "),
        ("watch.post", "ftp://x"),
    ],
)
def test_hooks_that_cannot_be_obeyed_are_refused(setting: str, value: str) -> None:
    """A path that depends on where one stands, half a quotation, another scheme: refused by name."""
    with pytest.raises(ConfigError, match=setting):
        hooks_of(config.settle(flags={setting: value}), {}, Http, lambda: 0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("leaf", "data"),
    [
        pytest.param("000000000000.json", b"{", id="cut"),
        pytest.param("000000000000.json", b"[" * 5000, id="nested"),
        pytest.param("delivered.json", b'{"\xff":1}', id="no-text"),
    ],
)
def test_an_outbox_that_cannot_be_read_is_told_once(
    leaf: str, data: bytes, tmp_path: Path, receiver: Receiver, webhook: Hook
) -> None:
    """Batches are settled all the same; when it is moved away, what happens from there on is told."""
    posted = Posted(tmp_path / "w", [webhook])
    outbox = posted.living.root / ".reconciler" / "outbox"
    (outbox / leaf).write_bytes(data)
    posted.begin()
    batches(posted, "1")
    posted.live_for(1800.0)
    assert len(posted.living.told.of("workspace.trouble")) == 1
    assert (tmp_path / "w" / "done" / "1").is_dir()
    assert "away" in posted.living.told.of("workspace.trouble")[0]["hint"]

    for path in outbox.iterdir():
        path.unlink()
    posted.live_for(301.0)
    batches(posted, "2")
    posted.live_for(301.0)
    assert receiver.names("2") == ["batch.settled"]
    assert posted.living.told.names("workspace.r") == ["workspace.recovered"]


def test_two_watchers_tell_each_event_once(tmp_path: Path, receiver: Receiver, webhook: Hook) -> None:
    """Whichever of them made a pass, and whoever comes first: no event is posted twice."""
    one = Posted(tmp_path / "w", [webhook])
    other = Posted(tmp_path / "w", [webhook], one.living.clock)
    for n in range(6):
        batches((one, other)[n % 2], str(n))
        for posted in (other, one):
            posted.live_for(2.0)
    one.living.live_for(700.0)
    other.live_for(700.0)

    assert [receiver.names(str(n)) for n in range(6)] == [["batch.settled"]] * 6
    assert len(receiver.taken) == 6


def test_what_another_watcher_is_telling_is_told_when_it_dies(
    tmp_path: Path, receiver: Receiver, webhook: Hook
) -> None:
    """While somebody else tells hooks nothing is posted; a second after that one is gone, everything is."""
    posted = Posted(tmp_path / "w", [webhook])
    fx = Effects(str(posted.living.root))
    with fx.lock(TELLING):
        batches(posted, "1")
        posted.live_for(10.0)
        assert receiver.taken == []
    fx.close()
    posted.live_for(1.5)

    assert receiver.names("1") == ["batch.settled"]
    assert posted.living.told.names("hook.f") == []


def test_a_repair_of_history_loses_no_event(tmp_path: Path, receiver: Receiver, webhook: Hook) -> None:
    """Torn lines that `check --repair` takes out move nothing that a watcher has still to tell of."""
    posted = Posted(tmp_path / "w", [webhook])
    batches(posted, "1")
    posted.live_for(5.0)
    with (tmp_path / "w" / ledger.PATH).open("ab") as history:
        history.write(b'{"at":1.5,"event":"batch.cre')
    batches(posted, "2")
    posted.live_for(5.0)
    repaired = repair(str(tmp_path / "w"), workspaces.settings())
    assert [type(each) for each in repaired.done] == [RemoveTorn]
    for name in "345":
        batches(posted, name)
        posted.live_for(5.0)

    assert [receiver.names(name) for name in "12345"] == [["batch.settled"]] * 5
    assert len(receiver.taken) == 5


def test_no_event_is_told_of_history_that_a_power_cut_may_take_back(
    tmp_path: Path, receiver: Receiver, webhook: Hook
) -> None:
    """A line that somebody is still bringing to disk is there before the place behind it is written down."""
    posted = Posted(tmp_path / "w", [webhook])
    batches(posted, "1")
    posted.live_for(5.0)
    root = tmp_path / "w"
    recorder = Recorder(root)
    line = {"at": 2.5, "event": "batch.settled", "batch": "2", "requests": 1}
    with (root / ledger.PATH).open("ab") as history:
        history.write(workspaces.digest_line(line))
    posted.syncs = recorder.synced
    posted.begin()
    posted.living.write("batch_input_3.jsonl", [request(0)])
    posted.live_for(5.0)

    assert receiver.names("2") == ["batch.settled"]
    assert recorder.safe[(root / ledger.PATH).stat().st_ino] == (root / ledger.PATH).read_bytes()
