"""
What may be asked again goes to a child: exactly those lines, byte for byte, and no line that was answered.

The child's answers settle it, and then the accounts of parent and child add up to the parent's input.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from reconciler import config, decide, engine
from reconciler.check import check
from reconciler.model.report import State
from tests.executor.children import child_input, names, outcomes
from tests.plugging import sound
from tests.workspace.faults import plant
from tests.workspaces import (
    answered,
    encoded,
    failed,
    live,
    manifest,
    put,
    record,
    request,
    run,
    scratch,
    settings,
    tree,
    unknown,
)

BOM: Final = b"\xef\xbb\xbf"


@pytest.fixture
def root() -> Iterator[Path]:
    """A place for a workspace."""
    with scratch() as folder:
        yield folder / "w"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_what_may_succeed_is_asked_again(root: Path, status: int) -> None:
    """A failure that may pass goes to a child, with the parent's own line."""
    put(root, "7", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, status)])
    run(root, provider="openai")
    assert child_input(root, "7.r1") == encoded(request(1)) + b"\n"
    assert outcomes(root, "7") == {"q-0": ("answered", None), "q-1": ("retried", "7.r1")}
    sound(root)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_what_would_fail_again_is_final(root: Path, status: int) -> None:
    """A failure that would repeat itself is reported and settles."""
    put(root, "7", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, status)])
    assert run(root, provider="openai").exit_code == 0
    assert names(root) == set()
    assert outcomes(root, "7")["q-1"] == ("failed", None)


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        pytest.param([0, 1, 2], [0, 2], id="counting-up"),
        pytest.param([2, 1, 0], [0, 2], id="counting-down"),
    ],
)
def test_the_child_keeps_the_order_of_the_input(root: Path, lines: list[int], wanted: list[int]) -> None:
    """The child's lines stand in the order of the parent's input, not of its answers."""
    rest = [n for n in lines if n not in wanted]
    errors = [failed(n, 500) for n in sorted(wanted, reverse=True)]
    put(root, "7", input=[request(n) for n in lines], output=[answered(n) for n in rest], error=errors)
    run(root, provider="openai")
    found = [json.loads(line)["custom_id"] for line in child_input(root, "7.r1").splitlines()]
    assert found == [f"q-{n}" for n in lines if n in wanted]


def odd_line(n: int) -> bytes:
    """A request with white space and text that a re-encoder would change."""
    content = "caf\u00e9 \\u00e9 \u2028 \u0085 1e2"
    body = f'{{"model" :"m",\t"messages":[{{"role":"user","content":"{content}"}}],"seed":1E400}}'
    text = f'  {{"method":"POST" , "url":"/v1/chat/completions","custom_id":"q-{n}","body":{body}}}\t '
    return text.encode()


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        pytest.param(odd_line(0) + b"\n" + odd_line(1) + b"\n", odd_line(1), id="odd-white-space"),
        pytest.param(odd_line(0) + b"\r\n" + odd_line(1) + b"\r\n", odd_line(1) + b"\r", id="crlf"),
        pytest.param(odd_line(0) + b"\n" + odd_line(1), odd_line(1), id="no-last-line-feed"),
        pytest.param(BOM + odd_line(1) + b"\n" + odd_line(0) + b"\n", odd_line(1), id="byte-order-mark"),
        pytest.param(
            b"\n \n" + odd_line(0) + b"\n\n\t\n" + odd_line(1) + b"\n\n", odd_line(1), id="blank-lines"
        ),
    ],
)
def test_bytes_are_kept(root: Path, data: bytes, kept: bytes) -> None:
    """The child's line is the parent's, byte for byte; a byte order mark is the file's, not the line's."""
    put(root, "7", output=[answered(0)], error=[failed(1, 503)])
    (live(root) / "batch_input_7.jsonl").write_bytes(data)
    report = run(root, provider="openai")
    assert child_input(root, "7.r1") == kept + b"\n", report
    assert (root / "done/7/batch_input_7.jsonl").read_bytes() == data
    assert record(root, "7.r1")["input"]["requests"] == 1
    sound(root)


def test_the_same_leftovers_make_the_same_child(tmp_path: Path) -> None:
    """The child's files depend on nothing but the parent: no time, no chance."""
    found = []
    for name in ("a", "b"):
        root = tmp_path / name
        put(
            root,
            "7",
            input=[request(n) for n in range(3)],
            output=[answered(1)],
            error=[failed(2, 500), failed(0, 500)],
        )
        run(root, provider="openai")
        found.append(tree(root))
    assert found[0] == found[1]


def test_a_child_that_was_half_made_is_made_whole(root: Path) -> None:
    """Metadata without an input, as a crash leaves it, is taken for what it is and completed."""
    put(root, "7", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 500)])
    run(root, provider="openai")
    whole = child_input(root, "7.r1")
    meta = (live(root) / "batch_metadata_7.r1.jsonl").read_bytes()
    other = root.parent / "other"
    put(other, "7", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 500)])
    (live(other) / "batch_metadata_7.r1.jsonl").write_bytes(meta)
    run(other, provider="openai")
    assert child_input(other, "7.r1") == whole
    assert names(other) == {"7.r1"}


def test_a_name_that_somebody_took_is_left_alone(root: Path) -> None:
    """A batch that only looks like a child keeps its name and its bytes; the child gets the next one."""
    put(root, "7", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 500)])
    mine = put(root, "7.r1", input=[request(8)])
    run(root, provider="openai")
    assert child_input(root, "7.r1") == mine["input"]
    assert child_input(root, "7.r2") == encoded(request(1)) + b"\n"
    sound(root)


def test_generations_are_named_from_the_root_and_count_attempts(root: Path) -> None:
    """7, then 7.r1, then 7.r2; each send counts, and the third of three is the last."""
    put(
        root,
        "7",
        input=[request(n) for n in range(3)],
        output=[answered(0)],
        error=[failed(1, 500), failed(2, 429)],
    )
    run(root, provider="openai")
    assert record(root, "7.r1")["attempt"] == 2
    put(root, "7.r1", output=[answered(1)], error=[failed(2, 429)])
    run(root, provider="openai")
    child = record(root, "7.r2")
    assert (child["attempt"], child["parent"]) == (3, "7.r1")
    assert child_input(root, "7.r2") == encoded(request(2)) + b"\n"
    put(root, "7.r2", error=[failed(2, 429)])
    assert run(root, provider="openai").exit_code == 0
    assert names(root) == set()
    assert outcomes(root, "7.r2") == {"q-2": ("failed", None)}
    assert check(str(root), settings()).account == {"answered": 2, "retried": 3, "failed": 1}
    sound(root)


@pytest.mark.parametrize(("limit", "children"), [(1, 0), (2, 1), (3, 2), (5, 4)])
def test_no_request_is_sent_more_often_than_allowed(root: Path, limit: int, children: int) -> None:
    """`max_attempts` counts every send, the first included."""
    put(root, "7", input=[request(0)], error=[failed(0, 500)])
    for _ in range(limit + 2):
        run(root, provider="openai", max_attempts=limit)
        for name in names(root):
            put(root, name, error=[failed(0, 500)])
    assert len(list((root / "done").iterdir())) == 1 + children
    assert names(root) == set()
    sound(root)


def test_an_unknown_failure_is_asked_again_once(root: Path) -> None:
    """Nobody can say why it failed: one more send, never a third."""
    put(root, "7", input=[request(0)], error=[unknown(0)])
    run(root, provider="openai", max_attempts=9)
    assert names(root) == {"7.r1"}
    put(root, "7.r1", error=[unknown(0)])
    assert run(root, provider="openai", max_attempts=9).exit_code == 0
    assert names(root) == set()


def test_a_child_that_is_answered_settles_and_accounts_add_up(root: Path) -> None:
    """Parent and child together have every id of the input once."""
    put(
        root,
        "7",
        input=[request(n) for n in range(3)],
        output=[answered(0)],
        error=[failed(1, 500), failed(2)],
    )
    run(root, provider="openai")
    put(root, "7.r1", output=[answered(1)])
    assert run(root, provider="openai").exit_code == 0
    assert (manifest(root, "7")["coverage"]["retried"]) == manifest(root, "7.r1")["coverage"]["answered"]
    assert manifest(root, "7.r1")["parent"] == "7"
    assert check(str(root), settings()).account == {"answered": 2, "failed": 1, "retried": 1}
    sound(root)


@pytest.mark.parametrize("length", [88, 90])
def test_the_longest_name_keeps_its_leftovers(root: Path, length: int) -> None:
    """A child of a name of full length is a batch too: the next pass still holds it, or no child was made."""
    put(root, "a" * length, input=[request(0)], error=[failed(0, 500)])
    first = run(root, provider="openai")
    second = run(root, provider="openai")
    assert second.exit_code == first.exit_code == 3
    assert second.ignored == ()


def test_without_a_provider_no_child_is_made(root: Path) -> None:
    """Nobody could be asked: the failure is reported with the command that would ask again."""
    put(root, "7", input=[request(0)], error=[failed(0, 500)])
    report = run(root)
    assert report.exit_code == 0
    assert names(root) == set()
    assert "reconcile retry WORKSPACE 7" in report.batches[0].hint


def test_a_table_decides_what_goes_to_the_child(root: Path) -> None:
    """A class with `retry` is asked again, one with `never` is final, whatever is built in."""
    put(
        root,
        "7",
        input=[request(n) for n in range(3)],
        output=[answered(0)],
        error=[failed(1, 429), failed(2)],
    )
    table = {"policy.classes.rate-limit": "never", "policy.classes.invalid-request": "retry"}
    engine.reconcile(str(root), config.settle(flags={"provider.name": "openai", **table}))
    assert child_input(root, "7.r1") == encoded(request(2)) + b"\n"
    assert outcomes(root, "7") == {
        "q-0": ("answered", None),
        "q-1": ("failed", None),
        "q-2": ("retried", "7.r1"),
    }
    sound(root)


def test_a_class_for_a_person_holds_its_batch_alone(root: Path) -> None:
    """`attention` keeps the batch with such a failure, exit 3, until it is given up; others settle."""
    put(root, "7", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 400)])
    put(root, "8", input=[request(0), request(2)], output=[answered(0)], error=[failed(2, 404)])
    chosen = config.settle(flags={"policy.classes.invalid-request": "attention"})
    for _ in range(2):
        report = engine.reconcile(str(root), chosen)
        assert report.exit_code == 3
        assert report.batch("7").state is State.ATTENTION
        assert 'invalid-request = "attention"' in report.batch("7").because
    assert not names(root) - {"7"}
    assert decide.dismiss(str(root), chosen, ["7"]).exit_code == 0
    assert names(root) == set()
    sound(root)


@pytest.mark.parametrize("kind", ["symlink", "folder", "fifo"])
def test_a_parent_whose_manifest_is_no_file(root: Path, kind: str) -> None:
    """Its child is not sent, as one whose parent cannot be asked; every other batch settles."""
    put(root, "1", input=[request(0), request(1)], output=[answered(0)], error=[failed(1, 429)])
    run(root, provider="openai")
    put(root, "2", input=[request(2)], output=[answered(2)])
    told = root / "done/1/manifest.json"
    told.rename(root / "kept.json")
    plant(told, kind, "../../kept.json")
    report = run(root, provider="openai")
    assert report.batch("1.r1").because == "its parent 1 has not handed these requests over to it"
    assert report.batch("2").state is State.SETTLED
