"""`reconcile fake-provider` in a process of its own."""

import signal
import subprocess
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.cli.calling import COMMAND, WAIT, environment, python
from tests.testing.speaking import chat, jsonl

WITHOUT: Final = """
import sys
sys.modules["uvicorn"] = None
from reconciler.cli.main import main
sys.exit(main(["fake-provider"]))
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, how: signal.Signals) -> None:
    """It names its addresses and variables, answers a batch, ends with 0, and leaves nothing behind."""
    with subprocess.Popen(
        [*COMMAND, "fake-provider", "--polls", "0", "--end", "expired"],
        env=environment(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        waiting = process.stderr.readline()
        said = [process.stdout.readline() for _ in range(21)]
        variables = dict(line.removeprefix("export ").strip().split("=", 1) for line in said if "=" in line)
        url, key = variables["OPENAI_BASE_URL"], variables["OPENAI_API_KEY"]
        with httpx.Client(
            headers={"authorization": f"Bearer {key}"}, base_url=url, trust_env=False
        ) as client:
            sent = {"file": ("in.jsonl", jsonl([chat("r-1")]))}
            file_id = client.post("/files", files=sent, data={"purpose": "batch"}).json()["id"]
            body = {
                "input_file_id": file_id,
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
            }
            batch = client.post("/batches", json=body).json()["id"]
            status = client.get(f"/batches/{batch}").json()["status"]
        process.send_signal(how)
        code = process.wait(WAIT)

    assert "Ctrl-C" in waiting
    assert {line.split()[1] for line in said if line.startswith("#")} == {
        "openai",
        "azure",
        "anthropic",
        "gemini",
        "mistral",
        "openrouter",
    }
    assert (status, code) == ("expired", 0)
    assert variables["GOOGLE_API_KEY"] == variables["GEMINI_API_KEY"] == key
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_it_says_what_to_install() -> None:
    """Where the server's libraries are missing the command says so, with the words to type."""
    said = python(WITHOUT)

    assert said.code == 2
    assert "uvicorn" in said.err
    assert "pip install 'reconciler[testing]'" in said.err
