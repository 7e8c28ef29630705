"""How a person is asked about code, and answers: which runs ask, what waits, and the word that is given."""

from __future__ import annotations

from collections.abc import Mapping

from kernelci.engine.service import Service
from kernelci.errors import IllegalMove, InvalidRequest, NotFound
from kernelci.protocol.calls import Answer, Asking
from kernelci.protocol.objects import Run, RunStep
from kernelci.settings import Settings

METADATA = "kernelci.approval"
"""What an assistant, a thread or a run says in its metadata to have its code wait."""


def asking(settings: Settings, *said: Mapping[str, str]) -> Asking:
    """What of a run waits for a person, by the settings and by the metadata of all that it is made of.

    Any of them is enough: nobody can take back what another asks for.

    Raises:
        InvalidRequest: one says what has no meaning, so that nobody relies on it.
    """
    told = [settings.approval, *(metadata.get(METADATA, "off") for metadata in said)]
    if unknown := next((each for each in told if each not in ("off", "code")), None):
        raise InvalidRequest(
            f"Invalid metadata '{METADATA}': '{unknown[:64]}'. Supported values are: 'off' and 'code'.",
            param="metadata",
            code="invalid_value",
        )
    return "code" if "code" in told else "off"


async def waiting(service: Service, thread_id: str, run_id: str) -> tuple[RunStep, ...]:
    """The run's steps whose code waits for a person: one, or none.

    Raises:
        NotFound: there is no such run in the thread.
    """
    run = await service.store.get(Run, run_id, within=thread_id)
    steps = await service.store.all(RunStep, within=run.id)
    return tuple(step for step in steps if step.asks and run.status == "in_progress")


async def answer(service: Service, thread_id: str, run_id: str, call_id: str, given: Answer) -> RunStep:
    """Give a person's word on a call that waits for it; gives the call's step as it goes on.

    Raises:
        NotFound: there is no such run in the thread, or nobody was asked about such a call.
        IllegalMove: it does not wait for an answer any more.
        InvalidRequest: code that goes with no edit, or an edit without code.
    """
    run = await service.store.get(Run, run_id, within=thread_id)
    step = await _asked(service, run, call_id)
    _check(given)
    if step.asks is None:
        raise IllegalMove(f"The call '{call_id}' has been answered, or is not waited for any more.")
    await service.supervisor.answer(run, call_id, given)
    return await _asked(service, run, call_id)


async def _asked(service: Service, run: Run, call_id: str) -> RunStep:
    for step in await service.store.all(RunStep, within=run.id):
        if step.approval and step.approval.calls[0].id == call_id:
            return step
    raise NotFound(f"No approval found with id '{call_id[:64]}'.")


def _check(given: Answer) -> None:
    if given.decision == "edit" and not (given.code or "").strip():
        raise InvalidRequest("Missing required parameter: 'code'.", param="code", code="missing_required_parameter")
    if given.decision != "edit" and given.code is not None:
        text = f"Invalid 'code': it goes with the decision 'edit', not with '{given.decision}'."
        raise InvalidRequest(text, param="code", code="invalid_value")
