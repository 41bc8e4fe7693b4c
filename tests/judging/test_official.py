"""What our clients send is what the official ones could send, and what the fake answers is what they take."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.testing import FakeProvider
from tests.judging.official import RULES, findings
from tests.judging.tape import forward, taped
from tests.judging.tour import NAMES, START, client_of, tour


@pytest.mark.parametrize("name", NAMES)
def test_official_types_take_every_word(name: str, tmp_path: Path) -> None:
    """Every request and every answer of the tour is of the types of the provider's own package, member by member."""
    with FakeProvider(start=START) as fake, taped(forward(fake.url())) as tape:
        prefix = fake.dialects[name].prefix
        tour(tmp_path, fake, client_of(name, tape.url + prefix, fake.key))

    assert [found for each in tape.spoken for found in findings(RULES[name], each, prefix)] == []
