"""The file over all finished batches that a pass keeps, and the CSV of each batch beside its lines."""

import csv
import errno
import io
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Any

import attrs
import pytest

from reconciler import decide, engine, replaying, waiting
from reconciler.check import check
from reconciler.combined import LEAST, TIMES, place_of
from reconciler.config import settle
from reconciler.errors import ConfigError, ReconcilerError, TransientError, UsageError
from reconciler.model.exchange import Request
from reconciler.model.rows import COLUMNS
from reconciler.processors.parquet import pyarrow
from reconciler.processors.tables import csv_blocks
from reconciler.results import Results
from reconciler.session import Options, Workers, session
from tests import workspaces
from tests.plugging import Plugs
from tests.workers import plugged
from tests.workspace.faults import Trip
from tests.workspaces import (
    answered,
    failed,
    leftovers,
    manifest,
    options,
    put,
    request,
    run,
    settings,
    stats,
)

FILE = "target/combined_results.csv"
KEEP: dict[str, Any] = {"combined": "combined_results.csv"}


def finished(root: Path) -> bytes:
    """What `reconcile results` shows of all finished batches, as CSV."""
    return b"".join(csv_blocks(Results(str(root), settings(), finished=True), COLUMNS))


def shown(root: Path, *names: str) -> bytes:
    """`reconcile results NAME --format csv`."""
    return b"".join(csv_blocks(Results(str(root), settings(), names), COLUMNS))


def one(root: Path, name: str, *ids: int, **flags: Any) -> None:
    """A batch that is answered, and a pass."""
    put(root, name, input=[request(n) for n in ids], output=[answered(n) for n in ids])
    run(root, **flags)


def test_it_holds_what_results_shows(tmp_path: Path) -> None:
    """Batch after batch, whatever was settled before it was asked for, the rows are those of `results`."""
    root = tmp_path / "w"
    one(root, "1", 0, 1)
    put(root, "2", input=[request(2), request(3)], output=[answered(3)], error=[failed(2, 429)])
    run(root, provider="openai", **KEEP)
    assert (root / FILE).read_bytes() == finished(root)
    put(root, "2.r1", output=[answered(2)])
    put(root, "3", input=[request(4)])
    run(root, **KEEP)
    told = list(csv.DictReader(io.StringIO((root / FILE).read_text(), newline="")))
    assert (root / FILE).read_bytes() == finished(root)
    assert [(row["custom_id"], row["outcome"], row["attempt"]) for row in told] == [
        ("q-0", "answered", "1"),
        ("q-1", "answered", "1"),
        ("q-2", "answered", "2"),
        ("q-3", "answered", "1"),
    ]


def test_nothing_has_finished(tmp_path: Path) -> None:
    """Before anything has finished it is a table without rows, not an error."""
    root = tmp_path / "w"
    put(root, "1", input=[request(0)])
    run(root, **KEEP)
    assert (root / FILE).read_text() == ",".join(COLUMNS) + "\n"


def test_a_settled_workspace_is_left_alone(tmp_path: Path) -> None:
    """A pass over what has settled writes nothing, and lists no `done/`."""
    root = tmp_path / "w"
    one(root, "1", 0, csv=True, **KEEP)
    before = stats(root)
    trip = Trip()
    assert run(root, tap=trip, csv=True, **KEEP).exit_code == 0
    assert (stats(root), trip.seen) == (before, [])
    (root / "done").chmod(0o300)  # whoever lists it fails, root aside
    try:
        run(root, csv=True, **KEEP)
    finally:
        (root / "done").chmod(0o700)


def test_off_by_default(tmp_path: Path) -> None:
    """Nobody asked: neither file is there, and no change of the disk is another one than without them."""
    root = tmp_path / "w"
    one(root, "1", 0)
    assert sorted(path.name for path in (root / "target").iterdir()) == ["1.results.jsonl"]
    assert not (root / ".reconciler/combined.json").exists()


def edited(root: Path) -> None:
    """Somebody has edited the file, and left its size as it was."""
    (root / FILE).write_bytes((root / FILE).read_bytes().replace(b"answer 0", b"answer 7"))


def gone(root: Path) -> None:
    """Somebody has removed the file."""
    (root / FILE).unlink()


def unread(root: Path) -> None:
    """What is known of the file cannot be read."""
    (root / ".reconciler/combined.json").write_bytes(b"{\n")


def retried(root: Path) -> None:
    """A failure of a settled batch is asked again."""
    decide.retry(str(root), settings(**KEEP), ["2"], options())


def retried_unkept(root: Path) -> None:
    """The same by somebody who keeps no such file."""
    decide.retry(str(root), settings(), ["2"], options())


def replayed(root: Path) -> None:
    """Settled answers are handed to another processor."""
    loud = Plugs(lambda result: result.text and result.text.upper()).options.plugged
    replaying.replay(str(root), settings(), (), options(plugged=loud))


def settled(root: Path) -> None:
    """A batch settles in a pass that keeps no such file."""
    one(root, "9", 9)


@pytest.mark.parametrize("change", [edited, gone, unread, retried, retried_unkept, replayed, settled])
def test_whatever_changes_is_in_it_after_the_next_pass(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """Whoever has changed what is finished, or the file, the next pass makes it true again."""
    root = tmp_path / "w"
    put(root, "2", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 429)])
    run(root, **KEEP)
    before = (root / FILE).read_bytes()
    change(root)
    run(root, **KEEP)
    assert (root / FILE).read_bytes() == finished(root)
    assert (before == finished(root)) is (change in (edited, gone, unread))


def test_a_verb_leaves_it_true(tmp_path: Path) -> None:
    """After `retry`, `dismiss` and `replay` under the setting it is true at once."""
    root = tmp_path / "w"
    put(root, "2", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 429)])
    put(root, "4", input=[request(2), request(3)], output=[answered(2), answered(2)])
    run(root, **KEEP)
    for verb, name in ((decide.retry, "2"), (decide.dismiss, "4")):
        before = (root / FILE).read_bytes()
        verb(str(root), settings(**KEEP), [name], options())
        assert (root / FILE).read_bytes() == finished(root) != before
    loud = Plugs(lambda result: result.text and result.text.upper()).options.plugged
    replaying.replay(str(root), settings(**KEEP), ["2"], options(plugged=loud))
    assert (root / FILE).read_bytes() == finished(root)
    assert b"ANSWER 0" in finished(root)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_the_end_of_the_name_chooses_the_format(tmp_path: Path, suffix: str) -> None:
    """As JSON Lines and as Parquet it holds the bytes that `results -o` writes."""
    root = tmp_path / "w"
    if suffix == "parquet":
        pyarrow()
    one(root, "1", 0, 1, combined=f"all.{suffix}")
    wanted = Results(str(root), settings(), finished=True).write(str(tmp_path / f"all.{suffix}"))
    assert (root / "target" / f"all.{suffix}").read_bytes() == Path(wanted).read_bytes()


OWN = "reconciler.toml"
USER = "user.toml"
FLAG = "flag"
PLACES = (
    (FLAG, "all.csv", "w/target/all.csv"),
    (OWN, "all.csv", "w/target/all.csv"),
    (USER, "all.csv", "w/target/all.csv"),
    (FLAG, "out/all.csv", "here/out/all.csv"),
    (USER, "out/all.csv", "here/out/all.csv"),
    (OWN, "out/all.csv", "w/out/all.csv"),
    (FLAG, "./all.csv", "here/all.csv"),
    (FLAG, "{tmp}/here/all.csv", "here/all.csv"),
    (USER, "{tmp}/here/all.csv", "here/all.csv"),
    (FLAG, "~/all.csv", "home/all.csv"),
    (FLAG, "C:all.csv", "here/C:all.csv"),
    (OWN, "C:all.csv", "w/C:all.csv"),
    (OWN, "{tmp}/w/all.csv", "w/all.csv"),
    (OWN, "{tmp}/here/all.csv", ConfigError),
    (OWN, "../all.csv", ConfigError),
    (OWN, "~/all.csv", ConfigError),
    (OWN, "out/../../here/all.csv", ConfigError),
    (OWN, "all", ConfigError),
    (FLAG, "all.xlsx", ConfigError),
    (FLAG, "{tmp}/w/done/all.csv", UsageError),
    (FLAG, "{tmp}/w/workdir/batch_input_1.jsonl", UsageError),
    (FLAG, "1.results.csv", UsageError),
    (FLAG, "jobs_registry.csv", UsageError),
    (FLAG, "nowhere/all.csv", UsageError),
)


@pytest.mark.parametrize(("who", "named", "wanted"), PLACES)
def test_where_it_goes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    who: str,
    named: str,
    wanted: str | type[ReconcilerError],
) -> None:
    """A bare name lands in `target/`, another is taken as it is; the workspace's own file never leads out."""
    root = tmp_path / "w"
    for folder in ("w/workdir", "w/out", "here/out", "home"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    one(root, "1", 0)
    named = named.format(tmp=tmp_path)
    text = f"[results]\ncombined = {json.dumps(named)}\n"
    files = {OWN: [(f"{root.resolve()}/{OWN}", text)], USER: [(f"{tmp_path}/{USER}", text)]}.get(who, [])
    found = settle(files, {}, {"results.combined": named} if who == FLAG else {})
    before = stats(root)
    if not isinstance(wanted, str):
        with pytest.raises(wanted) as refused:
            engine.reconcile(str(root), found)
        assert refused.value.exit_code == (78 if wanted is ConfigError else 2)
        assert stats(root) == before
        return
    engine.reconcile(str(root), found)
    assert (tmp_path / wanted).read_bytes() == finished(root)
    with session(str(root), found, Options()) as held:
        assert place_of(held)[0].whole == str(tmp_path.resolve() / wanted)
    before = stats(tmp_path)
    engine.reconcile(str(root), found)
    assert stats(tmp_path) == before


@pytest.mark.parametrize(("said", "wanted"), [("true", FILE), ("false", None)])
def test_true_is_the_usual_name(tmp_path: Path, said: str, wanted: str | None) -> None:
    """`combined = true` keeps `target/combined_results.csv`, `false` none."""
    root = tmp_path / "w"
    one(root, "1", 0)
    engine.reconcile(str(root), settle([(f"{root}/{OWN}", f"[results]\ncombined = {said}\n")]))
    assert (root / FILE).exists() is (wanted is not None)


@pytest.mark.parametrize("where", ["combined_results.csv", "{tmp}/out.csv"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, where: str) -> None:
    """Whichever change of it fails, the older file stands whole, the batch settles, and a pass mends it."""
    named = where.format(tmp=tmp_path)
    for point in range(1, 20):
        root = tmp_path / f"w{point}"
        place = root / FILE if "/" not in named else Path(named)
        one(root, "1", 0, combined=named)
        before = place.read_bytes()
        put(root, "2", input=[request(1)], output=[answered(1)])
        trip = _Nth(point, place.name)
        with suppress(TransientError):
            run(root, tap=trip, combined=named)
        if trip.hit:
            assert place.read_bytes() in (before, finished(root))
            assert (root / "done/2/manifest.json").is_file()
            with pytest.raises(TransientError, match="cannot be written"):
                run(root, tap=_Nth(1, place.name), combined=named)
            run(root, combined=named)
        assert place.read_bytes() == finished(root)
        assert leftovers(tmp_path) == []
        place.unlink()
        if not trip.hit:
            break
    assert point > 3  # create, write, fsync at the least


@attrs.define
class _Nth:
    """Fails the N-th change of one file with a full disk."""

    at: int
    leaf: str
    seen: int = 0
    hit: bool = False

    def __call__(self, _change: str, path: str) -> None:
        """Count what concerns the file."""
        if self.leaf in path:
            self.seen += 1
            if self.seen == self.at:
                self.hit = True
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def answer_never(_asked: Request) -> dict[str, Any]:
    """No request gets here: its input is too young all the time."""
    raise AssertionError


def test_it_is_not_written_for_every_batch(tmp_path: Path) -> None:
    """Under `--wait` it is written at the first pass and the last; in between only as often as it is due."""
    root = tmp_path / "w"
    now, steps = [time()], iter(range(2, 40))
    put(root, "1", input=[request(1)])
    trip = Trip()

    def pause(_seconds: float, _stopping: Callable[[], bool]) -> None:
        now[0] += 10
        name = next(steps)
        put(root, str(name), input=[request(name)], output=[answered(name)])
        if name == 39:
            put(root, "1", output=[answered(1)])

    told = Options(tap=trip, clock=lambda: now[0], pause=pause, plugged=plugged(answer_never))
    waiting.reconcile_until_settled(str(root), settings(settle_seconds=1e6, provider="local", **KEEP), told)
    written = sum(change == ("rename", FILE) for change in trip.seen)
    assert (root / FILE).read_bytes() == finished(root)
    assert finished(root).count(b"\n") == 40
    assert 2 <= written <= 2 + 38 * 10 / LEAST
    assert TIMES == 10


def test_the_csv_of_a_batch_is_what_results_shows_of_it(tmp_path: Path) -> None:
    """`target/<name>.results.csv` holds the columns and rows of `results NAME`, and formulas are guarded."""
    root = tmp_path / "w"
    answer = answered(0)
    answer["response"]["body"]["choices"][0]["message"]["content"] = "=HYPERLINK(1)"
    put(root, "1", input=[request(n) for n in range(3)], output=[answered(1), answer], error=[failed(2)])
    run(root, csv=True)
    assert (root / "target/1.results.csv").read_bytes() == shown(root, "1")
    assert b",'=HYPERLINK(1)," in shown(root, "1")
    assert "target/1.results.csv" in manifest(root, "1")["receipts"]["process-output"]["files"]


def test_the_csv_says_who_asks_again(tmp_path: Path) -> None:
    """Failures that a child asks again, at once or by hand, are `retried` in the CSV, as in the lines."""
    root = tmp_path / "w"
    put(root, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 429)])
    run(root, csv=True)
    decide.retry(str(root), settings(), ["1"], options())
    told = list(csv.DictReader(io.StringIO((root / "target/1.results.csv").read_text(), newline="")))
    assert [(row["outcome"], row["child"]) for row in told] == [("answered", ""), ("retried", "1.r1")]
    assert workspaces.results(root, "1")[1]["child"] == "1.r1"
    assert check(str(root), settings()).findings == []


def test_a_replay_keeps_the_csv(tmp_path: Path) -> None:
    """A replay replaces the CSV with the lines, whether the setting still asks for it or not."""
    root = tmp_path / "w"
    one(root, "1", 0, csv=True)
    loud = Plugs(lambda result: result.text and result.text.upper()).options.plugged
    found = replaying.replay(str(root), settings(), (), options(plugged=loud))
    assert found.batches[0].difference is not None
    assert found.batches[0].difference.changed == 1
    assert b"ANSWER 0" in (root / "target/1.results.csv").read_bytes()
    assert (root / "target/1.results.csv").read_bytes() == shown(root, "1")


def test_workers_write_it_too(tmp_path: Path) -> None:
    """Batches that worker processes settle get their CSV, and the file over all of them is true."""
    root = tmp_path / "w"
    for name in range(1, 5):
        put(root, str(name), input=[request(name)], output=[answered(name)])
    run(root, csv=True, **KEEP)
    for name in range(5, 9):
        put(root, str(name), input=[request(name)], output=[answered(name)])
    found = settings(csv=True, jobs=2, settle_seconds=0, **KEEP)
    engine.reconcile(str(root), found, options(workers=Workers(worth=1)))
    for name in range(1, 9):
        assert (root / f"target/{name}.results.csv").read_bytes() == shown(root, str(name))
    assert (root / FILE).read_bytes() == finished(root)
