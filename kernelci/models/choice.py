"""Which model serves which name: chosen once, at the start, from the settings and from what this machine has."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from kernelci.errors import StartupError
from kernelci.models.catalog import Catalog
from kernelci.models.discovery import USUAL, LocalServer, find_local
from kernelci.models.endpoint import Endpoint
from kernelci.models.mapped import MappedCatalog, mapped_by
from kernelci.settings import Settings

CLOUD = "https://api.openai.com/v1"

MAPPING = "models.toml"
"""The file of names, in the data folder."""


async def choose(settings: Settings, *, servers: Sequence[LocalServer] = USUAL) -> Catalog | MappedCatalog:
    """The catalog that the settings ask for.

    A file of names is asked for by --models, or by lying in the data folder while no endpoint is named.
    A URL is taken as it is. A model without one is looked for among the local servers, and then in the cloud if
    there is a key: naming a model of the cloud is asking for it. With neither, any local model is taken. A key
    alone asks for nothing, since using it sends the conversation away.

    Raises:
        StartupError: the URL or the key cannot be one, the file says what cannot be, or there is a budget of money
            and a model without a price.
    """
    catalog = await _chosen(settings, servers)
    if (settings.max_run_cost or settings.max_thread_cost) and catalog.unpriced:
        raise StartupError(
            "--max-run-cost and --max-thread-cost need the price of every model, and none is said of "
            f"{', '.join(catalog.unpriced)}. Give it in {MAPPING}: price = {{ prompt = 0.25, completion = 2 }} "
            "in US dollars for a million tokens; 0 where they cost nothing."
        )
    return catalog


async def _chosen(settings: Settings, servers: Sequence[LocalServer]) -> Catalog | MappedCatalog:
    named = settings.model_url or settings.model
    if settings.models and named:
        raise StartupError("--models says which upstreams there are, so leave out --model-url and --model.")
    asks = settings.charts != "always"
    file = settings.models or settings.data_dir / MAPPING
    if settings.models or (not named and os.access(file, os.F_OK)):  # whatever its folder is like
        return mapped_by(file, asks=asks)
    return Catalog(await _endpoint(settings, servers), asks=asks)


async def _endpoint(settings: Settings, servers: Sequence[LocalServer]) -> Endpoint | None:
    if settings.model_url:
        endpoint = Endpoint(settings.model_url, settings.model, settings.model_key)
        is_cloud = endpoint.host == urlsplit(CLOUD).netloc and endpoint.key is None
        return replace(endpoint, key=settings.cloud_key) if is_cloud else endpoint
    if settings.model:
        local = await find_local(settings.model, servers=servers, own_port=settings.port)
        key = settings.model_key or settings.cloud_key
        if local or key:
            return local or Endpoint(CLOUD, settings.model, key)
    local = await find_local(servers=servers, own_port=settings.port)
    if local:
        return replace(local, model=settings.model or local.model)
    if settings.model:
        raise StartupError(
            f"No model server is on this machine, and there is no key to ask the cloud for {settings.model!r}. "
            "Set OPENAI_API_KEY or --model-key, or name an endpoint by --model-url."
        )
    return None
