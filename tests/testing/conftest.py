"""One client for all, and each dialect on the shared server."""

from collections.abc import Iterator

import httpx
import pytest

from reconciler.testing import FakeProvider
from tests.testing.speakers import SPEAKERS, AnthropicSpeaker, GeminiSpeaker, OpenRouterSpeaker
from tests.testing.speaking import AzureSpeaker, MistralSpeaker, OpenAISpeaker, Speaker


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    """A client that goes straight to the server."""
    with httpx.Client(timeout=5, trust_env=False) as client:
        yield client


@pytest.fixture
def fake(fake_provider: FakeProvider) -> Iterator[FakeProvider]:
    """A fake provider that has to get through the test without a mistake of its own."""
    yield fake_provider

    assert fake_provider.mistakes == []


@pytest.fixture(params=list(SPEAKERS))
def speaker(request: pytest.FixtureRequest, fake: FakeProvider, http: httpx.Client) -> Speaker:
    """Each in turn."""
    return SPEAKERS[request.param](fake, http, fake.url(request.param))


@pytest.fixture
def openai(fake: FakeProvider, http: httpx.Client) -> OpenAISpeaker:
    """OpenAI."""
    return OpenAISpeaker(fake, http, fake.url("openai"))


@pytest.fixture
def azure(fake: FakeProvider, http: httpx.Client) -> AzureSpeaker:
    """Azure."""
    return AzureSpeaker(fake, http, fake.url("azure"))


@pytest.fixture
def anthropic(fake: FakeProvider, http: httpx.Client) -> AnthropicSpeaker:
    """Anthropic."""
    return AnthropicSpeaker(fake, http, fake.url("anthropic"))


@pytest.fixture
def gemini(fake: FakeProvider, http: httpx.Client) -> GeminiSpeaker:
    """Gemini."""
    return GeminiSpeaker(fake, http, fake.url("gemini"))


@pytest.fixture
def mistral(fake: FakeProvider, http: httpx.Client) -> MistralSpeaker:
    """Mistral."""
    return MistralSpeaker(fake, http, fake.url("mistral"))


@pytest.fixture
def openrouter(fake: FakeProvider, http: httpx.Client) -> OpenRouterSpeaker:
    """OpenRouter."""
    return OpenRouterSpeaker(fake, http, fake.url("openrouter"))
