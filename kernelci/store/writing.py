"""The statements that write an object, each built once, since building one takes longer than running it.

Which columns they set is said by the values that they are executed with. Beside those they want to know which
object it is and whose view writes it.
"""

from __future__ import annotations

from functools import cache

from sqlalchemy import ColumnElement, Insert, Update, bindparam, insert, or_, select, update

from kernelci.protocol.objects import Object
from kernelci.store.tables import EXPIRING, PARENT, PARENTS, TABLES, counter

NEXT = (
    update(counter)
    .where(counter.c.name == "seq")
    .values(value=counter.c.value + bindparam("many"))
    .returning(counter.c.value)
)
"""Gives the `seq` of a new object, the last of so `many`."""


@cache
def adding(kind: type[Object], *, owned: bool) -> Insert:
    """Insert an object. One that belongs to another has the owner of `the_parent`.

    With `owned`, a parent that is not `the_owner`'s has none, and the database refuses.
    """
    table = TABLES[kind]
    if kind not in PARENTS:
        return insert(table)
    parent = PARENT[PARENTS[kind][0]]
    is_it = TABLES[parent].c.id == bindparam("the_parent")
    owner = select(TABLES[parent].c.owner).where(is_it, *_found(parent, owned))
    return insert(table).values(owner=owner.scalar_subquery())


@cache
def replacing(kind: type[Object], *, owned: bool) -> Update:
    """Change the row of `the_id`; with `owned`, if it is `the_owner`'s."""
    table = TABLES[kind]
    return update(table).where(table.c.id == bindparam("the_id"), *_found(kind, owned))


def _found(kind: type[Object], owned: bool) -> list[ColumnElement[bool]]:
    """What holds for an object that may be found `at` a time, in Unix seconds."""
    columns = TABLES[kind].c
    found = [columns.owner == bindparam("the_owner")] if owned else []
    if kind in EXPIRING:
        found.append(or_(columns.expires_at.is_(None), columns.expires_at > bindparam("at")))
    return found
