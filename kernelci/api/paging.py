"""Lists in pages: the place that a query asks for, and the list object that is answered (protocol.md 1.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kernelci.engine.ports.store import Page
from kernelci.errors import InvalidRequest
from kernelci.protocol.parts import JsonObject
from kernelci.protocol.requests import FileListQuery, ListQuery


def page(query: ListQuery | FileListQuery) -> Page:
    """The place in a list that a query asks for."""
    before = query.before if isinstance(query, ListQuery) else None
    return Page(limit=query.limit, order=query.order, after=query.after, before=before)


def cut(ids: Sequence[str], page: Page) -> tuple[tuple[str, ...], bool]:
    """That page of a list that is at hand, oldest first, and whether there is more: as the store would give it.

    Raises:
        InvalidRequest: the cursor is not in the list.
    """
    ordered = list(ids if page.order == "asc" else reversed(ids))
    start = 0 if page.after is None else _place(ordered, "after", page.after) + 1
    end = len(ordered) if page.before is None else _place(ordered, "before", page.before)
    between = ordered[start:end]
    from_end = page.before is not None and page.after is None
    shown = between[-page.limit :] if from_end else between[: page.limit]
    return tuple(shown), len(between) > page.limit


def listing(items: Iterable[JsonObject], *, has_more: bool) -> JsonObject:
    """A list object."""
    data = list(items)
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }


def _place(ordered: list[str], name: str, id: str) -> int:
    if id not in ordered:
        text = f"Invalid '{name}': there is no file with id '{id}' in this list."
        raise InvalidRequest(text, param=name, code="invalid_value")
    return ordered.index(id)
