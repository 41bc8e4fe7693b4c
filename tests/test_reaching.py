"""Which providers can be asked, and whose address and key go together."""

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.config import settle
from reconciler.errors import ConfigError
from reconciler.providers.base import Remote
from reconciler.providers.echo import echo
from reconciler.providers.local import Local
from reconciler.providers.openai import OpenAI
from reconciler.reaching import Reach

PROXY = "https://proxy.example/v1"
KEYS = {"OPENAI_API_KEY": "sk-of-openai", "ANTHROPIC_API_KEY": "sk-of-anthropic"}

KEYS_OF = ("openai", "anthropic")


def reach(*files: str, flags: Mapping[str, Any] | None = None) -> Reach:
    """What can be asked with these settings files, the lowest first, and this environment."""
    settings = settle([(f"file {n}", text) for n, text in enumerate(files)], flags=flags)
    return Reach(settings, settings, KEYS, lambda: Local(echo, 1))


def address(found: Reach, name: str) -> str:
    """Where a provider is asked."""
    client = found.providers[name]
    assert isinstance(client, Remote)
    return client.origin.base_url  # type: ignore[attr-defined,no-any-return]


def provider(name: str, more: str = "") -> str:
    """A settings file."""
    return f'[provider]\nname = "{name}"\n{more}'


@pytest.mark.parametrize(
    ("files", "flag", "whose"),
    [
        pytest.param([provider("openai", f'base_url = "{PROXY}"')], None, "openai", id="of-the-named-one"),
        pytest.param([provider("openai", f'base_url = "{PROXY}"')], "anthropic", "", id="flag-names-another"),
        pytest.param(
            [provider("openai", f'base_url = "{PROXY}"'), provider("anthropic")],
            None,
            "",
            id="workspace-names-another",
        ),
        pytest.param(
            [provider("openai"), provider("anthropic", f'base_url = "{PROXY}"')],
            None,
            "anthropic",
            id="workspace-names-another-with-its-address",
        ),
        pytest.param(
            [provider("openai", f'base_url = "{PROXY}"'), provider("openai")],
            None,
            "openai",
            id="named-again",
        ),
        pytest.param([f'[provider]\nbase_url = "{PROXY}"'], "openai", "openai", id="before-any-name"),
    ],
)
def test_an_address_is_of_the_provider_that_it_was_written_for(
    files: list[str], flag: str | None, whose: str
) -> None:
    """A level that names another provider does not send that one's key to the first one's address."""
    found = reach(*files, flags={} if flag is None else {"provider.name": flag})
    proxied = [name for name in KEYS_OF if PROXY.removesuffix("/v1") in address(found, name)]
    assert proxied == ([whose] if whose else [])


def test_a_batch_of_another_provider_keeps_that_ones_address() -> None:
    """A `[[batch]]` table that names another provider does not take the workspace's address along."""
    text = provider("openai", f'base_url = "{PROXY}"\n[[batch]]\nmatch = "a*"\nprovider = "anthropic"')
    shared = settle([("file", text)])
    own = shared.of_batch("a1")
    found = Reach(own, shared, KEYS, lambda: Local(echo, 1))
    assert own["provider.name"] == "anthropic"
    assert PROXY not in address(found, "anthropic")
    assert address(found, "openai") == PROXY


def test_every_provider_with_a_key_can_be_asked() -> None:
    """Batches of other providers go on beside the chosen one's; a key that is missing is told by its name."""
    found = reach(provider("openai"))
    assert isinstance(found.providers["openai"], OpenAI)
    assert {"local", "openai", "anthropic"} <= set(found.providers)
    assert "gemini" not in found.providers
    assert "GEMINI_API_KEY" in found.keyless["gemini"]


def test_a_chosen_provider_without_an_address_is_refused() -> None:
    """What only settings can say has to be said before a pass begins."""
    with pytest.raises(ConfigError, match="nothing says where"):
        reach(provider("compatible"))
