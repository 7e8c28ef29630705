"""What has come back for one request, and when it is over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernelci.sessions.cell import RunningCell
from kernelci.sessions.trim import Limits

OK = {"status": "ok", "execution_count": 3}


def test_a_cell_is_over_when_its_end_has_come():
    cell = RunningCell("1", 100, Limits())
    cell.publish("stream", {"name": "stdout", "text": "before"}, 1)
    assert not cell.over

    cell.reply(OK)

    assert cell.over
    assert (cell.status, cell.execution_count) == ("ok", 3)


def test_a_flood_is_noticed_and_not_kept():
    cell = RunningCell("1", 100, Limits())
    cell.publish("stream", {"name": "stdout", "text": "kept"}, 60)
    cell.publish("stream", {"name": "stdout", "text": "not kept"}, 60)
    assert cell.flooded
    cell.publish("error", {"ename": "KeyboardInterrupt", "evalue": "", "traceback": ["why"]}, 60)
    cell.reply(OK)

    assert [output["output_type"] for output in cell.outputs.collected()] == ["stream", "error"]
    assert cell.outputs.collected()[0]["text"] == ["kept"]
    assert cell.over


ANY = st.none() | st.booleans() | st.text(max_size=3) | st.lists(st.integers(), max_size=2) | st.just({})
CONTENT = st.dictionaries(st.sampled_from(["ename", "name", "text", "status", "execution_count"]), ANY)


@given(st.sampled_from(["done", "stream", "clear_output", "error"]), CONTENT)
def test_a_malformed_message_changes_nothing_that_matters(kind: str, content: dict[str, object]):
    cell = RunningCell("1", 100, Limits())
    cell.publish(kind, content, 1)
    cell.reply(content)
    cell.tell(kind, content)
    cell.telling.close()
    cell.telling.told()

    assert cell.status in {"ok", "error"}
    assert cell.execution_count is None or isinstance(cell.execution_count, int)
