"""What OpenAI refuses, what Azure and compatible services do otherwise, and each switch both ways."""

from typing import Any

import attrs
import pytest

from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import all_failed, error_object, expired, token_limit_exceeded
from reconciler.testing.switches import OpenAISwitches
from reconciler.testing.world import DAY
from tests.testing.speaking import IDS, AzureSpeaker, Json, OpenAISpeaker, chat, jsonl, read


def failed(openai: OpenAISpeaker, lines: list[Any], **fields: Any) -> list[tuple[str, int | None]]:
    """The errors of a batch of *lines*, each as its code and line."""
    told = openai.get(openai.put(lines, **fields)).json()
    for _ in range(2):
        told = openai.get(told["id"]).json()
    if told["errors"] is None:
        return []
    assert told["status"] == "failed"
    return [(each["code"], each["line"]) for each in told["errors"]["data"]]


def done(openai: OpenAISpeaker, fate: Fate) -> Json:
    """A batch at its end."""
    openai.fake.script(attrs.evolve(fate, polls=0))
    told: Json = openai.get(openai.submit(IDS)).json()
    return told


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"endpoint": "/v1/images"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"completion_window": None}, "completion_window"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: "x"}}, "metadata"),
        ({"metadata": {"k": "x" * 513}}, "metadata"),
        ({"metadata": {"k": 1}}, "metadata"),
        ({"input_file_id": "file-nobody"}, "file_id"),
    ],
)
def test_a_create_is_refused(openai: OpenAISpeaker, fields: Json, param: str) -> None:
    """A wrong endpoint, window, metadata or file is a 400 on create that names what is wrong."""
    file_id = openai.upload(jsonl([chat("r-1")])).json()["id"]
    reply = openai.make(**{"file_id": file_id} | {k: v for k, v in fields.items() if k != "input_file_id"})
    if "input_file_id" in fields:
        reply = openai.make("file-nobody")

    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


def test_uploads_are_refused(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """A wrong purpose, a name that does not end in .jsonl, and too many bytes are 400s."""
    fake.openai.switches.most_upload = 10

    assert openai.upload(b"", purpose="fine-tune").status_code == 400
    assert "Must be .jsonl" in openai.upload(b"", "in.json").text
    assert "too large" in openai.upload(b"x" * 11).text
    assert openai.upload(b"x", **{"expires_after[seconds]": "1"}).status_code == 400


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([chat("r-1"), chat("r-1")], [("duplicate_custom_id", 2)]),
        ([chat("r-1"), chat("r-2", url="/v1/embeddings")], [("url_mismatch", 2)]),
        ([chat("r-1", model="")], [("model_not_found", 1)]),
        ([{"custom_id": "r-1", "method": "POST"}], [("invalid_request", 1)]),
        ([chat("r-1") | {"method": "GET"}], [("invalid_request", 1)]),
        ([chat("")], [("invalid_request", 1)]),
        ([["no object"]], [("invalid_json_line", 1)]),
        ([], [("empty_file", None)]),
    ],
)
def test_lines_are_refused_at_validation(
    openai: OpenAISpeaker, lines: list[Any], expected: list[tuple[str, int | None]]
) -> None:
    """Bad lines are taken by upload and create; the batch fails and names the lines, counted from 1."""
    assert failed(openai, lines) == expected


def test_a_line_that_is_no_json(openai: OpenAISpeaker) -> None:
    """A torn line is named, too."""
    file_id = openai.upload(jsonl([chat("r-1")]) + b'{"custom_id":').json()["id"]
    batch = openai.make(file_id).json()["id"]
    for _ in range(3):
        told = openai.get(batch).json()

    assert [each["line"] for each in told["errors"]["data"]] == [2]


def test_switches_of_validation_work_both_ways(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """Two models in a file, and more requests than allowed, fail or pass as the switches say."""
    lines = [chat("r-1"), chat("r-2", model="other")]
    strict = failed(openai, lines)
    fake.openai.switches.one_model = False
    lax = failed(openai, lines)
    fake.openai.switches.most_requests = 1

    assert (strict, lax) == ([("model_mismatch", None)], [])
    assert failed(openai, lines) == [("too_many_tasks", None)]


def test_the_queue_is_full(openai: OpenAISpeaker) -> None:
    """A full queue is no error on create: the batch fails later, with nothing counted."""
    told = done(openai, token_limit_exceeded())

    assert told["errors"]["data"][0]["code"] == "token_limit_exceeded"
    assert told["request_counts"] == {"total": 0, "completed": 0, "failed": 0}


def test_all_failed_has_no_output_file(openai: OpenAISpeaker) -> None:
    """Completed with every request failed: the output file is null."""
    told = done(openai, all_failed())

    assert (told["status"], told["output_file_id"]) == ("completed", None)
    assert told["error_file_id"]


@pytest.mark.parametrize(("absent", "expected"), [("null", None), ("empty-id", "")])
def test_a_file_that_is_not_there(openai: OpenAISpeaker, absent: Any, expected: str | None) -> None:
    """Where nothing failed the error file is null, or an empty id."""
    assert done(openai, Fate(absent=absent))["error_file_id"] == expected


def test_an_empty_file_may_stand_for_none(openai: OpenAISpeaker, azure: AzureSpeaker) -> None:
    """By a fate at OpenAI and always at Azure, the error file is one of no bytes."""
    for speaker, fate in ((openai, Fate(absent="empty-file")), (azure, Fate())):
        told = done(speaker, fate)
        reply = speaker.ask("GET", f"/files/{told['error_file_id']}/content")

        assert (reply.status_code, reply.content) == (200, b"")


def test_an_expired_batch_counts_less_than_its_total(openai: OpenAISpeaker) -> None:
    """Completed and failed may be fewer than the total, and lines that never ran share a line id."""
    told = done(openai, expired(1))
    lines = read(openai.ask("GET", f"/files/{told['error_file_id']}/content").content)

    assert told["request_counts"] == {"total": 4, "completed": 1, "failed": 0}
    assert {line["id"] for line in lines} == {"batch_req_123"}
    assert {line["response"] for line in lines} == {None}


def test_counts_lie(openai: OpenAISpeaker) -> None:
    """Counts are what the fate says they are."""
    assert done(openai, Fate(counts={"total": 99, "completed": None}))["request_counts"] == {
        "total": 99,
        "completed": None,
        "failed": 0,
    }


def test_results_vanish(openai: OpenAISpeaker) -> None:
    """A file that the batch names may be gone."""
    told = done(openai, Fate(vanishes="results"))

    assert openai.ask("GET", f"/files/{told['output_file_id']}/content").status_code == 404


def test_files_expire_by_the_clock(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """Thirty days after its making a file is gone, or earlier when its upload said so."""
    told = done(openai, Fate())
    short = openai.upload(b"x", **{"expires_after[seconds]": "3600"}).json()["id"]
    fake.clock.advance(3600)
    early = openai.ask("GET", f"/files/{short}").status_code
    kept = openai.ask("GET", f"/files/{told['output_file_id']}").status_code
    fake.clock.advance(30 * DAY)

    assert (early, kept) == (404, 200)
    assert openai.ask("GET", f"/files/{told['output_file_id']}").status_code == 404


def test_lists_have_pages(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """Batches and files come in pages of the limit, newest first, or oldest first by a switch."""
    made = [openai.submit(["r-1"]) for _ in range(3)]
    first = openai.fetch("/batches?limit=2")
    second = openai.fetch(f"/batches?limit=2&after={first['last_id']}")
    files = openai.fetch("/files?purpose=batch&limit=1&order=asc")
    fake.openai.switches.oldest_first = True

    assert [each["id"] for page in (first, second) for each in page["data"]] == made[::-1]
    assert (first["has_more"], second["has_more"], files["has_more"]) == (True, False, True)
    assert files["data"][0]["id"] == fake.files[0].id
    assert openai.listed() == made
    assert openai.ask("GET", "/batches?limit=101").status_code == 400
    assert openai.ask("GET", "/batches?after=nobody").status_code == 400


def test_ranges(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """A part of a file, a range behind its end, and a server that knows no ranges."""
    file_id = openai.upload(b"0123456789").json()["id"]
    path = f"/files/{file_id}/content"
    part = openai.ask("GET", path, headers={"range": "bytes=2-4"})
    behind = openai.ask("GET", path, headers={"range": "bytes=10-"})
    fake.openai.switches.ranges = False
    whole = openai.ask("GET", path, headers={"range": "bytes=2-4"})

    assert (part.status_code, part.content) == (206, b"234")
    assert (behind.status_code, behind.headers["content-range"]) == (416, "bytes */10")
    assert (whole.status_code, whole.content) == (200, b"0123456789")


@pytest.mark.parametrize(
    ("shape", "outcome", "expected"),
    [
        ("ogx", "response", str),
        ("ogx", "error", dict),
        ("vllm", "error", str),
        ("openai", "error", dict),
    ],
)
def test_lines_of_other_servers(
    fake: FakeProvider, openai: OpenAISpeaker, shape: Any, outcome: str, expected: type
) -> None:
    """A body that is a JSON text, and errors that are plain texts or stand alone."""
    fake.openai.switches.lines = shape
    told = done(openai, Fate(outcomes={"r-1": error_object()}))
    role = "output" if outcome == "response" else "error"
    line = read(openai.ask("GET", f"/files/{told[f'{role}_file_id']}/content").content)[0]

    assert isinstance(line["response"]["body"] if outcome == "response" else line["error"], expected)
    assert ("response" in line) == (outcome == "response" or shape != "ogx")


def test_a_service_like_together(fake: FakeProvider, openai: OpenAISpeaker) -> None:
    """Another purpose, a wrapped create, upper-case states, ISO times, no metadata and no counts."""
    fake.openai.switches = OpenAISwitches(
        purpose="batch-api",
        windows=(),
        lines_have_url=False,
        metadata=False,
        wrapper="job",
        upper_case=True,
        iso=True,
        counts=False,
        paging=False,
    )
    fake.default(Fate(polls=0))
    line = {"custom_id": "r-1", "body": chat("r-1")["body"]}
    file_id = openai.upload(jsonl([line]), purpose="batch-api").json()["id"]
    job = openai.make(file_id, metadata={"prep_id": "T"}).json()["job"]
    told = openai.get(job["id"]).json()

    assert (job["status"], told["status"], told["progress"]) == ("VALIDATING", "COMPLETED", 100)
    assert told["created_at"].endswith("Z")
    assert not {"metadata", "request_counts"} & set(told)
    assert set(openai.fetch("/batches")) == {"object", "data"}


def test_azures_samples(fake: FakeProvider, azure: AzureSpeaker) -> None:
    """States with a capital, ISO times, null counts and `value` in place of `data`, as its samples show."""
    switches = fake.azure.switches
    switches.capital = switches.iso = switches.null_counts = True
    switches.list_key = "value"
    batch = azure.submit(IDS)
    told = azure.fetch("/batches")["value"][0]
    fake.batches[0].stage = "queued"

    assert (told["id"], told["status"]) == (batch, "In_progress")
    assert told["created_at"].endswith("Z")
    assert azure.fake.azure.switches.null_counts


def test_azure_wants_a_version_and_a_processed_file(fake: FakeProvider, azure: AzureSpeaker) -> None:
    """Without an api-version the older surface has nothing; a file is processed at a later look."""
    file_id = azure.upload(jsonl([chat("r-1")])).json()["id"]
    early = azure.make(file_id).status_code
    azure.ready(file_id)
    url = fake.url("azure")

    assert early == 400
    assert azure.make(file_id).status_code == 200
    assert azure.http.get(f"{url}/openai/batches", headers=azure.headers()).status_code == 404
    assert azure.http.get(f"{url}/openai/v1/batches", headers=azure.headers()).status_code == 200
    assert azure.upload(b"", **{"expires_after.seconds": "3600"}).status_code == 400


def test_azure_takes_no_byte_order_mark(azure: AzureSpeaker) -> None:
    """A file with a BOM fails, with a message about something else."""
    file_id = azure.upload(b"\xef\xbb\xbf" + jsonl([chat("r-1")])).json()["id"]
    azure.ready(file_id)
    batch = azure.make(file_id).json()["id"]
    for _ in range(3):
        told = azure.get(batch).json()

    assert "deployment name" in told["errors"]["data"][0]["message"]


@pytest.mark.parametrize("files", [False, True])
def test_a_failed_batch_may_have_files(fake: FakeProvider, azure: AzureSpeaker, files: bool) -> None:
    """A batch that failed at validation carries no file ids, or those of empty files."""
    fake.azure.switches.failed_has_files = files
    told = done(azure, token_limit_exceeded())

    assert (told["status"], bool(told["output_file_id"])) == ("failed", files)
