"""Cells that do not end, print too much, or die: each ends in words, and the session goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from kernelci.engine.ports.sessions import CellResult
from tests.sessions.conftest import Pool, Started, gone, host_pid, text_of


async def test_a_cell_that_does_not_end_is_interrupted(started: Started, tmp_path: Path):
    async with started(tmp_path, execution_timeout=0.3) as pool:
        await pool.run("x = 7")
        result = await pool.run("print('begun')\nwhile True: pass")
        after = await pool.run("x")

    assert result.status == "timeout"
    assert result.outputs[0]["text"] == "begun\n"
    assert result.outputs[1]["ename"] == "KeyboardInterrupt"
    assert result.outputs[2]["text"] == "The cell was stopped because it ran for more than 0.3 seconds.\n"
    assert text_of(after) == "7"


@pytest.mark.parametrize(
    "code",
    [
        "import time\nwhile True:\n    try: time.sleep(9)\n    except KeyboardInterrupt: print('no')",  # sleeps on
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
        "sum(range(10**12))",  # holds the interpreter's lock for longer than anybody waits
    ],
)
async def test_a_cell_that_does_not_obey_takes_its_kernel_along(started: Started, tmp_path: Path, code: str):
    async with started(tmp_path, execution_timeout=0.3, interrupt_grace=0.3) as pool:
        await pool.run("x = 7; open('kept', 'w').write('yes')")
        result = await pool.run(code)
        after = await pool.run("print(open('kept').read(), 'x' in globals())")

    assert result.status == "timeout"
    assert "its kernel was ended. Variables and imports are lost" in text_of(result)
    assert text_of(after) == "yes False\n"


async def test_cancelling_interrupts_and_variables_stay(started: Started, tmp_path: Path):
    begun = anyio.Event()

    async def on_output(stream: str, text: str) -> None:
        begun.set()

    async with started(tmp_path) as pool:
        await pool.run("x = 7")
        async with anyio.create_task_group() as tasks:

            async def run() -> None:
                code = "x += 1\nprint('begun')\nwhile True: x += 1"
                await pool.sessions.execute("thread_1", code, files=(), on_output=on_output)

            tasks.start_soon(run)
            await begun.wait()
            tasks.cancel_scope.cancel()
        after = await pool.run("x > 7")

    assert (after.status, text_of(after)) == ("ok", "True")


async def test_a_reader_that_fails_stops_the_cell(started: Started, tmp_path: Path):
    async def on_output(stream: str, text: str) -> None:
        raise ValueError("full")

    async with started(tmp_path) as pool:
        with pytest.raises(ValueError, match="full"):
            await pool.sessions.execute("s", "print(1)\nwhile True: pass", files=(), on_output=on_output)
        assert text_of(await pool.run("2", session="s")) == "2"


async def test_a_flood_of_text_is_cut(pool: Pool):
    told = 0

    async def on_output(stream: str, text: str) -> None:
        nonlocal told
        told += len(text)

    await pool.run("x = 7", session="flood")
    code = "for n in range(10_000): print('y' * 10_000)"
    result = await pool.sessions.execute("flood", code, files=(), on_output=on_output)

    assert result.status == "ok"
    assert told < 1.1 * 1024**2
    assert len(text_of(result)) < 1.1 * 1024**2
    assert "the middle of a long output is left out" in text_of(result)
    assert text_of(result).endswith("[output cut here: one cell may print 16 MiB]\n")
    assert text_of(await pool.run("x", session="flood")) == "7"


async def test_a_flood_from_a_subprocess_is_cut(pool: Pool):
    result = await pool.run("import os\nos.system('yes | head -c 40000000')")

    assert result.status == "ok"
    assert len(text_of(result)) < 1.1 * 1024**2


async def test_a_flood_of_displays_is_stopped(pool: Pool):
    await pool.run("x = 7", session="displays")
    code = "from IPython.display import HTML, display\nwhile True: display(HTML('z' * 4_000_000))"
    result = await pool.run(code, session="displays")

    assert result.status == "interrupted"
    assert "The cell was stopped because it put out too much." in text_of(result)
    assert sum(len(output.get("data", {}).get("text/html", "")) for output in result.outputs) <= 16 * 1024**2
    assert text_of(await pool.run("x", session="displays")) == "7"


@pytest.mark.parametrize(
    "fill",
    [
        "while True: open(f'{n}', 'wb').write(bytes(1 << 20)); n += 1; time.sleep(0.01)",  # a while of filling
        "os.mkdir('shut'); open('shut/x', 'wb').write(bytes(12<<20)); os.chmod('shut', 0)\ntime.sleep(60)",  # on
        "for n in range(200): os.mkdir('d'); os.chdir('d')\ntime.sleep(60)",  # goes on
    ],
)
# They go on after filling it, so that it is the look at the disk that stops them.
async def test_a_cell_that_fills_the_disk_is_stopped(started: Started, tmp_path: Path, fill: str):
    async with started(tmp_path, disk="10MiB", execution_timeout=30) as pool:
        result = await pool.run(f"import os, time\nn = 0\n{fill}")
        after = await pool.run("os.chdir('/mnt/data')\n!chmod 755 *; rm -r *\n'room'")

    assert result.status == "interrupted"
    assert "because the files in /mnt/data take more than 10 MiB, or are too many: some have to" in text_of(result)
    assert text_of(after) == "'room'", "it has made room, which must be known at its end"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise Exception('x' * 20_000_000)", "left out"),
        ("'x' * 20_000_000", "left out"),
        (
            "from IPython.display import Image\nImage(b'\\x89PNG' + bytes(20_000_000), format='png')",
            "[image/png of",
        ),
    ],
)
async def test_one_huge_output_is_cut_and_the_kernel_lives(pool: Pool, code: str, says: str):
    await pool.run("x = 7", session="huge")
    result = await pool.run(code, session="huge")

    assert result.status in {"ok", "error"}
    assert says in text_of(result)
    assert len(text_of(result)) < 1.1 * 1024**2
    assert text_of(await pool.run("x", session="huge")) == "7"


WIRE = "import gc, socket\n"
WIRE += "wire, = [each for each in gc.get_objects() if isinstance(each, socket.socket) and each.fileno() > 0]\n"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("while True: wire.sendall(b'x' * 1_000_000)", "it sent a message without an end"),
        ("while True: wire.sendall(b'[1]\\n' * 100_000)", "it sent too much that nobody had asked for"),
        ("wire.close()\nwhile True: pass", "it closed its connection to the server"),
    ],
)
async def test_a_kernel_that_breaks_the_bounds_is_ended(pool: Pool, code: str, says: str):
    result = await pool.run(WIRE + code, session="bounds")
    after = await pool.run("1", session="bounds")

    assert result.status == "dead"
    assert says in text_of(result)
    assert text_of(after) == "1"


async def test_a_kernel_that_talks_when_nobody_has_asked_is_ended(pool: Pool):
    code = "import threading\ndef talk():\n    while True: wire.sendall(b'[1]\\n' * 100_000)\n"
    # A moment later, so that the cell is over; if it is not, its own flood is stopped in the same words.
    await pool.run(WIRE + code + "x = 7; threading.Timer(0.2, talk).start()", session="talker")
    with anyio.fail_after(20):
        while text_of(result := await pool.run("'x' in globals()", session="talker")) == "True":
            await anyio.sleep(0.05)  # polled: the kernel ends some time after it has begun to talk

    assert "it sent too much that nobody had asked for" in text_of(result)


async def test_a_lie_concerns_the_cell_that_tells_it_and_no_other(pool: Pool):
    code = """
import json, threading, time
def lie():
    for cell in (None, "x", 7, ["x"]):
        for type, content in (("done", {"status": "ok"}), ("stream", {"name": "stdout", "text": "lie"}), (1, 2)):
            wire.sendall(json.dumps({"cell": cell, "type": type, "content": content}).encode() + b"\\n")
    wire.sendall(b"no json\\n[]\\n7\\n\\xff\\n" + b"[" * 100_000 + b"\\n")
lie()
'truth'
"""
    assert text_of(await pool.run(WIRE + code, session="liar")) == "'truth'"
    assert text_of(await pool.run("1", session="liar")) == "1"


async def test_what_was_printed_before_a_crash_comes_through(pool: Pool):
    code = "import ctypes\nfor step in range(8): print('step', step)\nctypes.string_at(0)"
    result = await pool.run(code, session="crashing")

    assert result.status == "dead"
    assert result.outputs[0]["text"] == "".join(f"step {step}\n" for step in range(8))


@pytest.mark.parametrize(
    ("death", "cause"),
    [
        ("import os; os._exit(3)", "its code has ended it, as os._exit(3) does"),
        ("import ctypes; ctypes.string_at(0)", "compiled code has crashed (SIGSEGV)"),
        ("import os; os.abort()", "compiled code has given up (SIGABRT)"),
        ("import os; os.kill(os.getpid(), 9)", "it was killed (SIGKILL), by its own code or from outside"),
        ("import os; os.kill(os.getpid(), 15)", "it was ended (SIGTERM), by its own code or from outside"),
    ],
)
async def test_a_kernel_that_dies_says_so_and_the_next_is_fresh(pool: Pool, death: str, cause: str):
    code = "import os, time\nx = 7\nopen('kept', 'w').write('yes')\nprint('last words')\n"
    # Polled: the file is the sign to go on.
    code += f"while not os.path.exists('go'): time.sleep(0.01)\nos.remove('go')\n{death}"
    async with pool.busy(code, "dying") as results:
        (pool.data("dying") / "go").touch()
    after = await pool.run("print(open('kept').read(), 'x' in globals())", session="dying")

    assert results[0].status == "dead"
    assert [output["text"] for output in results[0].outputs] == [
        "last words\n",
        f"The kernel has ended: {cause}. Variables and imports are lost; the files in /mnt/data are kept.\n",
    ]
    assert text_of(after) == "yes False\n"


@pytest.mark.parametrize("end", ["os._exit(3)", "os.abort()"])
async def test_what_is_printed_just_before_the_end_is_not_lost(pool: Pool, end: str):
    result = await pool.run(f"import os\nprint('last')\nprint('words', end='')\n{end}", session="last_words")

    assert result.status == "dead"
    assert text_of(result).startswith("last\nwords")


async def test_a_kernel_that_is_killed_from_outside_says_so(pool: Pool):
    kernel = await host_pid(pool, session="killed")
    async with pool.busy("print(1)\nwhile True: pass", "killed") as results:
        os.kill(kernel, signal.SIGKILL)

    assert results[0].status == "dead"
    assert "it was killed (SIGKILL), by its own code or from outside" in text_of(results[0])


async def test_orphans_are_reaped(pool: Pool):
    code = """
import os, time
if os.fork() == 0:
    if os.fork():
        os._exit(0)  # the other one is an orphan now
    os._exit(0)
os.wait()
while any(each.isdigit() and int(each) > 2 for each in os.listdir("/proc")):
    time.sleep(0.001)  # polled: a process that is not its parent is told of no end
"""
    assert (await pool.run(code, session="orphans")).status == "ok"


async def test_a_kernel_that_dies_between_cells_is_missed(pool: Pool):
    kernel = await host_pid(pool, session="between")
    # It dies a moment after the cell; if the cell is slower than that, the next one shows the same.
    await pool.run("import os, threading; threading.Timer(0.05, os._exit, (0,)).start()", session="between")
    assert await to_thread.run_sync(gone, kernel)
    result = await pool.run("1", session="between")

    assert result.status == "ok"
    assert (
        "A new kernel was started, because the last one has ended (its code has ended it, as os._exit(0) does)."
        in text_of(result)
    )


async def test_exit_does_not_break_the_session(pool: Pool):
    results: list[CellResult] = [await pool.run(code, session="exit") for code in ("exit()", "1", "quit()", "2")]

    assert [result.status for result in results] == ["ok"] * 4
