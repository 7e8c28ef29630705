"""Which failures are the same one again."""

from __future__ import annotations

import pytest

from kernelci.engine.failures import Failure, Failures, failure_of


def traceback(*lines: str) -> tuple[dict[str, object], ...]:
    *_, last = lines
    name, _, message = last.partition(": ")
    return ({"output_type": "error", "ename": name, "evalue": message, "traceback": list(lines)},)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Failure("ValueError", "index 5 of 10", "x[5]"), Failure("ValueError", "index 6 of 1,200.5", "x[6]")),
        (
            Failure("TypeError", "<A object at 0x7f1>", "f(a)"),
            Failure("TypeError", "<A object at 0x8E2>", "f( a )"),
        ),
        (Failure("KeyError", "'price'", "df['price']"), Failure("KeyError", '"price"', "df.loc[0, 'price']")),
        (
            Failure("FileNotFoundError", "No such file: '/mnt/data/a.csv'", "open('/mnt/data/a.csv')"),
            Failure("FileNotFoundError", "No such file: 'a.csv'", "pd.read_csv('a.csv')"),
        ),
        (
            Failure("ZeroDivisionError", "by zero", "x = 1 / 0  # so"),
            Failure("ZeroDivisionError", "by zero", "x=1/0"),
        ),
    ],
)
def test_two_attempts_at_the_same_thing_are_one_failure(one: Failure, other: Failure) -> None:
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Failure("KeyError", "'price'"), Failure("KeyError", "'cost'")),
        (Failure("KeyError", "2021"), Failure("KeyError", "2022")),
        (
            Failure("FileNotFoundError", "No such file: '/mnt/data/sales-1.csv'"),
            Failure("FileNotFoundError", "No such file: '/mnt/data/sales-2.csv'"),
        ),
        (Failure("NameError", "name 'q1' is not defined"), Failure("NameError", "name 'q2' is not defined")),
        (Failure("ZeroDivisionError", "by zero", "a / b"), Failure("ZeroDivisionError", "by zero", "c / d")),
        (Failure("ValueError", "no", "f()"), Failure("TypeError", "no", "f()")),
    ],
)
def test_progress_is_not_the_same_failure(one: Failure, other: Failure) -> None:
    assert one.fingerprint != other.fingerprint


def test_the_place_is_the_innermost_line_of_the_cells_own_code() -> None:
    outputs = traceback(
        "---------------------------------------------------------------------------",
        "ValueError                                Traceback (most recent call last)",
        "Cell In[7], line 4\n      1 def f(x):\n      2     return int(x)\n----> 4 f('a')\n",
        "Cell In[7], line 2, in f(x)\n      1 def f(x):\n----> 2     return int(x)\n",
        "File /usr/lib/python3.11/json/__init__.py:12, in loads(s)\n---> 12 raise ValueError",
        "",
        "ValueError: invalid literal",
    )
    assert failure_of("f('a')", "error", outputs) == Failure("ValueError", "invalid literal", "return int(x)")
    syntax = traceback("  Cell In[2], line 1\n    x = (\n        ^", "SyntaxError: '(' was never closed")
    assert failure_of("x = (", "error", syntax) == Failure("SyntaxError", "'(' was never closed", "x = (")


def test_to_be_stopped_and_to_run_nothing_are_failures_and_success_is_none() -> None:
    note = {"output_type": "stream", "name": "stderr", "text": "warning\nThe cell was stopped because it ran.\n"}
    assert failure_of("loop()", "timeout", (note,)) == Failure("timeout", "The cell was stopped because it ran.")
    assert failure_of("os._exit(1)", "dead", ()) == Failure("dead", "")
    assert failure_of(" \n", "ok", ()) == Failure("EmptyCode", "the call had no code in it")
    assert failure_of("1", "ok", (note,)) is None


def test_failures_that_take_turns_add_up_and_the_report_names_them_all() -> None:
    failures = Failures(limit=3)
    ours, theirs = Failure("KeyError", "'a`b\n'", "df['a`b']"), Failure("ValueError", "x" * 5000)
    assert [failures.add(each, turn) for turn, each in enumerate((ours, theirs, ours, theirs))] == [1, 1, 2, 2]
    assert not failures.are_enough
    assert (failures.add(ours, 4), failures.are_enough) == (3, True)
    report = failures.report()
    assert "It failed 3 times: KeyError: 'a'b ' (at `df['a'b']`)" in report
    assert "- 2 times: ValueError: xxx" in report
    assert len(report) < 1000


def test_what_fails_together_in_one_reply_has_failed_once_and_stops_that_reply_alone() -> None:
    failures, failure = Failures(limit=3), Failure("NameError", "name 'df' is not defined")
    assert [failures.add(failure, 0) for _ in range(2)] == [1, 0]
    assert not failures.stop(0)
    assert (failures.add(failure, 0), failures.stop(0), failures.are_enough) == (0, True, False)
    assert not failures.stop(1)
    assert (failures.add(failure, 1), failures.stop(1)) == (2, False)
    assert (failures.add(failure, 2), failures.stop(3)) == (3, True)
