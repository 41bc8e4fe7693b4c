"""Batches that are refused as a whole: nothing more is sent there until a person says so."""

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from reconciler.check import check
from reconciler.cli import render
from reconciler.model.failure import Held
from reconciler.model.identity import BatchName
from reconciler.model.outcome import ErrorClass
from reconciler.model.report import State
from reconciler.resuming import resume
from reconciler.status import status
from reconciler.testing import FakeProvider
from reconciler.testing.fates import Fate, Outcome
from reconciler.testing.faults import Refuse
from reconciler.workspace import walls
from reconciler.workspace.effects import Effects
from reconciler.workspace.reading import Reading
from tests.cli.calling import call
from tests.online import Online
from tests.stopping import client_of
from tests.workspace.faults import Crash, Trip, plant
from tests.workspaces import put, settings, tree

BATCHES = 10


def lines(count: int, model: str = "m") -> list[dict[str, Any]]:
    """Requests of a model."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return [
        {"custom_id": f"q-{n}", "method": "POST", "url": "/v1/chat/completions", "body": {**body, "seed": n}}
        for n in range(count)
    ]


def walled(root: Path, fake: FakeProvider, count: int = BATCHES, each: int = 12, **flags: Any) -> Online:
    """A workspace with so many batches that nobody has sent."""
    for n in range(1, count + 1):
        put(root, str(n), input=[{**line, "custom_id": f"{n}-{line['custom_id']}"} for line in lines(each)])
    chosen = {"provider": "openai", "settle_seconds": 0, **flags}
    fake.clock.advance(60)
    return Online(root, fake, client_of("openai", fake), chosen)


def refusing(code: str, status_: int = 429) -> Fate:
    """A batch of which every line is refused alike."""
    outcome = Outcome("http", status=status_, code=code, message="You exceeded your current quota.")
    return Fate(choose=lambda _line: outcome)


def until_still(asked: Online, passes: int = 30) -> Any:
    """Pass after pass, each an hour later, until nothing waits."""
    for _ in range(passes):
        report = asked.run()
        if all(each.state is not State.WAITING for each in report.batches):
            return report
        asked.fake.clock.advance(3600)
    raise AssertionError(report)


def test_without_probes_what_is_on_its_way_was_sent(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """All ten were sent before the first answer; an eleventh is not: it is held, with the reason."""
    fake_provider.default(refusing("insufficient_quota"))
    asked = walled(tmp_path / "w", fake_provider)
    until_still(asked)
    assert fake_provider.calls.count("create") == BATCHES

    put(tmp_path / "w", "11", input=[{**line, "custom_id": f"late-{n}"} for n, line in enumerate(lines(3))])
    report = asked.run()
    assert fake_provider.calls.count("create") == BATCHES
    assert (report.exit_code, report.batch("11").state) == (3, State.HELD)
    assert isinstance(report.batch("11").failure, Held)


def test_with_a_probe_one_is_sent_and_nine_are_held(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """The reason is told once, with what to do; each of the others points at it."""
    fake_provider.default(refusing("insufficient_quota"))
    asked = walled(tmp_path / "w", fake_provider, probe_batches=1)
    first = asked.run()
    assert fake_provider.calls.count("create") == 1
    assert [each.state for each in first.batches] == [State.WAITING] * BATCHES
    assert "1 goes ahead; the others follow once one of them is answered" in first.batch("2").because

    report = until_still(asked)
    assert fake_provider.calls.count("create") == 1
    held = [each for each in report.batches if each.state is State.HELD]
    assert [each.name for each in held] == [str(n) for n in range(2, 11)]
    assert held[0].because == (
        "openai for m refused all 12 requests of 1 alike (billing: You exceeded your current quota.)"
    )
    assert held[0].hint == "mend the cause, then: reconcile resume WORKSPACE"
    assert {each.because for each in held[1:]} == {"openai for m is not sent anything more; see above"}
    assert check(str(tmp_path / "w"), settings()).findings == []


def test_resume_lets_all_of_them_through(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Once the cause is mended: the probe first, and when it was answered, the others."""
    fake_provider.script(refusing("insufficient_quota"))
    asked = walled(tmp_path / "w", fake_provider, probe_batches=1)
    until_still(asked)
    assert resume(str(tmp_path / "w"), settings()) == (
        "openai for m refused all 12 requests of 1 alike (billing: You exceeded your current quota.)",
    )
    assert resume(str(tmp_path / "w"), settings()) == ()
    report = until_still(asked)
    assert report.exit_code == 0
    assert fake_provider.calls.count("create") == BATCHES
    assert sorted(folder.name for folder in (tmp_path / "w" / "done").iterdir()) == sorted(
        str(n) for n in range(1, BATCHES + 1)
    )


def test_a_batch_that_is_answered_lets_the_others_follow(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """So many at once, no more, until one was answered; then all."""
    asked = walled(tmp_path / "w", fake_provider, probe_batches=2)
    asked.run()
    assert fake_provider.calls.count("create") == 2
    assert until_still(asked).exit_code == 0
    assert fake_provider.calls.count("create") == BATCHES


@pytest.mark.parametrize(
    ("code", "status_", "each", "held"),
    [
        pytest.param("insufficient_quota", 429, 1, True, id="billing-at-once"),
        pytest.param("invalid_api_key", 401, 1, True, id="key-at-once"),
        pytest.param("model_not_found", 404, 12, True, id="model"),
        pytest.param("model_not_found", 404, 3, False, id="model-few"),
        pytest.param("invalid_request_error", 400, 12, True, id="schema"),
        pytest.param("rate_limit_exceeded", 429, 12, False, id="passing"),
        pytest.param("content_filter", 400, 12, False, id="filter"),
    ],
)
def test_what_makes_a_wall(  # noqa: PLR0913 - a table
    code: str, status_: int, each: int, tmp_path: Path, fake_provider: FakeProvider, *, held: bool
) -> None:
    """Want of credit and a refused key at one request; a refused model or form at ten; nothing else."""
    fake_provider.default(refusing(code, status_))
    asked = walled(tmp_path / "w", fake_provider, 2, each, probe_batches=1, max_attempts=1)
    until_still(asked, 12)
    assert (fake_provider.calls.count("create") == 1) is held


def test_requests_of_siblings_count_together(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Four batches of three: by the fourth ten were refused alike."""
    fake_provider.default(refusing("model_not_found", 404))
    asked = walled(tmp_path / "w", fake_provider, 9, 3)
    until_still(asked)
    put(tmp_path / "w", "late", input=lines(1))
    assert asked.run().batch("late").state is State.HELD


def test_one_answer_is_no_wall(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """A batch of which a single request was answered says that others may be, too."""
    bad = Outcome("http", status=429, code="insufficient_quota", message="no credit")
    fake_provider.default(Fate(choose=lambda custom_id: Outcome() if custom_id.endswith("-0") else bad))
    asked = walled(tmp_path / "w", fake_provider, 3, probe_batches=1)
    until_still(asked)
    assert fake_provider.calls.count("create") == 3


def test_another_model_goes_its_way(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """A wall stands before one model of one account at one provider."""
    fake_provider.script(refusing("model_not_found", 404))
    asked = walled(tmp_path / "w", fake_provider, 1)
    until_still(asked)
    put(tmp_path / "w", "other", input=lines(3, "another"))
    put(tmp_path / "w", "same", input=lines(3))
    report = until_still(asked)
    assert report.batch("same").state is State.HELD
    assert (tmp_path / "w" / "done" / "other").is_dir()


def test_plan_and_status_tell_of_it_and_touch_nothing(
    tmp_path: Path, fake_provider: FakeProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever asks learns why nothing more is sent, and what to type."""
    fake_provider.default(refusing("insufficient_quota"))
    asked = walled(tmp_path / "w", fake_provider, 2, probe_batches=1)
    until_still(asked)
    before = tree(tmp_path / "w")
    found = status(str(tmp_path / "w"), settings(provider="openai"))
    render.status(found, "w", everything=False)
    printed = capsys.readouterr().out
    assert "nothing more is sent  openai for m refused all 12 requests of 1 alike (billing:" in printed
    assert "-> mend the cause, then: reconcile resume w" in printed
    assert tree(tmp_path / "w") == before


def test_what_to_type_after_resume(
    tmp_path: Path, fake_provider: FakeProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    """It can be pasted into a shell, whatever the workspace is called."""
    root = tmp_path / "my w"
    fake_provider.default(refusing("insufficient_quota"))
    until_still(walled(root, fake_provider, 2, probe_batches=1))
    assert call(capsys, "resume", root).err == f"then: reconcile '{root}'\n"


def test_a_pass_before_a_wall_changes_nothing(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """However often it is run, no file changes and nobody is called."""
    fake_provider.default(refusing("insufficient_quota"))
    asked = walled(tmp_path / "w", fake_provider, 3, probe_batches=1)
    until_still(asked)
    before, calls = tree(tmp_path / "w"), len(fake_provider.calls)
    asked.run()
    assert len(fake_provider.calls) == calls
    assert {path: each for path, each in tree(tmp_path / "w").items() if "/logs/" not in str(path)} == {
        path: each for path, each in before.items() if "/logs/" not in str(path)
    }


def test_what_was_uploaded_before_there_was_a_wall_is_held(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """A batch that was cut off between its upload and its create goes no further."""
    fake_provider.default(attrs.evolve(refusing("insufficient_quota"), polls=0))
    asked = walled(tmp_path / "w", fake_provider, 2)
    uploads = 0

    def tap(change: str, _path: str) -> None:
        nonlocal uploads
        uploads += change == "POST upload"
        if uploads == 2 and change == "append":
            raise Crash

    asked.tap = tap
    with pytest.raises(Crash):
        asked.run()
    asked.tap = lambda _change, _path: None
    fake_provider.clock.advance(3600)
    report = until_still(asked)
    assert report.batch("2").state is State.HELD
    assert fake_provider.calls.count("create") == 1


def test_a_probe_that_was_refused_at_its_create_holds_nobody_up(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """It is not under way; the next one goes ahead."""
    fake_provider.fault("create", Refuse(400, "no such endpoint"))
    asked = walled(tmp_path / "w", fake_provider, 3, probe_batches=1)
    report = until_still(asked)
    assert report.batch("1").state is State.ATTENTION
    assert sorted(each.name for each in (tmp_path / "w" / "done").iterdir()) == ["2", "3"]


def test_a_probe_whose_metadata_cannot_be_read_may_still_be_answered(
    tmp_path: Path, fake_provider: FakeProvider
) -> None:
    """It was sent, and nobody can say what became of it: the others wait, and go once it is mended."""
    asked = walled(tmp_path / "w", fake_provider, 3, probe_batches=1)
    asked.run()
    path = tmp_path / "w" / "workdir" / "batch_metadata_1.jsonl"
    known = path.read_bytes()
    path.write_bytes(known[:20])
    report = asked.run()
    assert report.batch("1").state is State.ATTENTION
    assert report.batch("2").because.startswith("1 goes ahead; the others follow")
    assert fake_provider.calls.count("create") == 1
    path.write_bytes(known)
    assert until_still(asked).exit_code == 0
    assert fake_provider.calls.count("create") == 3


def test_resume_lifts_every_wall_at_a_place(tmp_path: Path, fake_provider: FakeProvider) -> None:
    """Want of credit and a model that is refused, both: one word lifts both."""
    fake_provider.script(refusing("insufficient_quota"), refusing("model_not_found", 404))
    asked = walled(tmp_path / "w", fake_provider, 2)
    until_still(asked)
    assert len(resume(str(tmp_path / "w"), settings())) == 2
    put(tmp_path / "w", "3", input=[{**line, "custom_id": f"3-{n}"} for n, line in enumerate(lines(3))])
    assert until_still(asked).exit_code == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"requests": "12"}, "cannot be read"),
        ({"requests": -1}, "cannot be read"),
        ({"message": None}, "cannot be read"),
        ({"lifted": "yes"}, "cannot be read"),
        ({"batch": "8"}, "cannot be read"),
        ({"batch": "../8"}, "cannot be read"),
        ({"error_class": []}, "cannot be read"),
        ({"message": [[]] * 2}, "cannot be read"),
        ({}, "no credit"),
    ],
)
def test_what_cannot_be_read_is_a_wall(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    """A file of another form, or of another batch, counts as a wall, which can be told of and lifted."""
    told = {
        "batch": "7",
        "provider": "openai",
        "model": "m",
        "error_class": "billing",
        "message": "no credit",
    }
    path = tmp_path / "w" / walls.FOLDER / "0123456789abcdef" / "7.met.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(told | {"requests": 12} | change))
    look = Reading(str(tmp_path / "w"))
    (wall,) = walls.walls(look)
    look.close()
    assert words in wall.told
    assert [each.batch for each in wall.met] == ["7"]


@pytest.mark.parametrize("kind", ["folder", "symlink", "fifo"])
def test_what_is_no_file_is_a_wall(kind: str, tmp_path: Path) -> None:
    """Whatever stands where one was written down, it is told of as what cannot be read, and ends no pass."""
    path = tmp_path / walls.FOLDER / "0123456789abcdef" / "7.met.json"
    path.parent.mkdir(parents=True)
    plant(path, kind)
    look = Reading(str(tmp_path))
    (wall,) = walls.walls(look)
    look.close()
    assert [each.batch for each in wall.met] == ["7"]
    assert "cannot be read" in wall.told


def test_a_wall_that_is_nested_without_end_is_one(tmp_path: Path) -> None:
    """Lists in lists, deeper than any reader goes, are no error of another kind."""
    path = tmp_path / "w" / walls.FOLDER / "0123456789abcdef" / "7.met.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"batch":' + "[" * 5000)
    look = Reading(str(tmp_path / "w"))
    assert len(list(walls.walls(look))) == 1
    look.close()


def test_marks_are_made_once_and_other_files_are_none(tmp_path: Path) -> None:
    """Saying again that a batch goes ahead is no change; what somebody put beside the places is no wall."""
    place, trip = walls.Place("openai", "f00", "m"), Trip()
    fx = Effects(str(tmp_path), trip)
    walls.sent(fx, place, BatchName("7"))
    done = len(trip.seen)
    assert done > 0
    walls.sent(fx, place, BatchName("7"))
    assert len(trip.seen) == done
    assert walls.ahead(fx, place) == ["7"]

    told = walls.Met("7", "openai", "m", ErrorClass.BILLING, "no credit", 12)
    (tmp_path / walls.FOLDER / "notes.met.json").write_text("mine")
    assert list(walls.walls(fx)) == []
    walls.met(fx, place, told)
    assert list(walls.walls(fx)) == [walls.Wall(place.folder, (told,))]
    fx.close()
