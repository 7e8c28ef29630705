"""A new thread's first code result and a warm code step through the API, beside plain jupyter_client.

With `engine`, the same of the kernel engine alone; with `transfers`, large files beside `cp`; with `scale`, a
server of many threads beside one of few; with `overhead`, what a code call costs beside model and kernel.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path

from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types.beta.threads.runs import ToolCallDeltaObject

from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.sandbox.environment import environment
from kernelci.server import running
from kernelci.settings import Settings
from tests.bench import density, engine, flood, overhead, scale, transfers
from tests.bench.figures import Figure, interleaved, print_pair
from tests.bench.plain import executed, first_result, plain_kernel

FIRST = "import pandas, matplotlib.pyplot\n1+1"
STEPS = 20


async def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    options.add_argument(
        "what",
        nargs="?",
        choices=("api", "engine", "transfers", "scale", "overhead"),
        default="api",
        help="what is measured",
    )
    options.add_argument("--cold", type=int, default=8, help="new threads and cold kernels")
    options.add_argument("--warm", type=int, default=10, help=f"runs of {STEPS} code steps, and as many executes")
    rounds = options.parse_args()
    model_environment = environment(Settings().cache_dir)
    model_environment.prepare(print)
    match rounds.what:
        case "transfers":
            transfers.measure(rounds.cold)
        case "scale":
            await scale.measure(rounds.cold)
        case "overhead":
            await overhead.measure(Settings(), rounds.cold)
        case "engine":
            await engine.measure(model_environment, rounds.cold)
            density.report()
            await flood.measure(model_environment)
        case _:
            await api(model_environment.python, rounds.cold, rounds.warm)


async def api(python: Path, colds: int, warms: int) -> None:
    """A first result and a code step, as the official client sees them."""
    model = ScriptedModel([*[Turn(code=FIRST)], *[Turn(code="1+1")] * (STEPS - 1), Turn(text="2")])
    once = ScriptedModel([Turn(code=FIRST), Turn(text="2")])
    with served_in_thread(once) as url:
        await cold(url, python, colds)
    with served_in_thread(model) as url:
        await warm(url, python, warms)


@contextmanager
def served_in_thread(model: ScriptedModel) -> Generator[str]:
    """A server on an empty data folder; gives its address."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(port=0, data_dir=Path(folder), max_turns=STEPS + 2)
        with running(settings, models=model) as url:
            yield url


async def cold(url: str, python: Path, rounds: int) -> None:
    """A thread nobody has used, to its first output; a kernel nobody has used, to the same."""
    ours = Figure("kernelci: new thread, run, first output")
    plain = Figure("jupyter_client: start a kernel, same cell")
    async with client_of(url) as client:
        assistant = await client.beta.assistants.create(model="m", tools=[{"type": "code_interpreter"}])
        for _, label in interleaved(rounds, "ours", "plain"):
            if label == "ours":
                with ours.timed():
                    await first_output(client, assistant.id)
            else:
                await first_result(python, FIRST, plain)
    print_pair("From nothing to the first result of a cell that imports pandas and matplotlib", ours, plain)


async def warm(url: str, python: Path, rounds: int) -> None:
    """A code step of a long run, all that the loop does included; a bare execute and its idle."""
    ours = Figure(f"kernelci: one of {STEPS} code steps of a run")
    plain = Figure("jupyter_client: one raw execute")
    async with client_of(url) as client, plain_kernel(python) as kernel:
        assistant = await client.beta.assistants.create(model="m", tools=[{"type": "code_interpreter"}])
        thread = await client.beta.threads.create()
        await executed(kernel, FIRST)
        for _, label in interleaved(rounds, "ours", "plain"):
            if label == "ours":
                ours.times += await step_times(client, thread.id, assistant.id)
            else:
                for _ in range(STEPS):
                    with plain.timed():
                        await executed(kernel, "1+1")
    print_pair("One warm code step", ours, plain)


@asynccontextmanager
async def client_of(url: str) -> AsyncGenerator[AsyncOpenAI]:
    """The official client, deaf to the environment's proxies."""
    http = DefaultAsyncHttpxClient(trust_env=False)
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="bench", http_client=http) as client:
        yield client


async def first_output(client: AsyncOpenAI, assistant_id: str) -> None:
    """Start a run on a new thread and return at its first output."""
    messages = [{"role": "user", "content": "?"}]
    stream = await client.beta.threads.create_and_run(
        assistant_id=assistant_id,
        thread={"messages": messages},  # pyright: ignore[reportArgumentType]
        stream=True,
    )
    async with stream:
        async for event in stream:
            if event.event == "thread.run.step.delta" and has_output(event.data.delta.step_details):
                return
    raise AssertionError("the run gave no output")


def has_output(details: object) -> bool:
    """Whether a step's delta carries an output of a cell."""
    if not isinstance(details, ToolCallDeltaObject):
        return False
    calls = [call.code_interpreter for call in details.tool_calls or [] if call.type == "code_interpreter"]
    return any(call and call.outputs for call in calls)


async def step_times(client: AsyncOpenAI, thread_id: str, assistant_id: str) -> list[float]:
    """The times between the ends of a run's code steps, as a client sees them."""
    await client.beta.threads.messages.create(thread_id, role="user", content="?")
    stream = await client.beta.threads.runs.create(thread_id=thread_id, assistant_id=assistant_id, stream=True)
    async with stream:
        ends = [
            asyncio.get_running_loop().time()
            async for event in stream
            if event.event == "thread.run.step.completed" and event.data.type == "tool_calls"
        ]
    return [after - before for before, after in pairwise(ends)]


asyncio.run(main())
