"""Journals of runs, written by the engine's own fold of events, for what renders them."""

from __future__ import annotations

from collections.abc import Iterable

from kernelci.engine.events import Event, Recorded, RunMoved
from kernelci.engine.open_run import OpenRun
from kernelci.protocol.objects import File, Run


def queued() -> Run:
    """A run that has just been made."""
    return Run(
        id="run_1",
        created_at=1,
        expires_at=601,
        assistant_id="asst_1",
        thread_id="thread_1",
        model="m",
    )


def produced(id: str, filename: str) -> File:
    """A file of the session that has become one of the API's."""
    return File(id=id, created_at=1, bytes=3, filename=filename, purpose="assistants_output", blob="0" * 64)


def journal(*events: Event, run: Run | None = None, first: int = 1) -> list[Recorded]:
    """The records of these events, with those they imply. Without `run` it begins with the run's creation."""
    records: list[Recorded] = []
    if run is None:
        run = queued()
        records.append(Recorded(seq=first, run_id=run.id, event=RunMoved("queued"), object=run))
    records += further(OpenRun(run), events, len(records) + first)
    return records


def further(open_run: OpenRun, events: Iterable[Event], seq: int) -> list[Recorded]:
    """The records of events in a run that is open already, the first with that number."""
    records: list[Recorded] = []
    for event in events:
        for each in open_run.implied(event):
            applied = open_run.apply(each)
            records.append(
                Recorded(
                    seq=seq + len(records),
                    run_id=open_run.run.id,
                    event=each,
                    object=applied.subject,
                    index=applied.index,
                    output_index=applied.output_index,
                )
            )
    return records
