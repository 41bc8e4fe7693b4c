"""What of a settings file says where keys go."""

import pytest

from reconciler.config import settle
from reconciler.config.table import PROVIDERS
from reconciler.providers.registry import NAMES

FILE = "ws/reconciler.toml"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[provider]\nbase_url = "https://a.example"', [("provider.base_url", "https://a.example")]),
        ('[provider]\nbase_url = ""', []),
        ('[provider]\nname = "openai"\nmodel = "m"', []),
        ("", []),
    ],
)
def test_addresses_named_in(text: str, named: list[tuple[str, str]]) -> None:
    """A base URL of the file in question counts, overridden or not; one of any other layer does not."""
    layers = [("user.toml", '[provider]\nbase_url = "https://user.example"'), (FILE, text)]
    found = settle(layers, flags={"provider.base_url": "https://flag.example"})

    assert list(found.addresses_named_in(FILE)) == named


def test_every_remote_provider_may_be_named() -> None:
    """The names in settings are those that there are clients for, and the two that need none."""
    assert sorted(PROVIDERS) == sorted({"none", "local", *NAMES})
