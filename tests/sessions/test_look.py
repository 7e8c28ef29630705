"""What a real kernel has to say of a failure, and that asking it leaves no trace."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kernelci.engine.ports.model import ModelRequest
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.protocol.objects import Cell, Message, RunStep
from tests.engine.conftest import Engine
from tests.sessions.conftest import Pool, text_of

FRAME = "import pandas as pd\ndf = pd.DataFrame({'bill_length': [1.5], 'species': ['a']})\n"


@pytest.mark.parametrize(
    ("code", "facts"),
    [
        ("total = 3\nprint(totl)", ["Near 'totl' among the names: 'total'", "total: int"]),
        ("numpy.array([1])", ["A module numpy is installed"]),
        (
            FRAME + "df['Bill_Length']",
            ["'bill_length'", "columns of df: 'bill_length' (float64)", "DataFrame (1, 2)"],
        ),
        (FRAME + "def f(frame):\n    return frame['specie']\nf(df)", ["Near 'specie' among the keys of frame"]),
        (FRAME + "df.specis", ["specis was asked of: DataFrame (1, 2) (pandas ", "'species'"]),
        ("import pandas as pd\npd.read_cvs('x')", ["asked of: module pandas (pandas ", "'read_csv'"]),
        ("import pandsa", ["pandsa is not installed", "'pandas'"]),
        ("from pandas import DataFrme", ["pandas (pandas ", "'DataFrame'"]),
        ("{'alpha': 1}['x']\n", ["Names in the session: none"]),
        ("open('dta.csv')", ["Near 'dta.csv' among the files: 'data.csv'", "Files in /mnt/data: d/, data.csv"]),
        ("x = [1, 2]\nx + 'a'", ["x: list of length 2"]),
    ],
)
async def test_facts_fit_the_failure(pool: Pool, code: str, facts: list[str]) -> None:
    session = f"thread_{secrets.token_hex(6)}"
    if "open(" in code:
        await pool.run("import os\nopen('data.csv', 'w').close()\nos.mkdir('d')\ndel os", session=session)
    assert (await pool.run(code, session=session)).status == "error"
    told = await pool.sessions.look(session)
    assert [fact for fact in facts if fact not in told] == [], told


async def test_a_look_leaves_no_trace(pool: Pool) -> None:
    first = await pool.run("before = None\nprint(missing)", session="thread_trace")
    assert "before: NoneType" in await pool.sessions.look("thread_trace")
    second = await pool.run("before = dict(globals())\n1", session="thread_trace")
    await pool.sessions.look("thread_trace")
    third = await pool.run("sorted(set(globals()) - set(before)), _, In[1:]", session="thread_trace")
    assert [each.execution_count for each in (first, second, third)] == [1, 2, 3]
    assert text_of(third).startswith("(['_', '_2', '__', '___', '_i3'],\n 1,\n ['before = None")


async def test_a_session_that_disturbs_the_look_says_less_and_lives_on(pool: Pool) -> None:
    hostile = """
import threading, time
class Slow(dict):
    def __getattribute__(self, name): print("asked"); raise RuntimeError
    __repr__ = __len__ = __iter__ = __getattribute__
slow = Slow()
class Error(NameError):
    name = property(lambda self: (time.sleep(60), "x")[1])  # longer than a look may take
big = {f"name_{i}" * 50: i for i in range(5000)}
globals().update({f"n{i}" * 20: i for i in range(500)})
kept = 7
"""
    await pool.run(hostile, session="thread_hostile")
    failed = await pool.run("slow.x; big['name']", session="thread_hostile")
    assert "RuntimeError" in text_of(failed)
    told = await pool.sessions.look("thread_hostile")
    assert "slow: Slow" in told and "asked" not in told
    assert len(told) <= 4000
    await pool.run("raise Error('x')", session="thread_hostile")
    assert await pool.sessions.look("thread_hostile") == ""  # stopped, since it takes too long
    assert text_of(await pool.run("kept", session="thread_hostile")) == "7"


async def test_where_there_is_no_kernel_nothing_is_said(pool: Pool) -> None:
    assert await pool.sessions.look("thread_unknown") == ""
    await pool.run("import os; os._exit(1)", session="thread_dead")
    assert await pool.sessions.look("thread_dead") == ""


@pytest.fixture
async def engine(pool: Pool, tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine whose code runs in real kernels; the test starts it."""
    engine = Engine(tmp_path, session=pool.sessions)
    try:
        yield engine
    finally:
        await engine.stop()


async def test_a_model_is_told_what_the_kernel_knows_and_takes_another_way(engine: Engine) -> None:
    def third(request: ModelRequest) -> Turn:
        told = str(request.messages[-1]["content"])
        assert "the 2nd time in this run: KeyError" in told
        assert "Near 'Bill_Length' among the keys of df: 'bill_length'" in told
        return Turn(code="df['bill_length'].sum()")

    wrong = Turn(code=f"{FRAME}df['Bill_Length']"), Turn(code="print(df['Bill_Length'].sum())")
    await engine.start(ScriptedModel([*wrong, third, Turn(text="1.5")]))
    run = await engine.finished(await engine.ask())
    assert (run.status, run.last_error) == ("completed", None)
    cells = await engine.store.all(Cell, within=run.id)
    assert [(cell.execution_count, cell.status) for cell in cells] == [(1, "error"), (2, "error"), (3, "ok")]
    steps = await engine.store.all(RunStep, within=run.id)
    shown = [*(step.step_details.model_dump_json() for step in steps), *(cell.model_dump_json() for cell in cells)]
    assert not any("Near" in each for each in shown)


async def test_a_model_that_writes_the_same_wrong_code_for_ever_ends_in_words(engine: Engine) -> None:
    def again(request: ModelRequest) -> Turn:
        return Turn(code="1/0") if request.tools else Turn()

    await engine.start(ScriptedModel([again] * 9))
    run = await engine.finished(await engine.ask())
    assert run.status == "completed"
    said = (await engine.store.all(Message, within=run.thread_id))[-1].content[0].text.value
    assert said.endswith("It failed 4 times: ZeroDivisionError: division by zero (at `1/0`)")
