"""The store of a data folder, opened beside the folder's server or in its place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

import anyio

from kernelci.errors import StartupError
from kernelci.settings import Settings
from kernelci.store.database import plainly
from kernelci.store.folder import VERSION, DataFolder, running
from kernelci.store.store import SqlStore

T = TypeVar("T")


def with_store(settings: Settings, work: Callable[[SqlStore], Awaitable[T]]) -> T:
    """Do this with the store of the settings' data folder, which is made if need be.

    Raises:
        StartupError: it cannot be opened, or its server is of another version.
    """
    return anyio.run(_opened, DataFolder(settings.data_dir), work)


async def _opened(folder: DataFolder, work: Callable[[SqlStore], Awaitable[T]]) -> T:
    async with AsyncExitStack() as stack:
        stack.enter_context(plainly())
        if (address := running(folder.path)) is None:
            await stack.enter_async_context(folder)
        elif (folder.path / "version").read_text().strip() != str(VERSION):
            # Opening the store would bring the tables up to date under a server that does not know them.
            raise StartupError(f"The server at {address} is of another version of kernelci. Stop it first.")
        return await work(await stack.enter_async_context(SqlStore(folder.url)))
