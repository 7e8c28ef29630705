"""Each shape of a reply comes to what the model meant, and the README says which are tried."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.shapes.replies import FAMILIES
from tests.shapes.shape import Shape, ask, judge
from tests.shapes.table import current, made
from tests.shapes.upstreams import SERVERS
from tests.shapes.written import WRITTEN
from tests.upstream import Upstream


@pytest.fixture(scope="module")
def upstream():
    with Upstream() as running:
        yield running


@pytest.mark.parametrize(
    "shape",
    [pytest.param(each, id=f"{family}: {each.name}") for family, shapes in FAMILIES.items() for each in shapes],
)
async def test_a_shape_is_recovered(shape: Shape, upstream: Upstream):
    judge(shape, await ask(shape, upstream))


@pytest.mark.parametrize("shape", [pytest.param(each, id=each.name) for each in WRITTEN])
async def test_a_model_that_writes_its_calls_is_heard_again(shape: Shape, upstream: Upstream):
    again = replace(shape, answers=[*shape.answers, shape.answers[0]], replies=2)
    judge(shape, await ask(again, upstream))


@pytest.mark.parametrize(
    "shape",
    [pytest.param(each, id=f"{server.name}: {each.name}") for server in SERVERS for _, each in server.shapes],
)
async def test_what_a_server_streams_is_recovered(shape: Shape, upstream: Upstream):
    judge(shape, await ask(shape, upstream))


async def test_the_readme_has_the_table_as_it_is_now():
    assert current() == await made(), "renew it: python -m tests.shapes"
