"""
A provider that an installed package registers, through the real command: by name, under trust, end to end.

Its code leaves a mark when it is imported: where nothing of a user may run, there must be none.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from reconciler import UnknownProvider, Workspace, reconcile
from reconciler.authoring.batch import Batch
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.faults import ReplyDropped
from tests.cli.acme import CLI, MODULE, installed, put_input, reach_acme, write_settings
from tests.cli.calling import ROOT
from tests.cli.remote import There
from tests.workspaces import files, ledger, live, put, request, results


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What the code leaves when it is imported."""
    return tmp_path / "mark"


@pytest.fixture
def library(tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the search path, where a package is installed that registers `acme`."""
    with installed(tmp_path / "library", mark, monkeypatch) as folder:
        yield folder


@pytest.fixture
def there(
    fake_provider: FakeProvider,
    library: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> There:
    """A service that the package knows how to ask."""
    assert library.is_dir()
    return reach_acme(fake_provider, monkeypatch, capsys)


# --- by name ------------------------------------------------------------------------------------------------


def test_by_a_flag(there: There, workspace: Path) -> None:
    """`--provider acme --wait` takes an input to done, paid for once; `check` and `audit` find nothing."""
    put_input(workspace, there)
    said = there.call(workspace, *CLI, "--wait")
    assert (said.code, there.creates()) == (0, 1), said
    assert [row["provider"] for row in results(workspace, "1")] == ["acme"] * 3
    assert there.call("check", workspace).code == 0
    audit = there.call("audit", workspace, *CLI)
    assert audit.code == 0
    assert "acme  keeps 1 batch, 2 files" in audit.out


def test_by_the_library(there: There, workspace: Path) -> None:
    """`reconcile(provider="acme")` and `Workspace` know it by the same name."""
    put(workspace, "1", input=[request(0)])
    report = reconcile(workspace, provider="acme", settings={"policy.settle_seconds": 0})
    assert report.batch("1").because.startswith("acme is still working on batch_")
    assert there.creates() == 1
    assert [held.provider for held in Workspace.open(workspace, provider="acme").audit().held] == ["acme"]


def test_by_a_file(there: There, workspace: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of code stands for a provider as it does for a processor; its name is what was written."""
    put_input(workspace, there)
    shutil.copy(library / f"{MODULE}.py", workspace.parent / "mine.py")
    monkeypatch.chdir(workspace.parent)
    said = there.call(workspace, "--provider", "mine.py:make", "--wait")
    assert (said.code, there.creates()) == (0, 1), said
    assert {row["provider"] for row in results(workspace, "1")} == {"mine.py:make"}


def test_one_batch_of_several(there: There, workspace: Path) -> None:
    """A `[[batch]]` table gives it single batches; the others stay with whom the settings name."""
    put_input(workspace, there, "a-1")
    put_input(workspace, there, "b-1", 10)
    write_settings(workspace, '[[batch]]\nmatch = "a-*"\nprovider = "acme"\n')
    assert there.call("trust", workspace).code == 0
    said = there.call(workspace, "--wait")
    assert (said.code, there.creates()) == (3, 1), said
    assert {row["provider"] for row in results(workspace, "a-1")} == {"acme"}
    assert "no provider is configured" in said.out


def test_where_it_is(there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `[provider]` says reaches it: its address is the one that is set."""
    put_input(workspace, there)
    monkeypatch.setenv("ACME_BASE_URL", "http://127.0.0.1:9/nobody")
    monkeypatch.setenv("RECONCILER_PROVIDER_BASE_URL", there.fake.url("openai"))
    assert there.call(workspace, *CLI).code == 75
    assert there.creates() == 1


def test_its_verbs(there: There, workspace: Path) -> None:
    """Submit, cancel and adopt are for it as for any other."""
    there.fake.default(Fate(polls=50))
    put_input(workspace, there)
    assert there.call("submit", workspace, "1", *CLI).code == 75
    (live(workspace) / "batch_metadata_1.jsonl").unlink()
    assert there.call("adopt", workspace, "1", there.batch_id, *CLI).code == 75
    assert there.call("cancel", workspace, "1", *CLI).code == 0
    assert there.fake.batches[0].cancel_asked
    assert there.creates() == 1


def test_a_lost_reply_is_found(there: There, workspace: Path) -> None:
    """A create whose reply is lost is found by the tag that the provider keeps."""
    put_input(workspace, there)
    there.fake.fault("create", ReplyDropped())
    said = there.call(workspace, *CLI, "--wait")
    assert (said.code, there.creates()) == (0, 1), said
    assert "batch.adopted" in [each["event"] for each in ledger(workspace)]


def test_its_key(there: There, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing key is 77 and names the variable; nothing is sent."""
    put_input(workspace, there)
    monkeypatch.delenv("ACME_API_KEY")
    said = there.call(workspace, *CLI)
    assert said.code == 77
    assert "ACME_API_KEY" in said.out + said.err
    assert there.creates() == 0


def test_its_prices(there: There, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a limit it is held until it has a price, whose place the hint names; then it is reserved."""
    put_input(workspace, there)
    said = there.call(workspace, *CLI, "--max-cost-usd", "1")
    assert said.code == 3
    assert '[prices.acme."' in said.out + said.err
    mine = tmp_path / "config.toml"
    mine.write_text('[prices.acme."*"]\ninput = 1\noutput = 2\nmost = 100\n', "utf-8")
    monkeypatch.setenv("RECONCILER_USER_CONFIG", str(mine))
    plan = there.call("plan", workspace, *CLI)
    assert "an estimate of $0.000350 for 1 batch" in plan.out, plan
    assert there.call(workspace, *CLI, "--max-cost-usd", "1", "--wait").code == 0
    reserved = [each for each in ledger(workspace) if each["event"] == "spend.reserved"]
    assert [each["provider"] for each in reserved] == ["acme"]


def test_an_input_is_split_for_it(there: There, workspace: Path, tmp_path: Path) -> None:
    """`split --provider acme` holds to its limits and line shapes, of which it alone knows."""
    source = tmp_path / "many.jsonl"
    source.write_text("".join(json.dumps(request(n)) + "\n" for n in range(1500)), "utf-8")
    said = there.call("split", source, "--into", workspace, *CLI)
    assert said.code == 0, said
    parts = sorted(live(workspace).glob("batch_input_*"))
    assert [len(path.read_bytes().splitlines()) for path in parts] == [1000, 500]
    for path in parts:
        path.unlink()
    made = Workspace.open(workspace).split(source, provider="acme", again=True)
    assert [each.requests for each in made.batches] == [1000, 500]


def test_requests_are_written_for_it(there: There, workspace: Path) -> None:
    """`Batch(provider="acme")` makes inputs for it; a name that nobody registers is none."""
    batch = Batch(workspace, "acme-large", provider="acme")
    batch.add("What is 2 + 2?")
    run = batch.submit(provider="acme", settings={"policy.settle_seconds": 0})
    assert [each.because.startswith("acme is still working") for each in run.report.batches] == [True]
    assert there.creates() == 1
    with pytest.raises(UnknownProvider, match="there is no provider 'acmee'"):
        Batch(workspace, "acme-large", provider="acmee").add("What is 2 + 2?")


def test_a_registry_may_name_it(there: There, workspace: Path, tmp_path: Path) -> None:
    """A row of a registry that names it is taken over, and fetched without being sent again."""
    put_input(workspace, there)
    there.call(workspace, *CLI)
    (tmp_path / "other/workdir").mkdir(parents=True)
    path = live(workspace) / "batch_input_1.jsonl"
    row = {"provider": "acme", "batch_id": there.batch_id, "batch_input_path": str(path), "done": False}
    taken = Workspace.open(tmp_path / "other").import_registry([row, {**row, "provider": "acmee"}])
    assert [each.outcome for each in taken.rows] == ["imported", "refused"]
    said = there.call(tmp_path / "other", *CLI, "--wait")
    assert (said.code, there.creates()) == (0, 1), said


def test_the_page_shows_the_provider_of_these_tests() -> None:
    """The example of docs/own-provider.md is, letter by letter, the provider that is tested here."""
    page = (ROOT / "docs/own-provider.md").read_text("utf-8")
    assert f"```python\n{(ROOT / 'tests/plugged_provider.py').read_text('utf-8')}```\n" in page


# --- trust --------------------------------------------------------------------------------------------------

NAMING: Final = {
    "provider": '[provider]\nname = "acme"\n',
    "table": '[[batch]]\nmatch = "nothing-here"\nprovider = "acme"\n',
}


@pytest.mark.parametrize("naming", NAMING.values(), ids=NAMING)
def test_a_workspace_that_names_it_is_refused(there: There, workspace: Path, mark: Path, naming: str) -> None:
    """It is code like any other: 78 and the way to trust, nothing imported; a change of it ends trust."""
    put_input(workspace, there)
    write_settings(workspace, naming)
    before = files(workspace)
    for verb in ("run", "plan"):
        said = there.call(verb, workspace)
        assert said.code == 78
        assert "provider.name = 'acme'" in said.err
        assert f"reconcile trust {workspace}" in said.err
    assert not mark.exists()
    assert files(workspace) == before
    assert there.call("trust", workspace).code == 0
    assert not mark.exists()
    assert there.call(workspace).code in (3, 75)
    assert mark.exists()


def test_a_new_version_ends_trust(there: There, workspace: Path, library: Path) -> None:
    """What was trusted is the code as it was."""
    put_input(workspace, there)
    write_settings(workspace, NAMING["provider"])
    assert there.call("trust", workspace).code == 0
    code = library / f"{MODULE}.py"
    code.write_text(code.read_text("utf-8") + "\n# another\n", "utf-8")
    said = there.call(workspace)
    assert said.code == 78
    assert "has changed" in said.err
    assert there.creates() == 0


def test_looking_imports_nothing(there: There, workspace: Path, mark: Path) -> None:
    """`plan` and `status` know it by name alone, before a batch is sent, in flight, and when it is gone."""
    put_input(workspace, there)
    plan = there.call("plan", workspace, *CLI)
    assert "1. submit" in plan.out, plan
    assert not mark.exists()
    there.call(workspace, *CLI)
    mark.unlink()
    sys.modules.pop(MODULE)
    plan = there.call("plan", workspace, *CLI)
    assert "check-online" in plan.out, plan
    write_settings(workspace, NAMING["provider"])
    status = there.call("status", workspace)
    assert (status.code, "no client" in status.out) == (0, False), status
    assert not mark.exists()
