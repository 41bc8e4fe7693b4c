"""From settings and environment to a client: whose key, in which header, to which origin."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ConfigError
from reconciler.providers.anthropic import Anthropic
from reconciler.providers.base import Remote
from reconciler.providers.gemini import Gemini
from reconciler.providers.keys import KeyMissing, ProviderOptions
from reconciler.providers.mistral import Mistral
from reconciler.providers.openai import Expiry, OpenAI
from reconciler.providers.openrouter import OpenRouter
from reconciler.providers.registry import NAMES, make
from tests.wires import Script, source_of

Client = OpenAI | Anthropic | Gemini | Mistral | OpenRouter
NOTHING = ProviderOptions()
PROXY = "https://proxy.example/v1"
RESOURCE = "https://res.openai.azure.com"
AT_AZURE = {"AZURE_OPENAI_ENDPOINT": RESOURCE}
ALL_KEYS = {
    name: f"key-{n}"
    for n, name in enumerate(
        "OPENAI_API_KEY AZURE_OPENAI_API_KEY ANTHROPIC_API_KEY GEMINI_API_KEY MISTRAL_API_KEY GROQ_API_KEY"
        " TOGETHER_API_KEY DEEPINFRA_API_KEY DOUBLEWORD_API_KEY OPENROUTER_API_KEY".split()
    )
} | AT_AZURE


def made(name: str, environment: dict[str, str], **options: Any) -> Client:
    """A client, which has to be there."""
    found = make(name, ProviderOptions(**options), environment)
    assert isinstance(found, Client)
    return found


def proofs(client: Client) -> dict[str, str]:
    """The headers that hold its key."""
    return {name: secret.reveal() for name, secret in client.origin.secret.items()}


@pytest.mark.parametrize(
    ("name", "environment", "options", "base", "proof", "headers"),
    [
        pytest.param(
            "openai",
            {"OPENAI_API_KEY": "k"},
            {},
            "https://api.openai.com/v1",
            {"Authorization": "Bearer k"},
            {},
            id="openai",
        ),
        pytest.param(
            "openai",
            {
                "OPENAI_API_KEY": "k",
                "OPENAI_BASE_URL": f"{PROXY}/",
                "OPENAI_ORG_ID": "org",
                "OPENAI_PROJECT_ID": "proj",
            },
            {},
            PROXY,
            {"Authorization": "Bearer k"},
            {"OpenAI-Organization": "org", "OpenAI-Project": "proj"},
            id="openai-from-the-environment",
        ),
        pytest.param(
            "openai",
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": PROXY, "OPENAI_ORG_ID": "org"},
            {"base_url": "http://localhost:8000/v1", "organization": "mine", "auth": "api-key"},
            "http://localhost:8000/v1",
            {"api-key": "k"},
            {"OpenAI-Organization": "mine"},
            id="settings-over-the-official-client's-variables",
        ),
        pytest.param(
            "openai",
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "", "OPENAI_ORG_ID": ""},
            {},
            "https://api.openai.com/v1",
            {"Authorization": "Bearer k"},
            {},
            id="empty-is-absent",
        ),
        pytest.param(
            "azure",
            AT_AZURE | {"AZURE_OPENAI_API_KEY": "k"},
            {},
            f"{RESOURCE}/openai/v1",
            {"api-key": "k"},
            {},
            id="azure",
        ),
        pytest.param(
            "azure",
            {
                "AZURE_OPENAI_ENDPOINT": f"{RESOURCE}/openai/v1/",
                "AZURE_OPENAI_API_KEY": "k",
                "AZURE_OPENAI_AD_TOKEN": "t",
                "OPENAI_API_VERSION": "2024-10-21",
            },
            {},
            f"{RESOURCE}/openai",
            {"Authorization": "Bearer t"},
            {},
            id="azure-older-surface-token-over-key",
        ),
        pytest.param(
            "azure",
            AT_AZURE | {"AZURE_OPENAI_API_KEY": "k", "OPENAI_API_VERSION": "2024-10-21"},
            {"api_version": "v1", "auth": "bearer"},
            f"{RESOURCE}/openai/v1",
            {"Authorization": "Bearer k"},
            {},
            id="azure-settings",
        ),
        pytest.param(
            "anthropic",
            {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_AUTH_TOKEN": "t"},
            {},
            "https://api.anthropic.com",
            {"x-api-key": "k"},
            {"anthropic-version": "2023-06-01"},
            id="anthropic",
        ),
        pytest.param(
            "anthropic",
            {"ANTHROPIC_AUTH_TOKEN": "t", "ANTHROPIC_BASE_URL": PROXY},
            {"anthropic_version": "2026-10-21"},
            "https://proxy.example",
            {"Authorization": "Bearer t"},
            {"anthropic-version": "2026-10-21"},
            id="anthropic-token",
        ),
        pytest.param(
            "anthropic",
            {"ANTHROPIC_API_KEY": "k"},
            {"auth": "bearer"},
            "https://api.anthropic.com",
            {"Authorization": "Bearer k"},
            {"anthropic-version": "2023-06-01"},
            id="anthropic-key-as-bearer",
        ),
        pytest.param(
            "gemini",
            {"GEMINI_API_KEY": "k", "GOOGLE_API_KEY": "g"},
            {},
            "https://generativelanguage.googleapis.com",
            {"x-goog-api-key": "g"},
            {},
            id="gemini-google's-name-wins",
        ),
        pytest.param(
            "gemini",
            {"GEMINI_API_KEY": "k", "GOOGLE_API_KEY": "", "GEMINI_BASE_URL": "https://proxy.example/v1beta"},
            {},
            "https://proxy.example",
            {"x-goog-api-key": "k"},
            {},
            id="gemini-base",
        ),
        pytest.param(
            "mistral",
            {"MISTRAL_API_KEY": "k", "MISTRAL_BASE_URL": "https://api.eu.mistral.ai/v1/"},
            {},
            "https://api.eu.mistral.ai",
            {"Authorization": "Bearer k"},
            {},
            id="mistral",
        ),
        pytest.param(
            "openrouter",
            {"OPENROUTER_API_KEY": "k", "OPENAI_BASE_URL": PROXY, "OPENAI_ORG_ID": "org"},
            {},
            "https://openrouter.ai/api/v1",
            {"Authorization": "Bearer k"},
            {},
            id="openrouter",
        ),
        pytest.param(
            "openrouter",
            {"OPENROUTER_API_KEY": "k", "OPENROUTER_BASE_URL": "https://openrouter.ai/api/beta/"},
            {},
            "https://openrouter.ai/api/beta",
            {"Authorization": "Bearer k"},
            {},
            id="openrouter-elsewhere",
        ),
        pytest.param(
            "deepinfra",
            {"DEEPINFRA_TOKEN": "t"},
            {},
            "https://api.deepinfra.com/v1/openai",
            {"Authorization": "Bearer t"},
            {},
            id="deepinfra-token",
        ),
        pytest.param(
            "groq",
            {"GROQ_API_KEY": "k", "OPENAI_BASE_URL": PROXY, "OPENAI_ORG_ID": "org"},
            {},
            "https://api.groq.com/openai/v1",
            {"Authorization": "Bearer k"},
            {},
            id="groq-and-nothing-of-openai's",
        ),
        pytest.param("litellm", {"OPENAI_BASE_URL": PROXY}, {}, PROXY, {}, {}, id="no-key-needed"),
        pytest.param(
            "compatible",
            {"OPENAI_API_KEY": "k"},
            {"base_url": "http://[::1]:8000/v1"},
            "http://[::1]:8000/v1",
            {"Authorization": "Bearer k"},
            {},
            id="a-server-of-one's-own",
        ),
    ],
)
def test_clients(  # noqa: PLR0913, PLR0917 - what a client is made of and what it becomes
    name: str,
    environment: dict[str, str],
    options: dict[str, str],
    base: str,
    proof: dict[str, str],
    headers: dict[str, str],
) -> None:
    """Each provider's key goes into its header and to its address, as settings and environment say."""
    client = made(name, environment, **options)

    assert client.name == client.origin.provider == name
    assert client.origin.base_url == base
    assert proofs(client) == proof
    assert dict(client.origin.headers) == headers


@pytest.mark.parametrize("name", NAMES)
def test_a_key_is_shown_nowhere(name: str) -> None:
    """Whatever is printed of a client holds no key, and its account is 16 digits that are not of it."""
    key = "sk-canary-0123456789"
    client = made(name, dict.fromkeys(ALL_KEYS, key) | AT_AZURE, base_url="https://host.example")

    assert key in "".join(proofs(client).values())
    assert "canary" not in f"{client!r} {client.origin!r} {client}"
    assert len(client.account) == 16
    assert set(client.account) <= set("0123456789abcdef")


@pytest.mark.parametrize("name", NAMES)
def test_a_client_is_what_the_engine_expects(name: str) -> None:
    """Every client has every property of the protocol, whatever else it is."""
    client: Remote = made(name, ALL_KEYS, base_url="https://host.example", model="m")

    assert client.limits.size > 0
    assert client.dialects
    assert client.endpoint.startswith("/") == (name not in {"anthropic", "gemini"})
    assert client.model == ("m" if name in {"gemini", "mistral", "openrouter"} else None)
    assert client.takes_file == (name not in {"anthropic", "openrouter"})
    assert client.one_stream == (name in {"anthropic", "gemini", "openrouter"})
    assert client.one_model == (name == "openrouter")
    assert client.cancels == (name != "openrouter")
    assert client.tags == (name not in {"anthropic", "together", "openrouter"})


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


def test_an_account_is_key_origin_and_project() -> None:
    """The fingerprint changes with provider, origin, organisation, project and key, and nothing else."""
    key = {"OPENAI_API_KEY": "k"}
    accounts = [
        made("openai", key).account,
        made("compatible", key, base_url="https://api.openai.com/v1").account,
        made("openai", {"OPENAI_API_KEY": "other"}).account,
        made("openai", key, base_url="https://api.openai.com:8443/v1").account,
        made("openai", key, base_url="http://localhost/v1").account,
        made("openai", key, organization="a").account,
        made("openai", key, project="a").account,
    ]
    assert len(set(accounts)) == len(accounts)
    for same in (
        made("openai", key),
        made("openai", key, base_url="https://api.openai.com/other"),
        made("openai", key, base_url="https://API.openai.com:443/v1"),
        made("openai", key, completion_window="7d", endpoint="/v1/embeddings"),
    ):
        assert same.account == accounts[0]


def test_azure_has_two_surfaces() -> None:
    """With a version, every call carries it; without one, none does. Files are waited for on both."""
    environment = AT_AZURE | {"AZURE_OPENAI_API_KEY": "k"}
    old, new = made("azure", environment, api_version="2024-10-21"), made("azure", environment)
    assert isinstance(old, OpenAI)
    assert isinstance(new, OpenAI)
    for client, params in ((old, {"api-version": "2024-10-21"}), (new, {})):
        wire = Script({"id": "f"}, {"status": "uploaded"}, {"value": []})
        client.upload(wire, source_of(b""), "a.jsonl")
        assert not client.is_ready(wire, "f")
        assert not list(client.batches(wire))
        assert [call.params for call in wire.calls] == [params, params, params | {"limit": 100}]
        assert client.limits.requests == 100_000
        assert client.switches.expiry is Expiry.DOTS


def test_presets_differ_as_their_services_do() -> None:
    """What a service is sent differently is in its switches."""
    together, groq = (
        made("together", ALL_KEYS),
        made("groq", ALL_KEYS, completion_window="7d", expires_after=3600),
    )
    assert isinstance(together, OpenAI)
    assert isinstance(groq, OpenAI)
    assert (together.switches.purpose, together.switches.metadata) == ("batch-api", False)
    assert (groq.switches.window, groq.switches.page, groq.switches.expires_after) == ("7d", 0, 3600)


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
