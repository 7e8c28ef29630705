"""The official SDK, talking to our own server and to nothing else."""

from __future__ import annotations

from collections.abc import Callable

from httpx2 import Request
from openai import AzureOpenAI, DefaultHttpxClient, OpenAI
from pydantic import SecretStr

API_VERSION = "2024-05-01-preview"
"""Azure's last version of the Assistants API before it was shut down."""

_NO_KEY = "none-needed"
_FROM_THE_ENVIRONMENT = ("authorization", "api-key", "openai-organization", "openai-project")


def azure_client(address: str, key: SecretStr | None = None) -> AzureOpenAI:
    """A client of the Azure surface."""
    plain = key.get_secret_value() if key else _NO_KEY
    return AzureOpenAI(
        azure_endpoint=address,
        api_key=plain,
        api_version=API_VERSION,
        http_client=_http(lambda request: request.headers.update({"api-key": plain})),
    )


def openai_client(address: str, key: SecretStr | None = None) -> OpenAI:
    """A client of the OpenAI surface."""
    plain = key.get_secret_value() if key else _NO_KEY
    return OpenAI(
        base_url=f"{address}/v1",
        api_key=plain,
        http_client=_http(lambda request: request.headers.update({"authorization": f"Bearer {plain}"})),
    )


def _http(authorize: Callable[[Request], None]) -> DefaultHttpxClient:
    """A transport without proxies, whose requests carry our key and no one else's.

    The SDK reads keys, tokens, headers and accounts from a dozen variables, which are meant for others.
    """

    def ours_only(request: Request) -> None:
        for name in _FROM_THE_ENVIRONMENT:
            request.headers.pop(name, None)
        authorize(request)

    return DefaultHttpxClient(trust_env=False, event_hooks={"request": [ours_only]})
