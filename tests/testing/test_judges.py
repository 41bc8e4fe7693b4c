"""
The providers' own clients, which nobody here wrote, get a batch through the fake and read its every answer.

Each talks to loopback alone: its every call is among the records, with the server's address as host.
"""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import anthropic
import openai
import pytest
from google import genai
from google.genai import types
from mistralai.client import Mistral

from reconciler.testing import FakeProvider, Fate
from reconciler.testing.fates import LENGTH, MISSING, REFUSAL, error_object, expired, http_error, refused
from tests.testing.speaking import IDS, chat, jsonl

OpenAIMaker = Callable[[FakeProvider], openai.OpenAI]


def _openai(fake: FakeProvider) -> openai.OpenAI:
    return openai.OpenAI(api_key=fake.key, base_url=fake.url("openai"), max_retries=0)


def _azure(fake: FakeProvider) -> openai.OpenAI:
    return openai.AzureOpenAI(
        api_key=fake.key, azure_endpoint=fake.url("azure"), api_version="2024-10-21", max_retries=0
    )


def _azure_token(fake: FakeProvider) -> openai.OpenAI:
    return openai.AzureOpenAI(
        azure_ad_token=fake.key,
        azure_endpoint=fake.url("azure"),
        api_version="2025-04-01-preview",
        max_retries=0,
    )


def _azure_v1(fake: FakeProvider) -> openai.OpenAI:
    return openai.OpenAI(api_key=fake.key, base_url=fake.url("azure") + "/openai/v1", max_retries=0)


@pytest.fixture(autouse=True)
def only_loopback(fake: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A proxy of the environment is not used, and every call came to this server's address."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield

    assert {call.headers["host"] for call in fake.calls} == {f"127.0.0.1:{fake.port}"}
    assert {call.kind for call in fake.calls} <= set(KINDS)
    assert {mark for call in fake.calls for mark in call.keys.values()} == {
        mark for call in fake.calls.saw(fake.key) for mark in call.keys.values()
    }


KINDS: Final = "upload_start upload file files download delete_file create get list cancel delete".split()


@pytest.mark.parametrize("make", [_openai, _azure, _azure_token, _azure_v1])
def test_openai_goes_all_the_way(fake: FakeProvider, make: OpenAIMaker) -> None:
    """Upload, create, get, list with pages, cancel, download and delete, with OpenAI's and Azure's client."""
    outcomes = {"r-1": http_error(), "r-2": REFUSAL, "r-3": error_object()}
    fake.script(Fate(polls=1, outcomes=outcomes), Fate(polls=9), refused())
    with make(fake) as client:
        file = client.files.create(file=("in.jsonl", jsonl(map(chat, IDS))), purpose="batch")
        client.files.retrieve(file.id)
        made = [
            client.batches.create(
                input_file_id=file.id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={"prep_id": "T"},
            )
            for _ in range(3)
        ]
        for _ in range(2):
            done = client.batches.retrieve(made[0].id)
        cancelled = client.batches.cancel(made[1].id)
        listed = [batch.id for batch in client.batches.list(limit=2)]
        wrong = client.batches.retrieve(made[2].id)
        wrong = client.batches.retrieve(made[2].id)
        answers = client.files.content(done.output_file_id or "").text
        errors = client.files.content(done.error_file_id or "").text
        deleted = client.files.delete(file.id)

    assert (done.status, cancelled.status, wrong.status) == ("completed", "cancelling", "failed")
    assert done.metadata == {"prep_id": "T"}
    assert done.request_counts is not None
    assert (done.request_counts.completed, done.request_counts.failed) == (2, 2)
    assert wrong.errors is not None
    assert [each.code for each in wrong.errors.data or ()] == ["invalid_request"]
    assert listed == [batch.id for batch in reversed(made)]
    assert fake.calls.count("list") == 2
    assert (answers.count("\n"), errors.count("\n"), deleted.deleted) == (2, 2, True)


@pytest.mark.parametrize(
    ("url", "body", "model"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}, "chat.ChatCompletion"),
        ("/v1/responses", {"input": "x"}, "responses.Response"),
        ("/v1/embeddings", {"input": ["x", "y"]}, "CreateEmbeddingResponse"),
        ("/v1/completions", {"prompt": "x"}, "Completion"),
    ],
)
@pytest.mark.parametrize("outcome", [Fate().default, REFUSAL, LENGTH], ids=["ok", "refusal", "length"])
def test_openai_reads_answers_of_each_endpoint(
    fake: FakeProvider, url: Any, body: Any, model: str, outcome: Any
) -> None:
    """What stands in a line is what the same endpoint would have answered: OpenAI's models take it."""
    fake.default(Fate(polls=0, default=outcome))
    kind: Any = openai.types
    for part in model.split("."):
        kind = getattr(kind, part)
    line = {"custom_id": "r-1", "method": "POST", "url": url, "body": {"model": "m", **body}}
    with _openai(fake) as client:
        file = client.files.create(file=("in.jsonl", jsonl([line])), purpose="batch")
        made = client.batches.create(input_file_id=file.id, endpoint=url, completion_window="24h")
        done = client.batches.retrieve(made.id)
        answer = json.loads(client.files.content(done.output_file_id or "").text)

    assert kind.model_validate(answer["response"]["body"], strict=False)


@pytest.mark.parametrize("bearer", [False, True])
def test_anthropic_goes_all_the_way(fake: FakeProvider, bearer: bool) -> None:
    """Create, get, list with pages, cancel, results and delete, with either way to send a key."""
    outcomes = {"r-1": error_object("overloaded_error"), "r-2": REFUSAL}
    fake.script(Fate(polls=1, outcomes=outcomes), Fate(polls=9), expired(1, polls=0))
    keys: Any = {"auth_token": fake.key} if bearer else {"api_key": fake.key}
    requests: Any = [
        {
            "custom_id": number,
            "params": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]},
        }
        for number in IDS
    ]
    with anthropic.Anthropic(base_url=fake.url("anthropic"), max_retries=0, **keys) as client:
        made = [client.messages.batches.create(requests=requests) for _ in range(3)]
        for _ in range(2):
            done = client.messages.batches.retrieve(made[0].id)
        stopping = client.messages.batches.cancel(made[1].id)
        listed = [batch.id for batch in client.messages.batches.list(limit=2)]
        late = client.messages.batches.retrieve(made[2].id)
        found = {line.custom_id: line.result.type for line in client.messages.batches.results(done.id)}
        deleted = client.messages.batches.delete(done.id)

    assert (done.processing_status, stopping.processing_status) == ("ended", "canceling")
    assert (done.request_counts.errored, done.request_counts.succeeded) == (1, 3)
    assert late.request_counts.expired == 3
    assert found == {"r-1": "errored", "r-2": "succeeded", "r-3": "succeeded", "r-4": "succeeded"}
    assert listed == [batch.id for batch in reversed(made)]
    assert fake.calls.count("list") == 2
    assert deleted.type == "message_batch_deleted"


@pytest.mark.parametrize("version", ["v1beta", "v1"])
@pytest.mark.parametrize("prefix", ["BATCH_STATE_", "JOB_STATE_"])
def test_gemini_goes_all_the_way(fake: FakeProvider, version: str, prefix: Any) -> None:
    """Upload in chunks, create, get, list with pages, cancel, download and delete, on two versions."""
    fake.gemini.switches.state_prefix = prefix
    fake.script(Fate(polls=1, outcomes={"r-1": http_error(), "r-2": REFUSAL}), Fate(polls=9))
    options = types.HttpOptions(base_url=fake.url("gemini"), api_version=version)
    lines = [{"key": each, "request": {"contents": [{"parts": [{"text": "x" * 3_000_000}]}]}} for each in IDS]
    content = jsonl(lines)
    with genai.Client(api_key=fake.key, http_options=options) as client:
        file = client.files.upload(
            file=io.BytesIO(content), config={"display_name": "T", "mime_type": "application/jsonl"}
        )
        made = [
            client.batches.create(model="gemini-x", src=file.name or "", config={"display_name": "T"})
            for _ in range(2)
        ]
        for _ in range(2):
            done = client.batches.get(name=made[0].name or "")
        client.batches.cancel(name=made[1].name or "")
        listed = [batch.name for batch in client.batches.list(config={"page_size": 1})]
        files = [each.name for each in client.files.list()]
        got = client.files.download(file=done.dest.file_name if done.dest and done.dest.file_name else "")
        client.batches.delete(name=made[0].name or "")
        client.files.delete(name=file.name or "")

    assert file.size_bytes == len(content)
    assert fake.calls.count("upload") == 2
    assert done.state == types.JobState.JOB_STATE_SUCCEEDED
    assert listed == [batch.name for batch in reversed(made)]
    assert files == [file.name]
    assert [json.loads(line)["key"] for line in got.splitlines()] == list(IDS)
    for line in map(json.loads, got.splitlines()):
        if "error" not in line:
            types.GenerateContentResponse.model_validate(line["response"])


def test_gemini_reads_inline_results(fake: FakeProvider) -> None:
    """A job with its requests inside has its results inside, each with the metadata that it came with."""
    fake.default(Fate(polls=0, outcomes={"r-2": http_error(), "r-3": MISSING}))
    options = types.HttpOptions(base_url=fake.url("gemini"))
    requests: Any = [
        {"contents": [{"role": "user", "parts": [{"text": each}]}], "metadata": {"key": each}} for each in IDS
    ]
    with genai.Client(api_key=fake.key, http_options=options) as client:
        made = client.batches.create(model="gemini-x", src=requests, config={"display_name": "T"})
        done = client.batches.get(name=made.name or "")

    assert done.dest is not None
    found = done.dest.inlined_responses or []
    assert [(each.metadata or {})["key"] for each in found] == ["r-1", "r-2", "r-4"]
    assert [each.error is None for each in found] == [True, False, True]


def test_mistral_goes_all_the_way(fake: FakeProvider) -> None:
    """Upload, create of a file and inline, get, list by metadata, cancel, download and delete."""
    fake.script(Fate(polls=1, outcomes={"r-1": http_error()}), Fate(polls=9))
    lines: Any = [
        {"custom_id": each, "body": {"messages": [{"role": "user", "content": "x"}]}} for each in IDS
    ]
    with Mistral(api_key=fake.key, server_url=fake.url("mistral")) as client:
        file = client.files.upload(file={"file_name": "in.jsonl", "content": jsonl(lines)}, purpose="batch")
        first = client.batch.jobs.create(
            input_files=[file.id], model="m", endpoint="/v1/chat/completions", metadata={"prep_id": "T"}
        )
        second = client.batch.jobs.create(requests=lines, model="m", endpoint="/v1/chat/completions")
        for _ in range(2):
            done = client.batch.jobs.get(job_id=first.id)
        inline = client.batch.jobs.get(job_id=first.id, inline=True)
        stopping = client.batch.jobs.cancel(job_id=second.id)
        found = client.batch.jobs.list(metadata={"prep_id": "T"})
        pages = [client.batch.jobs.list(page=page, page_size=1).data or [] for page in range(3)]
        answers = client.files.download(file_id=done.output_file or "").read()
        files = client.files.list(search="in.jsonl")
        known = client.files.retrieve(file_id=file.id)
        gone = client.batch.jobs.delete(job_id=first.id), client.files.delete(file_id=file.id)

    assert (done.status, stopping.status) == ("SUCCESS", "CANCELLATION_REQUESTED")
    assert (done.succeeded_requests, done.failed_requests) == (3, 1)
    assert len(inline.outputs or ()) == answers.count(b"\n") == 3
    assert [job.id for job in found.data or ()] == [first.id]
    assert [[job.id for job in page] for page in pages] == [[second.id], [first.id], []]
    assert (files.total, known.filename) == (1, "in.jsonl")
    assert [each.deleted for each in gone] == [True, True]
