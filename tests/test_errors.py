"""The tree of errors, as programs catch it."""

from __future__ import annotations

from pathlib import Path

import pytest

import reconciler
from reconciler import Batch, errors

PUBLIC = ("CostLimitExceeded", "InvalidRequest", "ProviderError", "UnknownProvider", "UsageError")


@pytest.mark.parametrize("name", PUBLIC)
def test_programs_catch_all_of_them_by_one_base(name: str) -> None:
    """Each is a public name, and below `ReconcilerError`."""
    assert issubclass(getattr(reconciler, name), reconciler.ReconcilerError)
    assert name in reconciler.__all__


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.Unreachable, 1),
        (errors.Uncertain, 1),
        (errors.CallRefused, 3),
        (errors.NotThere, 3),
        (errors.KeyRefused, 77),
        (errors.Walled, 3),
    ],
)
def test_what_a_provider_says_is_of_one_kind_and_keeps_its_code(
    kind: type[errors.ReconcilerError], code: int
) -> None:
    """To be told from a fault of this machine; whether a re-run may mend it stays as it was."""
    assert (issubclass(kind, errors.ProviderError), kind.exit_code) == (True, code)
    assert not issubclass(errors.Later, errors.ProviderError), "runs on this machine are put off, too"


def test_a_described_request_is_refused_by_its_own_error(tmp_path: Path) -> None:
    """Of a request, of a row, and where nobody knows whom to ask."""
    batch = Batch(tmp_path / "ws", "gpt-4o-mini")
    with pytest.raises(errors.InvalidRequest) as refused:
        batch.add("a", messages=[])
    assert (type(refused.value), refused.value.exit_code) == (errors.InvalidRequest, 2)
    with pytest.raises(errors.InvalidRequest, match="there is no file"):
        batch.add("a", file=tmp_path / "none.pdf")
    with pytest.raises(errors.UnknownProvider, match="row 1: nobody here knows"):
        batch.add_many([{"prompt": "a"}, {"prompt": "b", "model": "llama-9"}])
    with pytest.raises(errors.UnknownProvider, match="there is no provider"):
        batch.add("a", provider="acme")
    assert not (tmp_path / "ws").exists()
