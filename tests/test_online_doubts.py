"""
Providers that say what cannot be, or what is only true for a while; and what does not come down whole.

Real HTTP against the fake provider; a wait moves its clock and takes no time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from reconciler.model.report import State
from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import TWICE, End, all_failed, cancelled, expired, http_error
from reconciler.testing.faults import Cut, Refuse, Reply
from tests.five import SIX, TWO_FILES, by_number, client_of, number_of, online, quick
from tests.online import Online
from tests.workspaces import files, leftovers, live, record, results, stats

provider = pytest.mark.parametrize("name", SIX)


@pytest.fixture
def fake(fake_provider: FakeProvider) -> FakeProvider:
    """A fake provider whose clock is past the times of all files."""
    fake_provider.clock.advance(60)
    return fake_provider


def all_answered(asked: Online, requests: int = 5, batch: str = "1") -> bool:
    """Whether each request has its answer, which was paid for once."""
    found = [number_of(line["custom_id"]) for line in results(asked.root, batch)]
    outcomes = {line["outcome"] for line in results(asked.root, batch)}
    return found == list(range(1, requests + 1)) and outcomes == {"answered"} and asked.creates() == 1


STATUSES: Final = {
    "unknown": ("moonlit", "moonlit_again"),
    "backwards": ("finalizing", "in_progress", "validating"),
    "no-word": ("",),
    "case": ("IN_PROGRESS", "In_Progress"),
}


@provider
@pytest.mark.parametrize("words", STATUSES.values(), ids=STATUSES)
def test_any_status_that_is_no_end(
    tmp_path: Path, fake: FakeProvider, name: str, words: tuple[str, ...]
) -> None:
    """A word that nobody knows, or an earlier one once more, means to ask again."""
    fake.script(Fate(words=words))
    asked = online(tmp_path / "ws", fake, name)

    assert asked.wait().exit_code == 0
    assert all_answered(asked)


@provider
def test_an_unknown_status_is_told(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """The provider's own word is shown and kept, and the batch waits."""
    fake.script(Fate(words=("moonlit",) * 9))
    asked = online(tmp_path / "ws", fake, name)
    asked.run()
    told = asked.run().batch("1")

    assert told.state is State.WAITING
    assert "moonlit" in told.because.lower()
    assert "moonlit" in record(asked.root, "1")["status"].lower()


@provider
def test_done_before_its_files(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """A batch that is done and names no file for two looks is asked again, and nothing is missed."""
    fake.script(Fate(late=2))
    asked = online(tmp_path / "ws", fake, name)

    assert asked.wait().exit_code == 0
    assert all_answered(asked)


@provider
def test_done_and_never_a_file(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """A batch that is done and never names a file is a person's matter: nothing is sent again."""
    fake.script(Fate(late=1000))
    asked = online(tmp_path / "ws", fake, name)
    report = asked.wait(timeout=86_400)

    assert report.exit_code == 3
    assert asked.creates() == 1


@provider
@pytest.mark.parametrize("absent", ["null", "empty-id", "empty-file"])
@pytest.mark.parametrize("fate", [Fate(), all_failed()], ids=["no-failure", "no-answer"])
def test_what_stands_for_no_file(
    tmp_path: Path, fake: FakeProvider, name: str, absent: str, fate: Fate
) -> None:
    """No id, an empty id and a file of no bytes all mean that there is nothing of the kind."""
    fake.script(Fate(default=fate.default, absent=absent))  # type: ignore[arg-type]
    asked = online(tmp_path / "ws", fake, name)

    assert asked.wait().exit_code == 0
    assert len(results(asked.root, "1")) == 5
    assert not [call for call in fake.calls.of("download") if "//" in call.path]
    if name in TWO_FILES and absent == "empty-file":
        sizes = sorted(path.stat().st_size for path in (asked.root / "done/1").glob("batch_[oe]*"))
        assert sizes[0] == 0


@provider
def test_results_in_any_order(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """Answers are joined by their ids; results stand in the order of the requests."""
    fake.script(Fate(shuffle=True))
    asked = online(tmp_path / "ws", fake, name, requests=20)

    assert asked.wait().exit_code == 0
    assert all_answered(asked, 20)


LIES: Final[dict[str, dict[str, Any]]] = {
    "openai": {"total": 5, "completed": 9, "failed": 3},
    "azure": {"total": 5, "completed": 9, "failed": 3},
    "anthropic": {"succeeded": 0, "errored": 5},
    "gemini": {"requestCount": "99", "successfulRequestCount": "98", "failedRequestCount": "1"},
    "mistral": {"total_requests": 9, "succeeded_requests": 9, "failed_requests": 9},
    "openrouter": {"total": 5, "completed": 9, "failed": 3},
}


@provider
def test_counts_that_lie(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """Files that hold an answer for each request are believed, whatever is counted."""
    fake.script(Fate(counts=LIES[name]))
    asked = online(tmp_path / "ws", fake, name)

    assert asked.wait().exit_code == 0
    assert all_answered(asked)


@provider
@pytest.mark.parametrize(
    "fate", [Fate(outcomes={}, choose=by_number({3: TWICE})), Fate(foreign=("nobody-9",))]
)
def test_answers_that_match_nothing(tmp_path: Path, fake: FakeProvider, name: str, fate: Fate) -> None:
    """An answer too many, or one that nobody asked for, sets the batch aside, and only that is reported."""
    fake.script(fate)
    asked = online(tmp_path / "ws", fake, name)
    report = asked.wait()

    assert report.exit_code == 3
    assert [batch.state for batch in report.batches] == [State.ATTENTION]
    assert (asked.root / "quarantine/1.1/reason.json").exists()
    assert asked.creates() == 1


@provider
@pytest.mark.parametrize("kind", ["get", "download"])
def test_a_slip_of_memory(tmp_path: Path, fake: FakeProvider, name: str, kind: str) -> None:
    """A 404 for a batch, or for its results, that comes once is no loss."""
    asked = online(tmp_path / "ws", fake, name)
    asked.run()
    fake.fault(kind, Refuse(404, "No such thing"), times=1)  # type: ignore[arg-type]
    report = asked.wait()

    assert report.exit_code == 0
    assert all_answered(asked)


@provider
@pytest.mark.parametrize("gone", ["results", "batch"])
def test_results_that_are_gone(tmp_path: Path, fake: FakeProvider, name: str, gone: str) -> None:
    """Answers that the provider has no more are for a person: nothing is sent, moved or written again."""
    fake.script(Fate(vanishes="results"))
    asked = online(tmp_path / "ws", fake, name)
    asked.run()
    if gone == "batch":
        fake.batches[0].deleted = True
    report = asked.wait(timeout=86_400)

    assert (report.exit_code, report.batch("1").state) == (3, State.ATTENTION)
    assert ("gone" if gone == "results" else "does not know") in report.batch("1").because
    before = record(asked.root, "1")
    assert asked.run().exit_code == 3
    assert record(asked.root, "1") == before
    assert (asked.creates(), fake.calls.count("create")) == (1, 1)
    assert (live(asked.root) / "batch_input_1.jsonl").exists()


def test_results_that_were_kept_no_longer(tmp_path: Path, fake: FakeProvider) -> None:
    """Whether they were lost or their time was over, it is said which."""
    fake.script(Fate(vanishes="results"))
    asked = online(tmp_path / "ws", fake, "openai")
    told = "they were kept until a while ago"
    assert told not in asked.wait(timeout=86_400).batch("1").because
    fake.clock.advance(31 * 86_400)
    assert told in asked.run().batch("1").because


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_a_batch_that_is_gone_after_its_end_is_not_sent_again(
    tmp_path: Path, fake: FakeProvider, end: End
) -> None:
    """That its provider knows an ended batch no more is no word that nothing was answered."""
    fake.script(Fate(end=end, done=3, counts={"completed": 0, "failed": 0}, late=9))
    asked = online(tmp_path / "ws", fake, "openai")
    asked.run()
    while record(asked.root, "1").get("status") != end:
        fake.clock.advance(3600)
        asked.run()
    fake.batches[0].deleted = True
    report = asked.wait(timeout=86_400)

    assert (report.exit_code, report.batch("1").state) == (3, State.ATTENTION)
    assert "does not know" in report.batch("1").because
    assert asked.run().exit_code == 3
    assert (asked.creates(), fake.calls.count("create")) == (1, 1)


def test_a_batch_that_is_known_again_is_not_lost(tmp_path: Path, fake: FakeProvider) -> None:
    """Looks that found nothing count only in a row, and one that found it, whatever it says, ends the row."""
    fake.script(Fate(polls=10**6))
    asked = online(tmp_path / "ws", fake, "openai")
    asked.run()
    asked.run()
    for _ in range(3):
        for is_gone in (True, True, False):
            fake.batches[0].deleted = is_gone
            fake.clock.advance(3600)
            assert asked.run().batch("1").state is State.WAITING
    assert "odd" not in record(asked.root, "1").get("online", {})


@provider
def test_a_cut_download_goes_on(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """A download that is cut twice goes on where it was cut, where the provider serves parts."""
    asked = online(tmp_path / "ws", fake, name, requests=50)
    with quick(fake) as http:
        asked.wire = lambda: http
        fake.fault("download", Cut(3000, "length"), times=1)
        fake.fault("download", Cut(2000, "reset"), nth=2, times=1)
        report = asked.wait()

    assert report.exit_code == 0
    assert all_answered(asked, 50)
    parts = [call.headers["range"] for call in fake.calls.of("download") if "range" in call.headers]
    if name == "openrouter":
        # A page has no parts: it is asked for again.
        assert (parts, fake.calls.count("download")) == ([], 3)
        return
    assert parts
    if name in TWO_FILES:
        assert parts[0] == "bytes=3000-"


@provider
@pytest.mark.parametrize(
    "fate", [Fate(), expired(6), cancelled(6)], ids=["completed", "expired", "cancelled"]
)
@pytest.mark.parametrize("counted", [True, False], ids=["counted", "uncounted"])
def test_a_cut_that_nobody_can_see(
    tmp_path: Path, fake: FakeProvider, name: str, fate: Fate, *, counted: bool
) -> None:
    """
    A download that ends early at the end of a line, without a length, is fetched again before it is believed.

    Above all where a missing answer would be asked again: it was paid for.
    """
    fake.gemini.switches.expired_output = fake.gemini.switches.cancelled_output = True
    fake.script(
        fate if counted else Fate(end=fate.end, done=fate.done, counts=dict.fromkeys(LIES[name], None))
    )
    asked = online(tmp_path / "ws", fake, name, requests=10)
    fake.fault("download", Cut(700, "line"), times=1)
    report = asked.wait()

    assert report.exit_code == 0
    assert asked.creates() == (1 if fate.end == "completed" else 2)
    outcomes = [line["outcome"] for line in results(asked.root, "1")]
    assert outcomes.count("answered") == (10 if fate.end == "completed" else 6)


@provider
@pytest.mark.parametrize(
    "fate", [Fate(), expired(6), cancelled(6)], ids=["completed", "expired", "cancelled"]
)
def test_a_cut_that_never_ends(tmp_path: Path, fake: FakeProvider, name: str, fate: Fate) -> None:
    """Answers that are counted there and never come down are not asked again: a person decides."""
    fake.gemini.switches.expired_output = fake.gemini.switches.cancelled_output = True
    fake.script(fate)
    asked = online(tmp_path / "ws", fake, name, requests=10)
    fake.fault("download", Cut(700, "line"), times=None)
    report = asked.wait(timeout=86_400)

    # A page that is cut is no JSON: it shows, and is never believed.
    expected = (1, State.FAILED) if name == "openrouter" else (3, State.ATTENTION)
    assert (report.exit_code, report.batch("1").state) == expected
    assert asked.creates() == 1


@provider
def test_a_page_in_place_of_results(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """A web page is no result file: nothing of it is kept, and the next pass has the answers."""
    asked = online(tmp_path / "ws", fake, name)
    page = Reply(200, b"<!doctype html><title>Sign in</title>", "text/html")
    fake.fault("download", page, times=4)
    asked.run()
    asked.run()
    failed = asked.run()

    assert failed.exit_code == 1
    assert not list(live(asked.root).glob("batch_[oe]*"))
    assert not leftovers(asked.root)
    assert asked.wait().exit_code == 0
    assert all_answered(asked)


SAID: Final = {
    "anthropic": '{"custom_id":"q-%d","result":{"type":"succeeded","message":{"model":"c","content":[{"type":'
    '"text","text":"4"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}}}',
    "gemini": '{"key":"q-%d","response":{"candidates":[{"content":{"parts":[{"text":"4"}]},'
    '"finishReason":"STOP"}]}}',
}
"""A line of the one stream of a provider."""


@pytest.mark.parametrize("name", SAID)
def test_a_line_of_one_stream_that_cannot_be_read(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """A stream that is made into two files here loses no line to that; what is broken is set aside, whole."""
    lines = [SAID[name] % 1, '{"custom_id": ', *(SAID[name] % number for number in (3, 4, 5))]
    asked = online(tmp_path / "ws", fake, name)
    fake.fault("download", Reply(200, "\n".join([*lines, ""]).encode(), "application/jsonl"), times=None)
    report = asked.wait()

    assert report.batch("1").state is State.ATTENTION
    assert "workdir/batch_output_1.jsonl:2: not JSON" in report.batch("1").because
    kept = (asked.root / "quarantine/1.1/batch_output_1.jsonl").read_text("utf-8").splitlines()
    assert kept == lines
    asked.run()
    assert asked.creates() == 1


@provider
def test_nothing_new_writes_nothing(tmp_path: Path, fake: FakeProvider, name: str) -> None:
    """A pass over a batch whose status has not changed changes no file, no time and no inode."""
    fake.script(Fate(polls=1000))
    asked = online(tmp_path / "ws", fake, name)
    for _ in range(4):
        asked.run()
        fake.clock.advance(60)
    before = (files(asked.root), stats(asked.root))
    calls = len(fake.calls)
    report = asked.run()

    assert report.exit_code == 75
    assert (files(asked.root), stats(asked.root)) == before
    assert {call.method for call in tuple(fake.calls)[calls:]} == {"GET"}


def test_nothing_new_of_many_writes_nothing(tmp_path: Path, fake: FakeProvider) -> None:
    """Nor does one over many batches, which are asked for by a list."""
    fake.default(Fate(polls=1000))
    asked = online(tmp_path / "ws", fake, "openai")
    source = (live(asked.root) / "batch_input_1.jsonl").read_bytes()
    for number in range(2, 9):
        data = source.replace(b"question", b"question %d." % number)
        (live(asked.root) / f"batch_input_{number}.jsonl").write_bytes(data)
    for _ in range(4):
        asked.run()
        fake.clock.advance(60)
    before = (files(asked.root), stats(asked.root))
    asked.run()

    assert asked.creates() == 8
    assert (files(asked.root), stats(asked.root)) == before


SERVICES: Final[dict[str, dict[str, Any]]] = {
    "together": {
        "purpose": "batch-api", "metadata": False, "wrapper": "job", "upper_case": True, "iso": True,
        "counts": False,
    },
    "azure-samples": {"capital": True, "iso": True, "null_counts": True, "list_key": "value"},
    "plain-errors": {"lines": "vllm"},
    "body-as-text": {"lines": "ogx"},
    "no-paging": {"paging": False, "oldest_first": True, "ranges": False},
}  # fmt: skip


@pytest.mark.parametrize("service", SERVICES)
def test_services_that_speak_nearly_the_same(tmp_path: Path, fake: FakeProvider, service: str) -> None:
    """Wrappers, cases, times, lists and error lines as compatible services have them make no difference."""
    for switch, value in SERVICES[service].items():
        setattr(fake.openai.switches, switch, value)
    fake.script(Fate(choose=by_number({2: http_error(500)}), shuffle=True))
    asked = online(tmp_path / "ws", fake, "openai")
    if service == "together":
        asked.client = client_of("together", fake)
    report = asked.wait()

    assert report.exit_code == 0
    outcomes = [line["outcome"] for line in results(asked.root, "1")]
    assert outcomes.count("answered") == 4
    assert asked.creates() == 2
