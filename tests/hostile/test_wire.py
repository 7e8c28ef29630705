"""Programs that speak to the host themselves, or break what speaks for them."""

# ruff: noqa: E501 - a program, a line

from __future__ import annotations

import json

import pytest

from kernelci.engine.ports.sessions import CellResult
from tests.hostile.conftest import Place, last_line
from tests.sessions.conftest import text_of

SPEAK = """
import gc, json
number = next(n for n in range(3, 1024) if tried(os.readlink, f"/proc/self/fd/{n}").startswith("socket:"))
raw = socket.socket(fileno=os.dup(number))
cell = next(each.cell for each in gc.get_objects() if type(each).__name__ == "Wire")

def say(type, content, cell=cell):
    raw.sendall(json.dumps({"cell": cell, "type": type, "content": content}).encode() + b"\\n")
"""


async def speak(place: Place, code: str, session: str) -> CellResult:
    """Run a cell that may use the wire; its outputs can be stored and shown."""
    result = await place.attack(SPEAK + code, session)
    stored = json.dumps(result.outputs, allow_nan=False)
    assert len(stored) < 2 << 20
    stored.encode()
    return result


async def test_a_forged_end_ends_its_own_cell_and_what_follows_is_in_no_other(place: Place):
    code = """
say("stream", {"name": "stdout", "text": "mine"})
say("done", {"status": "ok", "execution_count": 7})
say("stream", {"name": "stdout", "text": "late"})
time.sleep(0.1)  # so that the next cell may have begun; if it has not, this shows less and fails no more
print("later")
"""
    first = await speak(place, code, "early")
    second = await place.attack("print('second')", "early")

    assert first.status == "ok"
    assert text_of(first).startswith("mine")
    assert (second.status, text_of(second)) == ("ok", "second\n")


async def test_output_of_a_thread_after_the_end_is_not_in_the_next_cell_s_place(place: Place):
    """It is the same session's, and is shown with the cell that runs, but never as another session's."""
    late = "threading.Thread(target=lambda: (go.wait(), print('of the first')))"
    await place.attack(f"go = threading.Event(); thread = {late}; thread.start()", "threads")
    other = await place.attack("print('other')", "other")
    await place.attack("go.set(); thread.join()", "threads")

    assert text_of(other) == "other\n"


@pytest.mark.parametrize("cell", ["'other'", "None", "''", "cell[:-1]", "[cell]", "{}", "1", "cell.upper()"])
async def test_words_for_another_cell_are_not_heard(place: Place, cell: str):
    code = f"""
for what, content in (("stream", {{"name": "stdout", "text": "forged"}}), ("done", {{"status": "ok"}})):
    say(what, content, {cell})
print("real")
"""
    result = await speak(place, code, "forger")

    assert (result.status, text_of(result)) == ("ok", "real\n")


GARBAGE = [
    r"b'\n\n\n'",
    r"b'\x00\xff\xfe' * 1000 + b'\n'",
    r"os.urandom(100_000).replace(b'\n', b'') + b'\n'",
    r"b'[' * 100_000 + b'\n'",
    r"b'{\"a\":' * 100_000 + b'\n'",
    r"b'9' * 1_000_000 + b'\n'",
    r"b'null\n1\n\"x\"\n[]\n{}\n{\"cell\": 1}\n'",
    r"b'\xef\xbb\xbf{}\n'",
    r"b'{}\n' * 3_000",
    r"b'{\"cell\": \"x\", \"type\": [], \"content\": []}\n'",
    r"b'HTTP/1.1 200 OK\r\n\r\n'",
    r"b'x' * 8_000_000 + b'\n'",
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_on_the_wire_is_dropped(place: Place, garbage: str):
    result = await speak(place, f"raw.sendall({garbage})\nprint('real')", "garbage")

    assert (result.status, text_of(result)) == ("ok", "real\n")


async def test_a_line_without_an_end_ends_its_kernel(place: Place):
    result = await speak(place, "for _ in range(100): raw.sendall(b'x' * 1_000_000)", "endless")

    assert result.status == "dead"
    assert last_line(await place.attack("1", "endless")) == "1"


@pytest.mark.parametrize("words", [r"b'{}\n'", r"b'\n'"])
async def test_a_flood_of_words_is_stopped(place: Place, words: str):
    result = await speak(place, f"while True: raw.sendall({words} * 10_000)", "flood")

    assert result.status in {"dead", "interrupted", "timeout"}
    assert last_line(await place.attack("1", "flood")) == "1"


# After a forged end a cell goes on for a while, so that the end is read before the true one.
MISSHAPEN = [
    "say('execute_result', {'data': {'text/plain': 'x'}, 'execution_count': -1})",
    "say('done', {'status': ['ok'], 'execution_count': -(1 << 80)}); time.sleep(0.05)",  # the true end comes after
    "say('done', {'status': None, 'execution_count': 1 << 4000}); time.sleep(0.05)",  # the true end comes after
    "say('stream', {'name': 1, 'text': 'x'})",
    "say('stream', {'name': 'stdout', 'text': ['x']})",
    "say('stream', {'name': 'stdout', 'text': '\\ud800\\x00'})",
    "say('display_data', {'data': {'text/html': {'x': float('nan')}, '../x': 'y', 1: 2}, 'metadata': 3})",
    "say('display_data', {'data': [], 'metadata': []})",
    "say('display_data', {'data': {'application/json': [[[[float('inf')]]]]}, 'metadata': {'a': float('nan')}})",
    "deep = 1\nfor _ in range(900): deep = [deep]\nsay('display_data', {'data': {'application/json': deep}, 'metadata': {'x': deep}})",
    "say('execute_result', {'data': {'text/plain': 'x'}, 'execution_count': 'many'})",
    "say('error', {'ename': None, 'evalue': {}, 'traceback': 'x'})",
    "say('error', {})",
    "say('update_display_data', {'transient': {'display_id': []}})",
    "say('clear_output', {'wait': 'x'})",
    "say('execute_reply', {'status': 'ok', 'payload': [{'source': 'set_next_input'}]})",
    "say('comm_open', {'target_name': 'x'})",
    "say('input_request', {'prompt': 'password', 'password': True})",
    "say('status', {'execution_state': 'idle'})",
    "say('done', {'execution_count': True}); time.sleep(0.05)",  # the true end comes after
]  # fmt: skip


@pytest.mark.parametrize("code", MISSHAPEN)
async def test_misshapen_words_do_no_harm(place: Place, code: str):
    result = await speak(place, code, "misshapen")
    after = await place.attack("1 + 1", "misshapen")

    assert result.execution_count is None or 0 <= result.execution_count < 2**31
    counts = [output["execution_count"] for output in result.outputs if "execution_count" in output]
    assert all(count is None or 0 <= count < 2**31 for count in counts)
    assert last_line(after) == "2"


async def test_a_forged_farewell_is_the_kernels_own(place: Place):
    code = "say('broken', {'text': 'x' * 4_000_000}); time.sleep(9)"  # goes on, unless it is ended
    result = await speak(place, code, "farewell")

    assert result.status in {"dead", "timeout"}
    assert len(text_of(result)) < 1.1 * 1024**2
    assert last_line(await place.attack("1", "farewell")) == "1"


@pytest.mark.parametrize(
    "how",
    ["raw.shutdown(2)", "os.close(number); raw.close()", "os.dup2(os.open('/dev/zero', 0), number); raw.close()"],
)
async def test_a_kernel_that_hangs_up_is_ended(place: Place, how: str):
    result = await speak(place, f"{how}\nprint(1)", "hangs_up")

    assert result.status == "dead"
    assert last_line(await place.attack("1", "hangs_up")) == "1"


REPLACED = [
    "sys.stdout = sys.stderr = None",
    "sys.stdout = open('/dev/full', 'w')",
    "sys.displayhook = sys.excepthook = None",
    "get_ipython().displayhook = None",
    "get_ipython().display_pub = None",
    "get_ipython().run_cell = None",
    "get_ipython().showtraceback = get_ipython()._showtraceback = None",
    "import json; json.dumps = lambda *a, **k: 'no JSON'",
    "import json; json.loads = lambda *a, **k: {}",
    "import builtins; builtins.open = builtins.print = builtins.len = builtins.isinstance = None",
    "import threading; threading.RLock = threading.Thread = None; os.write = os.read = None",
    "get_ipython().events.register('pre_run_cell', lambda info: os._exit(1))",
    "get_ipython().events.register('post_run_cell', lambda result: 1 / 0)",
    "get_ipython().input_transformers_cleanup.append(lambda lines: ['1 / 0\\n'])",
    "import ast\nclass Rewrites(ast.NodeTransformer):\n    def visit_Constant(self, node): return ast.Constant(666)\nget_ipython().ast_transformers.append(Rewrites())",
    "sys.modules.clear()",
    "import gc\nfor each in gc.get_objects():\n    if type(each).__name__ == 'Wire': each.cell = 'other'",
    "os.closerange(0, 3)",
    "os.dup2(os.open('/dev/null', os.O_WRONLY), 1)",
    "import atexit; atexit.register(lambda: time.sleep(99))",  # an end that takes too long
    "signal.signal(signal.SIGINT, lambda *_: os.fork())",
    "sys.settrace(lambda *_: 1 / 0)",
    "sys.setrecursionlimit(50)",
    "import gc; gc.set_threshold(1); gc.callbacks.append(lambda *_: 1 / 0)",
]  # fmt: skip


@pytest.mark.parametrize("code", REPLACED)
async def test_who_breaks_a_kernel_breaks_his_own(brief: Place, code: str):
    session = f"replaced{REPLACED.index(code)}"
    await brief.attack(code, session)
    await brief.attack("print(1)", session)
    await brief.pool.sessions.close(session)

    fresh = await brief.attack("print(1)", session)
    assert (fresh.status, text_of(fresh)) == ("ok", "1\n")


@pytest.mark.parametrize("code", [
    "input('password: ')",
    "__import__('getpass').getpass()",
    "breakpoint()",
    "1 / 0\n%debug",
    "%debug print(1)",
    "!sudo -n true",
    "%%script bash\nread x; echo read $x",
    "exit()",
    "get_ipython().ask_exit()",
    "raise SystemExit",
    "raise KeyboardInterrupt",
    "os.read(0, 1)",
    "sys.stdin.readline()",
])  # fmt: skip
async def test_nobody_is_asked_and_nobody_leaves(place: Place, code: str):
    await place.attack("x = 7", "asks")
    result = await place.pool.run(code, session="asks")
    await place.check()

    assert result.status in {"ok", "error"}
    assert last_line(await place.attack("x", "asks")) == "7"
