"""The official SDK, talking to our own server and to nothing else."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager

from httpx2 import Client, HTTPError, Request
from openai import APIStatusError, AuthenticationError, AzureOpenAI, DefaultHttpxClient, OpenAI, OpenAIError
from pydantic import SecretStr

from kernelci.errors import KernelciError

API_VERSION = "2024-05-01-preview"
"""Azure's last version of the Assistants API before it was shut down."""

_NO_KEY = "not-sent"  # the SDK insists on a key, and `_http` sends another, or none
_STATUS = re.compile(r"Error code: \d+ - ")  # the SDK puts it before the server's words
_FROM_THE_ENVIRONMENT = ("authorization", "api-key", "openai-organization", "openai-project")


@contextmanager
def azure_client(address: str, key: SecretStr | None = None) -> Generator[AzureOpenAI]:
    """A client of the Azure surface; what goes wrong in its block is a KernelciError in the server's own words."""
    with _in_our_words(key), _http(_header("api-key", "", key)) as http:
        yield AzureOpenAI(azure_endpoint=address, api_key=_NO_KEY, api_version=API_VERSION, http_client=http)


@contextmanager
def openai_client(address: str, key: SecretStr | None = None) -> Generator[OpenAI]:
    """A client of the OpenAI surface; what goes wrong in its block is a KernelciError in the server's own words."""
    with _in_our_words(key), _http(_header("authorization", "Bearer ", key)) as http:
        yield OpenAI(base_url=f"{address}/v1", api_key=_NO_KEY, http_client=http)


@contextmanager
def _in_our_words(key: SecretStr | None) -> Generator[None]:
    try:
        yield
    except AuthenticationError as error:
        missing = "The kernelci server asks for a key: set KERNELCI_API_KEY. `kernelci keys add NAME` makes one."
        raise KernelciError(_STATUS.sub("", error.message) if key else missing) from error
    except APIStatusError as error:
        raise KernelciError(_STATUS.sub("", error.message)) from error
    except (OpenAIError, HTTPError) as error:  # a stream that breaks off is not wrapped by the SDK
        raise KernelciError(f"The kernelci server has gone away ({error}).") from error


def _header(name: str, before: str, key: SecretStr | None) -> dict[bytes, bytes]:
    """The header that brings the key, of whatever letters; none without a key."""
    return {name.encode(): f"{before}{key.get_secret_value()}".encode()} if key else {}


def _http(authorization: dict[bytes, bytes]) -> Client:
    """A transport without proxies, whose requests carry our key and no one else's.

    The SDK reads keys, tokens, headers and accounts from a dozen variables, which are meant for others.
    """

    def ours_only(request: Request) -> None:
        for name in _FROM_THE_ENVIRONMENT:
            request.headers.pop(name, None)
        request.headers.update(authorization)

    return DefaultHttpxClient(trust_env=False, event_hooks={"request": [ours_only]})
