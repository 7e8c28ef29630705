"""Whose turn it is in a thread: its one active run's. What comes meanwhile is refused or waits, as who asks says.

What waits stands at the end of each list, in the order it came. A thread that no run holds has nothing waiting:
with a run's end, and in the same transaction, it is the turn of all that has come up to the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from kernelci.errors import ThreadBusy
from kernelci.protocol import ids
from kernelci.protocol.objects import Message, Object, Run, Thread
from kernelci.protocol.states import ACTIVE
from kernelci.store.rows import Rows, has_run


def post(rows: Rows, message: Message, change: Callable[[Thread], Thread], *, wait: bool) -> Message:
    """Add a message to a thread; where a run holds that, it waits or ThreadBusy is raised. Raises NotFound."""
    rows.edit(Thread, message.thread_id, change)
    holder = rows.active_run(message.thread_id)
    if holder is not None and not wait:
        raise ThreadBusy(f"Can't add messages to {message.thread_id} while a run {holder} is active.")
    message = message.model_copy(update={"waiting": holder is not None})
    rows.add([message])
    return message


def open_run(
    rows: Rows, run: Run, added: Sequence[Message], change: Callable[[Thread], Thread], *, wait: bool
) -> Run:
    """Add messages and then a run to a thread; where a run holds that, as `post`."""
    rows.edit(Thread, run.thread_id, change)
    holder = rows.active_run(run.thread_id)
    if holder is not None and not wait:
        raise has_run(run.thread_id, holder)
    waiting = {"waiting": holder is not None}
    run = run.model_copy(update=waiting)
    rows.add([*(each.model_copy(update=waiting) for each in added), run])
    return run


def put(rows: Rows, objects: Sequence[Object]) -> tuple[Message, ...]:
    """Insert or replace; gives the messages whose turn has come with the end of a run among the objects."""
    ended = dict.fromkeys(each.thread_id for each in objects if isinstance(each, Run) and each.status not in ACTIVE)
    for thread_id in ended:
        rows.find(Thread, thread_id, lock=True)  # or on a database of many writers one could come to wait too late
    for run in objects:
        if isinstance(run, Run) and run.status not in ACTIVE:
            _tally(rows, run)
    rows.put(_as_it_waits(rows, each) for each in objects)
    return tuple(message for thread_id in ended for message in _next(rows, thread_id))


def _tally(rows: Rows, run: Run) -> None:
    """Add what a run has used to its thread: with its end, and so once."""
    thread = rows.find(Thread, run.thread_id) if rows.active_run(run.thread_id) == run.id else None
    if thread is not None:
        rows.put([thread.model_copy(update={"used": thread.used + run.used})])


def _as_it_waits(rows: Rows, object: Object) -> Object:
    """Whoever has a waiting run in hand may not know yet that its turn has come."""
    if not (isinstance(object, Run) and object.waiting):
        return object
    stored = rows.find(Run, object.id)
    return object.model_copy(update={"waiting": stored is None or stored.waiting})


def _next(rows: Rows, thread_id: str) -> Iterator[Message]:
    """Give what waits its place in the thread, up to the next run, unless a run holds the thread."""
    held = rows.active_run(thread_id) is not None
    for each in rows.waiting(thread_id):
        if isinstance(each, Run) and each.status not in ACTIVE:
            rows.advance(each)  # it ended before its turn, without holding anybody up
        elif not held and isinstance(each, Message):
            rows.advance(each)
            yield each.model_copy(update={"waiting": False})
        elif not held and isinstance(each, Run) and each.status == "queued":
            rows.advance(each)
            patience = None if each.expires_at is None else ids.now() + each.expires_at - each.created_at
            rows.put([each.model_copy(update={"waiting": False, "expires_at": patience})])
            held = True
