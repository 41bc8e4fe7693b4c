"""Settings and environments of which no client comes: no key, an odd one, or a place that no key goes to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ConfigError
from reconciler.providers.anthropic import Anthropic
from reconciler.providers.gemini import Gemini
from reconciler.providers.keys import KeyMissing, ProviderOptions
from reconciler.providers.mistral import Mistral
from reconciler.providers.openai import OpenAI
from reconciler.providers.registry import NAMES, make
from tests.providers.environments import ALL_KEYS, AT_AZURE, made

NOTHING = ProviderOptions()


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("openai", ("OPENAI_API_KEY",)),
        ("azure", ("AZURE_OPENAI_AD_TOKEN", "AZURE_OPENAI_API_KEY")),
        ("anthropic", ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")),
        ("gemini", ("GOOGLE_API_KEY", "GEMINI_API_KEY")),
        ("mistral", ("MISTRAL_API_KEY",)),
        ("openrouter", ("OPENROUTER_API_KEY",)),
        ("groq", ("GROQ_API_KEY",)),
        ("together", ("TOGETHER_API_KEY",)),
        ("deepinfra", ("DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN")),
        ("doubleword", ("DOUBLEWORD_API_KEY",)),
    ],
)
def test_a_missing_key_names_what_was_looked_for(name: str, variables: tuple[str, ...]) -> None:
    """Without a key there is no client, and the variables that would hold one are named; empty is absent."""
    found = make(name, NOTHING, AT_AZURE | dict.fromkeys(variables, ""))

    assert found == KeyMissing(name, variables)
    assert all(variable in found.message for variable in variables)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("sk-abc\n", "line break"),
        ("sk-abc\r\n", "line break"),
        (" sk-abc", "white space"),
        ("sk abc", "white space"),
        ("sk\tabc", "white space"),
        ("sk-\x00abc", "control"),
        ("sk\u2013abc", "not ASCII"),
        ("“sk-abc”", "not ASCII"),
        ("   ", "nothing but"),
        ("\n", "line break"),
    ],
)
@pytest.mark.parametrize("name", ["openai", "compatible", "anthropic"])
def test_a_key_that_cannot_be_one_is_told(name: str, key: str, words: str) -> None:
    """A pasted line break or quote is told in words that show nothing of the key."""
    environment = {"OPENAI_API_KEY": key, "ANTHROPIC_API_KEY": key}
    found = make(name, ProviderOptions(base_url="https://host.example"), environment)

    assert isinstance(found, KeyMissing)
    assert words in found.problem
    assert "_API_KEY" in found.problem
    assert "abc" not in found.message


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example/v1",
        "http://10.0.0.1/v1",
        "http://localhost.example/v1",
        "http://[::ffff:127.0.0.1]/v1",
        "http://127.0.0.1.example",
        "ftp://localhost/",
        "file:///etc/passwd",
        "api.example/v1",
        "https://",
        "https:///v1",
        "https://user:pass@api.example/v1",
        "https://user@api.example",
        "https://api.example/v1?x=1",
        "https://api.example/v1?",
        "https://api.example/v1#x",
        "https://api.example:port/",
        "https://api.example:99999/",
        "https://api.exa mple/",
        "https://api.example\\@evil.example/",
        "https://äpi.example/",
        "https://[::1/",
        "\nhttps://api.example",
    ],
)
@pytest.mark.parametrize("place", ["setting", "variable"])
def test_a_base_url_that_no_key_goes_to(url: str, place: str) -> None:
    """A key goes over https, or to this machine; any other place is an error that names who says so."""
    environment = {"OPENAI_API_KEY": "k"}
    options = NOTHING
    if place == "setting":
        options = ProviderOptions(base_url=url)
    else:
        environment["OPENAI_BASE_URL"] = url
    with pytest.raises(ConfigError, match=r"provider\.base_url|OPENAI_BASE_URL"):
        make("openai", options, environment)


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("nobody", {}, "no client"),
        ("none", {}, "no client"),
        ("azure", {}, "resource"),
        ("litellm", {}, "where that is"),
        ("compatible", {}, "where that is"),
        ("openai", {"auth": "no header"}, "auth"),
        ("openai", {"organization": "a\nb"}, "organization"),
        ("openai", {"project": "ü"}, "project"),
        ("openai", {"completion_window": "2 4h"}, "completion_window"),
        ("anthropic", {"anthropic_version": "2023\r\nx: y"}, "anthropic_version"),
        ("gemini", {"api_version": "../v1"}, "api_version"),
        ("gemini", {"endpoint": "/v1/chat/completions"}, "endpoint"),
        ("mistral", {"completion_window": "soon"}, "completion_window"),
    ],
)
def test_settings_that_cannot_be_obeyed(name: str, options: dict[str, str], match: str) -> None:
    """What a provider cannot be asked with is refused before there is a client."""
    environment = {key: value for key, value in ALL_KEYS.items() if key != "AZURE_OPENAI_ENDPOINT"}
    with pytest.raises(ConfigError, match=match):
        made(name, environment, **options)


@given(
    st.sampled_from(NAMES),
    st.builds(ProviderOptions, **{name: st.text(max_size=9) for name in ("base_url", "auth", "api_version")}),
    st.dictionaries(st.sampled_from([*ALL_KEYS, "OPENAI_BASE_URL"]), st.text(max_size=12)),
)
def test_any_settings_make_a_client_or_say_why(
    name: str, options: ProviderOptions, environment: dict[str, str]
) -> None:
    """Whatever stands in settings and environment: a client, a missing key, or an error of ours."""
    try:
        found = make(name, options, environment)
    except ConfigError:
        return
    assert isinstance(found, KeyMissing | OpenAI | Anthropic | Gemini | Mistral)
