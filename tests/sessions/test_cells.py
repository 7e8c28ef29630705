"""Cells in a real kernel: what they leave, in which order, and what stays for the next."""

from __future__ import annotations

import base64
import re

import anyio
import nbformat
import pytest

from kernelci.engine.ports.sessions import CellResult
from tests.sessions.conftest import Pool, text_of


def valid(result: CellResult) -> CellResult:
    """The result, whose outputs nbformat accepts."""
    cell = nbformat.v4.new_code_cell(id="c", execution_count=1)
    cell.outputs = nbformat.from_dict(list(result.outputs))
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    return result


async def test_the_last_expression_is_the_result(pool: Pool):
    result = valid(await pool.run("'a\\nb'"))

    assert result.status == "ok"
    assert [output["output_type"] for output in result.outputs] == ["execute_result"]
    assert result.outputs[0]["data"] == {"text/plain": "'a\\nb'"}
    assert result.outputs[0]["execution_count"] == result.execution_count


async def test_printed_text_is_told_while_the_cell_runs(pool: Pool):
    told: list[tuple[str, str]] = []
    heard = anyio.Event()

    async def on_output(stream: str, text: str) -> None:
        told.append((stream, text))
        heard.set()

    code = "import sys, os, time\nprint('one'); print('two', file=sys.stderr)\n"
    code += "while not os.path.exists('go'): time.sleep(0.01)\nprint('three')"  # polled: the file is the sign
    async with anyio.create_task_group() as tasks:
        results: list[CellResult] = []

        async def run() -> None:
            results.append(await pool.sessions.execute("told", code, files=(), on_output=on_output))

        tasks.start_soon(run)
        await heard.wait()
        (pool.data("told") / "go").touch()

    assert "".join(text for stream, text in told if stream == "stdout") == "one\nthree\n"
    assert "".join(text for stream, text in told if stream == "stderr") == "two\n"
    assert valid(results[0]).outputs == (
        {"output_type": "stream", "name": "stdout", "text": "one\nthree\n"},
        {"output_type": "stream", "name": "stderr", "text": "two\n"},
    )


async def test_variables_stay(pool: Pool):
    await pool.run("x = 41", session="state")

    assert text_of(await pool.run("x + 1", session="state")) == "42"


async def test_a_traceback_is_plain_text(pool: Pool):
    result = valid(await pool.run("def f():\n    return 1 / 0\n\nprint('before')\nf()"))

    assert result.status == "error"
    assert result.outputs[0] == {"output_type": "stream", "name": "stdout", "text": "before\n"}
    assert result.outputs[1]["ename"] == "ZeroDivisionError"
    assert "----> 2     return 1 / 0" in text_of(result)
    assert "\x1b" not in text_of(result)


async def test_a_traceback_does_not_tell_where_on_this_machine_python_is(pool: Pool):
    result = await pool.run("import pandas as pd\npd.DataFrame({'a': [1]})['b']")

    lines = text_of(result).splitlines()
    frame = re.compile(r"File site-packages/pandas/core/frame\.py:\d+, in DataFrame\.__getitem__\(self, key\)")
    assert any(frame.fullmatch(line) for line in lines)
    assert not [line for line in lines if "Could not get source" in line]  # where there was none, nothing is shown
    json = text_of(await pool.run("import json\njson.loads('{')"))
    assert re.search(r"^File python3\.\d+/json/decoder\.py:\d+, in ", json, re.MULTILINE)
    prefixes = await pool.run("import sys\nprint(sys.prefix, sys.base_prefix, sep='\\n')")
    for prefix in text_of(prefixes).split():
        assert prefix not in text_of(result) + json


async def test_a_warning_does_not_tell_it_either(pool: Pool):
    code = "import matplotlib.pyplot as plt\nplt.title('\N{CJK UNIFIED IDEOGRAPH-6F22}')\nplt.show()"
    result = await pool.run(code)

    warned = next(line for line in text_of(result).splitlines() if "UserWarning" in line)
    assert re.match(r"site-packages/IPython/core/pylabtools\.py:\d+: UserWarning: Glyph", warned)


async def test_a_failed_cell_does_not_spoil_the_next(pool: Pool):
    results = [await pool.run(code) for code in ("1/0", "1", "1/0", "2", "import nonsense", "3")]

    assert [result.status for result in results] == ["error", "ok", "error", "ok", "error", "ok"]


async def test_a_shown_figure_is_a_picture(pool: Pool):
    result = valid(await pool.run("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint('after')"))

    figure, printed = result.outputs
    assert base64.b64decode(figure["data"]["image/png"]).startswith(b"\x89PNG")
    assert printed["text"] == "after\n"


async def test_figures_that_nobody_shows_come_at_the_cells_end(pool: Pool):
    code = "import matplotlib.pyplot as plt\nfor n in range(2):\n    plt.figure(); plt.title('שלום'); plt.plot([n])"
    result = valid(await pool.run(code))

    pictures = [output for output in result.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 2
    assert "Glyph" not in text_of(result)


async def test_a_display_can_be_updated_and_outputs_cleared(pool: Pool):
    code = """
from IPython.display import clear_output, display
print('gone'); clear_output(wait=True)
handle = display('first', display_id=True)
display('between')
handle.update('second')
"""
    result = valid(await pool.run(code))

    assert [output["data"]["text/plain"] for output in result.outputs] == ["'second'", "'between'"]
    assert not any("transient" in output for output in result.outputs)


async def test_a_progress_bar_leaves_its_last_state(pool: Pool):
    result = valid(await pool.run("from tqdm import tqdm\nfor _ in tqdm(range(50), ascii=True, ncols=60): pass"))

    lines = text_of(result).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("100%|")


async def test_subprocesses_print_and_are_not_coloured(pool: Pool):
    result = await pool.run("import os\nos.system('echo from below')\n!env | grep -c COLOR || true")

    assert "from below\n" in text_of(result)
    assert "0\n" in text_of(result)


async def test_input_is_refused_and_does_not_hang(pool: Pool):
    for code in ("input('name? ')", "import getpass; getpass.getpass('name? ')"):
        result = await pool.run(code)
        assert result.status == "error"
        assert "nobody is there to answer 'name? '" in text_of(result)
        assert "_nobody_to_ask" not in text_of(result)
    assert (await pool.run("breakpoint()")).status == "error"
    assert text_of(await pool.run("import sys; sys.stdin.read()")) == "''"


async def test_a_thread_prints_into_its_own_cell_or_not_at_all(pool: Pool):
    await pool.run("import threading\ngo, gone = threading.Event(), threading.Event()", session="late")
    code = "def late():\n    go.wait(); print('late'); gone.set()\n"
    code += "threading.Thread(target=late).start()\nprint('early')"
    first = await pool.run(code, session="late")
    second = await pool.run("go.set(); gone.wait(); print('mine')", session="late")

    assert text_of(first) == "early\n"
    assert text_of(second) == "mine\n"


async def test_a_pool_of_threads_prints_into_the_cell_that_gave_it_work(pool: Pool):
    code = "from concurrent.futures import ThreadPoolExecutor\nworkers = ThreadPoolExecutor(1)\n"
    await pool.run(code + "workers.submit(print, 'first').result()", session="workers")
    second = await pool.run("workers.submit(print, 'second').result()", session="workers")

    assert text_of(second) == "second\n"


async def test_what_no_utf8_can_hold_survives(pool: Pool):
    result = valid(await pool.run("print('a\\ud800b')\n'\\ud800', b'\\xff', '\\0'"))

    assert result.status == "ok"
    assert text_of(result).encode()


@pytest.mark.parametrize("code", ["", "\n# nothing\n", "x = 1;", "pass\r\n"])
async def test_a_cell_may_leave_nothing(pool: Pool, code: str):
    assert (await pool.run(code)).outputs == ()


async def test_sessions_know_nothing_of_each_other(pool: Pool):
    await pool.run("secret = 1; open('mine.txt', 'w').close()", session="one")
    result = await pool.run("import os; (os.listdir('.'), 'secret' in globals())", session="two")

    assert text_of(result) == "([], False)"


async def test_cells_of_one_session_run_one_at_a_time(pool: Pool):
    # The sleep makes a cell long enough to overlap with another, if two could run at once.
    code = "import time\nstart = time.monotonic()\ntime.sleep(0.05)\nprint(start, time.monotonic())"
    spans: list[tuple[float, ...]] = []

    async def run() -> None:
        spans.append(tuple(map(float, text_of(await pool.run(code, session="queue")).split())))

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(run)

    assert all(first[1] <= second[0] for first, second in zip(sorted(spans), sorted(spans)[1:], strict=False))


async def test_a_deep_recursion_is_told_without_asking_for_its_module_frame_by_frame(pool: Pool):
    code = """
import inspect
asked, is_module = 0, inspect.ismodule
def counting(what):
    global asked
    asked += 1
    return is_module(what)
inspect.ismodule = counting
def f(n): return f(n + 1)
f(0)
"""
    result = await pool.run(code, session="deep")

    assert "RecursionError: maximum recursion depth exceeded" in text_of(result)
    assert "similar frames: f at line 8" in text_of(result)
    assert text_of(await pool.run("asked < 100_000", session="deep")) == "True"
