"""Programs whose outputs are the attack."""

# ruff: noqa: E501 - a program, a line

from __future__ import annotations

import json

import pytest

from tests.hostile.conftest import Place, last_line
from tests.sessions.conftest import text_of

SHOWN = {
    "colours and cursor moves": (r"print('\x1b[31mred\x1b[2J\x1b[1;1H\x1b[0m')", ["\x1b"]),
    "links and the clipboard": (r"print('\x1b]8;;http://x\x07y\x1b]8;;\x07\x1b]52;c;eA==\x07')", ["\x1b", "\x07"]),
    "NUL and bells": (r"print('a\x00b\x07\x08')", ["\x00", "\x07", "\x08"]),
    "what is not UTF-8": (r"os.write(1, b'\xff\xfe\x80abc\n')", ["\xff\xfe"]),
    "half characters": (r"print('\ud800')", ["\ud800"]),
    "in an error": (r"raise ValueError('\x1b]0;owned\x07\x00')", ["\x1b", "\x00", "\x07"]),
    "in a result": (r"type('X', (), {'__repr__': lambda self: '\x1b[2Jx\x00'})()", ["\x1b", "\x00"]),
    "in the name of an error": (r"raise type('\x1b[2JX', (Exception,), {})()", ["\x1b"]),
}


@pytest.mark.parametrize("name", [*SHOWN])
async def test_nothing_is_shown_that_commands_a_terminal(place: Place, name: str):
    code, forbidden = SHOWN[name]
    result = await place.attack(code, "shown")

    told = text_of(result)
    assert not [each for each in forbidden if each in told]
    json.dumps(result.outputs, allow_nan=False, ensure_ascii=False).encode()


FLOODS = {
    "printing without end": "while True: print('x' * 100_000)",
    "one print of 200 megabytes": "print('x' * 200_000_000)",
    "carriage returns": "for n in range(100_000): print('x' * 20, end='\\r')",
    "a program that prints without end": "subprocess.run('yes')",
    "many figures": "import matplotlib.pyplot as plt\nwhile True: plt.figure(figsize=(1, 1)); plt.show()",
    "many displays": "from IPython.display import display\nwhile True: display({'text/html': 'x' * 100_000}, raw=True)",
    "warnings": "import warnings\nwarnings.simplefilter('always')\nwhile True: warnings.warn('x' * 10_000)",
    "a traceback without end": "def deep(n): return deep(n + 1)\ndeep(0)",
    "a huge error": "raise ValueError('x' * 50_000_000)",
}


@pytest.mark.parametrize("name", [*FLOODS])
async def test_floods_are_bounded(brief: Place, name: str):
    result = await brief.attack(FLOODS[name], "floods")

    assert len(json.dumps(result.outputs)) < 20 << 20
    assert last_line(await brief.attack("1", "floods")) == "1"


METHODS = ["__repr__", "_repr_html_", "_repr_png_", "_repr_mimebundle_", "_repr_json_", "_ipython_display_"]
ANSWERS = [
    "1 / 0",
    "7",
    "b'\\xff' * 10",
    "'x' * 30_000_000",
    "os.urandom(10)",
    "{'text/html': {1: object()}, 5: 6}",
    "time.sleep(99)",  # a repr that takes too long
    "sys.exit()",
]


@pytest.mark.parametrize("method", METHODS)
async def test_what_an_object_says_of_itself_is_not_trusted(brief: Place, method: str):
    for answer in ANSWERS:
        code = f"class Liar:\n    def {method}(self, *a, **k): return {answer}\nLiar()"
        result = await brief.attack(code, "liar")
        assert len(json.dumps(result.outputs, allow_nan=False)) < 20 << 20
    assert last_line(await brief.attack("1", "liar")) == "1"


@pytest.mark.parametrize("code", [
    "import matplotlib.pyplot as plt; plt.switch_backend('TkAgg')",
    "import matplotlib.pyplot as plt; plt.figure(figsize=(10_000, 10_000)).savefig('x.png')",
    "import webbrowser; webbrowser.open('http://example.com')",
    "import pickle\nclass Bomb:\n    def __reduce__(self): return os.system, ('touch CANARY.loaded',)\npickle.dump(Bomb(), open('state.pkl', 'wb'))",
    "Path('out.ipynb').write_text('{\"cells\": [], \"metadata\": {\"trusted\": true}}')",
    "class Bomb:\n    def __del__(self): os.kill(1, 9); os.system('touch CANARY.loaded')\nx = Bomb(); del x",
])  # fmt: skip
async def test_nothing_of_it_happens_on_the_host(place: Place, code: str):
    await place.attack(code, "things")

    assert not place.canary.with_name("canary.loaded").exists()
    assert last_line(await place.attack("1", "things")) == "1"
