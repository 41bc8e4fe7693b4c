"""What Mistral refuses, how it lists, and each of its switches both ways."""

from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.testing import FakeProvider, Fate
from tests.testing.speaking import IDS, MistralSpeaker, jsonl


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"endpoint": "/v1/other"}, 422),
        ({"metadata": {"k" * 33: "x"}}, 422),
        ({"metadata": {"k": ""}}, 422),
        ({"timeout_hours": 200}, 422),
        ({"input_files": ["nobody"]}, 404),
        ({"requests": [], "input_files": []}, 422),
    ],
)
@pytest.mark.parametrize("detail", [True, False])
def test_mistral_refuses_creates(
    fake: FakeProvider,
    mistral: MistralSpeaker,
    fields: dict[str, Any],
    status: int,
    detail: bool,
) -> None:
    """A wrong endpoint, metadata, time or input is refused, a 422 in one of two shapes [recall]."""
    fake.mistral.switches.detail = detail
    usual = {"input_files": [mistral.upload(jsonl([mistral.line("r-1")])).json()["id"]]}
    reply = mistral.make(**{**usual, **fields})

    assert reply.status_code == status
    assert ("detail" in reply.json()) == (detail and status == 422)


def test_mistral_fails_without_line_numbers(mistral: MistralSpeaker) -> None:
    """What is wrong with lines is told in groups, with their counts."""
    file_id = mistral.upload(jsonl([mistral.line("r-1"), mistral.line("r-2")])).json()["id"]
    job = mistral.make(input_files=[file_id], model=None).json()["id"]
    for _ in range(3):
        told = mistral.get(job).json()

    assert (told["status"], [each["count"] for each in told["errors"]]) == ("FAILED", [2])


@pytest.mark.parametrize("honoured", [True, False])
def test_mistral_lists(fake: FakeProvider, mistral: MistralSpeaker, honoured: bool) -> None:
    """Metadata pairs narrow a list, or do nothing; time, state, model and order do."""
    fake.mistral.switches.metadata_filter = honoured
    requests = [mistral.line("r-1")]
    first = mistral.make(requests=requests, metadata={"prep_id": "T"}).json()["id"]
    fake.clock.advance(100)
    second = mistral.make(requests=requests, model="other").json()["id"]

    def listed(**params: Any) -> list[str]:
        return [each["id"] for each in mistral.fetch("/v1/batch/jobs", params=params)["data"]]

    since = mistral.fetch("/v1/batch/jobs")["data"][0]["created_at"]
    assert listed(prep_id="T") == ([first] if honoured else [second, first])
    assert listed(order_by="created", page_size=1) == [first]
    assert listed(model="other", status=["RUNNING", "SUCCESS"]) == [second]
    assert listed(created_after=f"{time_text(since)}") == [second]


def time_text(seconds: int) -> str:
    """An ISO text."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


@pytest.mark.parametrize("on", [True, False])
def test_mistrals_switches(fake: FakeProvider, mistral: MistralSpeaker, on: bool) -> None:
    """Partial results, deletion and texts in chunks: both ways."""
    switches = fake.mistral.switches
    switches.partial = switches.delete = switches.chunks = on
    fake.script(Fate(end="expired", polls=0), Fate(polls=0))
    partial, whole = mistral.submit(IDS), mistral.submit(IDS)
    told = mistral.get(partial).json()
    answer = mistral.fetch(f"/v1/batch/jobs/{whole}", params={"inline": "true"})["outputs"][0]
    content = answer["response"]["body"]["choices"][0]["message"]["content"]

    assert bool(told["output_file"]) is on
    assert isinstance(content, list) is on
    assert mistral.ask("DELETE", f"/v1/batch/jobs/{whole}").status_code == (200 if on else 405)
