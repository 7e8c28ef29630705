"""What a model may ask of the reader, however it writes that, and what it is answered."""

from __future__ import annotations

import json

import pytest

from kernelci.engine.reading import Question, read
from kernelci.engine.results import Result, Results

LONG = "\n".join(f"row {number}" for number in range(1, 1001))


async def nowhere(step_id: str, call_id: str) -> str:
    raise AssertionError("nothing is stored")


def some_results() -> Results:
    """Three outputs, of which the second and the third are cut."""
    results = Results(1000, readable=True, fetch=nowhere)
    for id, text in (("call_a", "short"), ("call_b", LONG), ("call_c", LONG.replace("row", "line"))):
        results.add(id, Result(text))
    return results


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ('{"id": "out_2", "from_line": 120, "to_line": 180}', Question("out_2", 120, 180)),
        ('{"id": "out_2", "from_line": "120", "to_line": "180"}', Question("out_2", 120, 180)),
        ('{"id": "out_2", "lines": "120-180"}', Question("out_2", 120, 180)),
        ('{"id": "out_2", "lines": [120, 180]}', Question("out_2", 120, 180)),
        ('{"id": "out_2", "lines": "120,180"}', Question("out_2", 120, 180)),
        ('{"id": "out_2", "from_line": "19,000", "to_line": "1,019,050"}', Question("out_2", 19000, 1019050)),
        ('{"id": "out_2", "line": 120.0}', Question("out_2", 120)),
        ('{"id": "out_2", "from_line": -20}', Question("out_2", -20)),
        ('{"id": "out_2", "from_line": 10, "to_line": -1}', Question("out_2", 10, -1)),
        ('{"id": "out_2", "lines": "10 to -1"}', Question("out_2", 10, -1)),
        ('{"id": "out_2", "from_line": 0}', Question("out_2", 1)),
        ('{"id": 2, "search": "error", "from_line": null}', Question("2", search="error")),
        ('"{\\"id\\": \\"out_2\\"}"', Question("out_2")),
        ('{"arguments": {"id": "out_2"}}', Question("out_2")),
        ("{'id': 'out_2', search: 'a'", Question("out_2", search="a")),
        ("out_2", Question("out_2")),
        ("2", Question("2")),
        ("", Question("")),
        ("[1, 2]", Question("")),
        (
            '{"id": {"a": 1}, "from_line": [], "search": "' + "s" * 300 + '"}',
            Question('{"a": 1}', search="s" * 200),
        ),
        ("[" * 100_000, Question("[" * 2000)),
    ],
)
def test_arguments_as_models_write_them(arguments: str, asked: Question) -> None:
    assert Question.of(arguments) == asked


@pytest.mark.parametrize("id", ["out_2", "2", "out 2", "#2", "OUT_2", "call_b", "out_02"])
async def test_an_output_is_known_by_whatever_tells_which_it_is(id: str) -> None:
    answer = await read(json.dumps({"id": id, "from_line": 500, "to_line": 501}), some_results())
    assert answer == "out_2 [lines 500 to 501 of 1,000]\nrow 500\nrow 501"


@pytest.mark.parametrize("arguments", ["{}", "", '{"id": "latest"}', '{"id": ""}', '{"id": null}'])
async def test_no_id_is_the_last_that_was_cut(arguments: str) -> None:
    results = some_results()
    results.add("call_d", Result("short"))
    assert (await read(arguments, results)).startswith("out_3 [lines 1 to 123 of 1,000]\nline 1\n")


async def test_a_wrong_id_is_answered_with_those_that_there_are() -> None:
    answer = await read('{"id": "out_7"}', some_results())
    assert answer == "[There is no output 'out_7'. Those that were cut: out_2, out_3.]"
    assert (
        await read('{"id": "x"}', Results(1000, readable=True, fetch=nowhere))
        == "[There is no output 'x'. Those that were cut: none.]"
    )


async def test_an_answer_is_no_longer_than_any_output() -> None:
    results = Results(1000, readable=True, fetch=nowhere)
    results.add("call_a", Result("needle " * 100_000))
    for arguments in ("{}", '{"search": "needle"}', '{"search": "' + "needle " * 30 + '"}'):
        assert len(await read(arguments, results)) < 1500
    short = await read('{"search": "Needle", "from_line": -3}', results)
    assert short.startswith("out_1 ['Needle': in 3 lines from line 2,332 on, 1 of them shown; search again")
    assert (await read('{"search": "needle"}', results)).startswith("out_1 ['needle': in 1,000 or more lines, ")
