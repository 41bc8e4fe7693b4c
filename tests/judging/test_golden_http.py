"""
What our clients send, and what the fake answers, is what the judges have seen; see docs/judges.md.

After a change that is meant, look at the difference that

    GOLDEN_UPDATE=1 python -m pytest tests/judging && git diff tests/golden_http

makes, let `make judges` judge it, and commit it with the change.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from reconciler.testing import FakeProvider
from tests.judging import kept
from tests.judging.tape import forward, taped
from tests.judging.tour import NAMES, START, client_of, tour

UPDATE: Final = bool(os.environ.get("GOLDEN_UPDATE"))


@pytest.mark.parametrize("name", NAMES)
def test_a_tour_says_what_the_golden_file_says(name: str, tmp_path: Path) -> None:
    """Request by request, answer by answer, times and all; only the tokens of batches are new each time."""
    with FakeProvider(start=START) as fake, taped(forward(fake.url())) as tape:
        base = tape.url + fake.dialects[name].prefix
        tour(tmp_path, fake, client_of(name, base, fake.key))
        said = kept.kept(tape.spoken, base)
    if UPDATE:
        kept.write(name, said)

    assert said == kept.read(name)
    assert fake.mistakes == []
