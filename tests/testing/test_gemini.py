"""What Gemini refuses, its upload, where it tells results, and each of its switches both ways."""

from typing import Any

import pytest

from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import MISSING, http_error, refused
from reconciler.testing.world import DAY
from tests.testing.speakers import GeminiSpeaker
from tests.testing.speaking import IDS, read


def test_a_gemini_upload_in_chunks(fake: FakeProvider, gemini: GeminiSpeaker) -> None:
    """Chunks go to their offset; a wrong offset, too many bytes and a second finalize are refused."""
    url = gemini.start(6).headers["x-goog-upload-url"]
    active = gemini.chunk(url, b"abc", 0, "upload")
    wrong = gemini.chunk(url, b"def", 2)
    asked = gemini.chunk(url, b"", 0, "query")
    fake.gemini.switches.status_missing = 1
    silent = gemini.chunk(url, b"def", 3)
    final = gemini.chunk(url, b"", 6, "upload, finalize")
    again = gemini.chunk(url, b"", 6, "finalize")

    assert (active.headers["x-goog-upload-status"], wrong.status_code) == ("active", 400)
    assert asked.headers["x-goog-upload-size-received"] == "3"
    assert "x-goog-upload-status" not in silent.headers
    assert final.headers["x-goog-upload-status"] == "final"
    assert final.json()["file"]["sizeBytes"] == "6"
    assert again.status_code == 404


def test_a_gemini_upload_that_is_short(gemini: GeminiSpeaker) -> None:
    """Fewer bytes than announced make no file."""
    url = gemini.start(6).headers["x-goog-upload-url"]

    assert gemini.chunk(url, b"abc", 0).status_code == 400
    assert gemini.fetch("/v1beta/files")["files"] == []


def test_gemini_upload_url_points_elsewhere(fake: FakeProvider, gemini: GeminiSpeaker) -> None:
    """The upload URL may name another server."""
    fake.gemini.switches.upload_origin = "http://127.0.0.1:9"

    assert gemini.start(1).headers["x-goog-upload-url"].startswith("http://127.0.0.1:9/")


@pytest.mark.parametrize("place", ["metadata", "response", "both"])
@pytest.mark.parametrize("prefix", ["BATCH_STATE_", "JOB_STATE_"])
@pytest.mark.parametrize("inline", [False, True])
def test_where_gemini_tells_results(
    fake: FakeProvider,
    gemini: GeminiSpeaker,
    place: Any,
    prefix: Any,
    inline: bool,
) -> None:
    """Results are in the metadata, in the response, or in both; a file or inline; under either prefix."""
    fake.gemini.switches.place, fake.gemini.switches.state_prefix = place, prefix
    fake.default(Fate(polls=0))
    told = gemini.get(gemini.inline(IDS) if inline else gemini.submit(IDS)).json()
    found = {
        name
        for name, each in (("metadata", told["metadata"].get("output")), ("response", told.get("response")))
        if each and (each["inlinedResponses"]["inlinedResponses"] if inline else each["responsesFile"])
    }

    assert found == ({place} if place != "both" else {"metadata", "response"})
    assert (told["metadata"]["state"], told["done"]) == (f"{prefix}SUCCEEDED", True)


def test_gemini_lists_without_inline_results(fake: FakeProvider, gemini: GeminiSpeaker) -> None:
    """A list leaves inline results out, has pages, and takes no filter."""
    fake.default(Fate(polls=0))
    made = [gemini.inline(IDS) for _ in range(2)]
    first = gemini.fetch("/v1beta/batches", params={"pageSize": 1})
    token = first["nextPageToken"]
    second = gemini.fetch("/v1beta/batches", params={"pageSize": 1, "pageToken": token})

    assert [page["operations"][0]["name"] for page in (first, second)] == made[::-1]
    assert "output" not in first["operations"][0]["metadata"]
    assert "nextPageToken" not in second
    assert gemini.ask("GET", "/v1beta/batches", params={"filter": "x"}).status_code == 400


def test_gemini_result_files(fake: FakeProvider, gemini: GeminiSpeaker) -> None:
    """A result's id is too long for a file-get; both download paths work or one; uploads have none."""
    fake.default(Fate(polls=0))
    name = gemini.get(gemini.submit(IDS)).json()["metadata"]["output"]["responsesFile"]
    media = {"alt": "media"}
    paths = (f"/v1beta/{name}:download", f"/download/v1beta/{name}:download")
    both = [gemini.ask("GET", path, params=media).status_code for path in paths]
    fake.gemini.switches.download_paths = "download"
    one = [gemini.ask("GET", path, params=media).status_code for path in paths]
    uploaded = gemini.upload(b"x")

    assert len(name.removeprefix("files/")) == 42
    assert gemini.ask("GET", f"/v1beta/{name}").status_code == 400
    assert (both, one) == ([200, 200], [404, 200])
    assert gemini.ask("GET", f"/download/v1beta/{uploaded}:download", params=media).status_code == 400


def test_gemini_refuses_creates(fake: FakeProvider, gemini: GeminiSpeaker) -> None:
    """No name, no input, no such file, a file not ready, too much inline and too many jobs are refused."""
    requests = {"requests": {"requests": [gemini.line("r-1")]}}
    fake.gemini.switches.ready = 1
    young = gemini.upload(b"{}")
    refusals = [
        gemini.make(requests, name=""),
        gemini.make({}),
        gemini.make({"fileName": "files/nobody"}),
        gemini.make({"fileName": young}),
    ]
    fake.gemini.switches.most_running = 0
    full = gemini.make(requests)
    fake.gemini.switches.most_running, fake.gemini.switches.most_inline = 1, 10

    assert [reply.status_code for reply in refusals] == [400, 400, 404, 400]
    assert (full.status_code, full.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert gemini.make(requests).status_code == 400
    assert gemini.fetch(f"/v1beta/{young}")["state"] == "ACTIVE"
    assert gemini.ask("GET", "/v9/batches").status_code == 404


def test_gemini_takes_snake_case(gemini: GeminiSpeaker) -> None:
    """The keys of a create may be those of the REST samples."""
    body = {"batch": {"display_name": "T", "input_config": {"file_name": gemini.upload(b"{}\n")}}}
    made = gemini.ask("POST", "/v1beta/models/m:batchGenerateContent", json=body).json()

    assert made["metadata"]["displayName"] == "T"


def test_geminis_ends(fake: FakeProvider, gemini: GeminiSpeaker) -> None:
    """Partly succeeded by a switch; failed has an error; a torn line fails the job; the stats are texts."""
    fake.gemini.switches.partially_succeeded = True
    fake.script(Fate(polls=0, outcomes={"r-1": MISSING, "r-2": http_error()}), refused(), Fate(polls=0))
    partly = gemini.get(gemini.submit(IDS)).json()
    failed = gemini.submit(IDS)
    torn = gemini.make({"fileName": gemini.upload(b"{torn\n")}).json()["name"]
    for _ in range(2):
        told = [gemini.get(each).json() for each in (failed, torn)]

    assert partly["metadata"]["state"] == "BATCH_STATE_PARTIALLY_SUCCEEDED"
    assert partly["metadata"]["batchStats"]["failedRequestCount"] == "1"
    assert [each["metadata"]["state"] for each in told] == ["BATCH_STATE_FAILED"] * 2
    assert [each["error"]["code"] for each in told] == [3, 3]


@pytest.mark.parametrize("status", [404, 403])
def test_geminis_answers_to_strangers(fake: FakeProvider, gemini: GeminiSpeaker, status: int) -> None:
    """What belongs to somebody else is a 404, or a 403; a wrong key a 400, or a 401."""
    fake.gemini.switches.not_yours = status
    batch = gemini.submit(IDS)
    gemini.key = "other-key"
    theirs = gemini.get(batch).status_code
    gemini.key = "nobody"

    assert (theirs, gemini.get(batch).status_code) == (status, 400)
    assert gemini.http.get(f"{gemini.url}/v1beta/batches").status_code == 403


@pytest.mark.parametrize("member", ["error", "status"])
def test_geminis_failed_lines(fake: FakeProvider, gemini: GeminiSpeaker, member: Any) -> None:
    """A failed line has an `error`, or a `status`."""
    fake.gemini.switches.error_member = member
    fake.default(Fate(polls=0, default=http_error(400)))
    name = gemini.get(gemini.submit(["r-1"])).json()["metadata"]["output"]["responsesFile"]
    reply = gemini.ask("GET", f"/v1beta/{name}:download", params={"alt": "media"})

    assert read(reply.content)[0][member]["code"] == 400


def test_geminis_uploads_last_two_days(fake: FakeProvider, gemini: GeminiSpeaker) -> None:
    """An uploaded file is gone after 48 hours; its digest has two possible readings."""
    name = gemini.upload(b"x")
    first = gemini.fetch(f"/v1beta/{name}")["sha256Hash"]
    fake.gemini.switches.sha256_of_hex = True
    second = gemini.fetch(f"/v1beta/{name}")["sha256Hash"]
    fake.clock.advance(2 * DAY)

    assert first != second
    assert gemini.ask("GET", f"/v1beta/{name}").status_code == 404
