"""A file says which upstream and which of its models serves each name."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelci.errors import StartupError
from kernelci.models.catalog import Catalog
from kernelci.models.choice import choose
from kernelci.models.mapped import MappedCatalog, mapped_by
from kernelci.protocol.usage import FREE, Price, Usage
from kernelci.settings import Settings
from tests.models.requests import WITH_CODE
from tests.upstream import Says, Upstream

FILE = """
default = "second"

[upstreams.first]
url = "{first}"
model = "qwen3:8b"

[upstreams.second]
url = "{second}"
key_env = "KEY_OF_THE_SECOND"

[names]
"gpt-4-1106-preview" = "first"
"gpt-4o" = {{ upstream = "second", model = "gpt-5" }}
"gpt-4*" = {{ upstream = "first", model = "llama3.2:3b" }}
"""


@pytest.fixture
def second():
    with Upstream() as running:
        yield running


@pytest.fixture
def file(upstream, second, tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("KEY_OF_THE_SECOND", "sk-second")
    path = tmp_path / "models.toml"
    path.write_text(FILE.format(first=upstream.url, second=second.url), encoding="utf-8")
    return path


async def ignore(event) -> None:
    del event


@pytest.mark.parametrize(
    ("name", "at", "asked"),
    [
        ("gpt-4-1106-preview", "first", "qwen3:8b"),
        ("gpt-4o", "second", "gpt-5"),
        ("gpt-4-turbo", "first", "llama3.2:3b"),
        ("qwen3:8b", "first", "qwen3:8b"),
        ("mine", "second", "mine"),
    ],
)
async def test_a_name_is_served_as_the_file_says(upstream, second, file, name, at, asked):
    async with mapped_by(file) as catalog:
        model, named = catalog.serving(name)
        assert named == asked
        for each in (upstream, second):
            each.will([Says("Hi.")])
        await model.reply(WITH_CODE, ignore)
    assert [len(upstream.requests), len(second.requests)] == ([1, 0] if at == "first" else [0, 1])


async def test_each_upstream_gets_its_own_key(upstream, second, file):
    async with mapped_by(file) as catalog:
        for each, name in ((upstream, "qwen3:8b"), (second, "mine")):
            each.will([Says("Hi.")])
            await catalog.serving(name)[0].reply(WITH_CODE, ignore)
        assert "sk-second" not in catalog.describe() + repr(catalog._served)
    assert upstream.requests[0].headers["authorization"] == "Bearer none"
    assert second.requests[0].headers["authorization"] == "Bearer sk-second"


async def test_names_are_listed_and_told(upstream, second, file):
    async with mapped_by(file) as catalog:
        assert catalog.names == ("gpt-4-1106-preview", "gpt-4o", "qwen3:8b")
        sent, here = "Conversations are sent to", "served on this machine by"
        assert catalog.describe().splitlines() == [
            f"first: {sent} qwen3:8b, {here} {upstream.host}, and nowhere else.",
            f"second: {sent} the model that each assistant names, {here} {second.host}, and nowhere else.",
            "gpt-4-1106-preview is served by first.",
            "gpt-4o is served by second, as gpt-5.",
            "gpt-4* is served by first, as llama3.2:3b.",
            "Any other name is served by second.",
        ]


async def test_a_file_in_the_data_folder_counts_unless_an_endpoint_is_named(file):
    found = await choose(Settings(data_dir=file.parent), servers=[])
    given = await choose(Settings(data_dir=file.parent / "elsewhere", models=file), servers=[])
    named = await choose(Settings(data_dir=file.parent, model_url="http://127.0.0.1:1/v1"), servers=[])
    assert [type(each) for each in (found, given, named)] == [MappedCatalog, MappedCatalog, Catalog]


PRICED = """
[upstreams.local]
url = "http://127.0.0.1:1/v1"
price = { prompt = 0, completion = 0 }

[upstreams.cloud]
url = "https://127.0.0.1:2/v1"
PRICE

[names]
gpt-4o = { upstream = "cloud", price = { prompt = 2.5, cached = 1.25, completion = 10 } }
"gpt-5*" = "cloud"
"""


async def test_a_price_is_the_names_or_else_the_upstreams(tmp_path):
    path = tmp_path / "models.toml"
    path.write_text(PRICED.replace("PRICE", "price = { prompt = 1.25, completion = 10 }"), encoding="utf-8")
    async with mapped_by(path) as catalog:
        prices = [catalog.price(name) for name in ("gpt-4o", "gpt-5-mini", "mine")]
        assert prices == [Price(prompt=2.5, cached=1.25, completion=10), Price(prompt=1.25, completion=10), FREE]
    used = Usage(prompt_tokens=1_000_000, completion_tokens=100_000, cached_tokens=400_000)
    assert [price and price.of(used) for price in prices] == [1.5 + 0.5 + 1, 1.25 + 1, 0]


@pytest.mark.parametrize("budget", ["max_run_cost", "max_thread_cost"])
async def test_a_budget_of_money_without_a_price_stops_the_start(tmp_path, budget):
    path = tmp_path / "models.toml"
    path.write_text(PRICED.replace("PRICE", ""), encoding="utf-8")
    with pytest.raises(StartupError, match="none is said of cloud"):
        await choose(Settings(data_dir=tmp_path, **{budget: 1}), servers=[])
    with pytest.raises(StartupError, match=r"none is said of 127\.0\.0\.1:3"):
        await choose(Settings(data_dir=tmp_path, model_url="http://127.0.0.1:3/v1", **{budget: 1}), servers=[])
    assert await choose(Settings(data_dir=tmp_path), servers=[])
    path.unlink()
    assert await choose(Settings(data_dir=tmp_path, **{budget: 1}), servers=[]), "the offline model is free"


async def test_a_file_and_an_endpoint_are_one_too_many(file):
    with pytest.raises(StartupError, match="leave out --model-url and --model"):
        await choose(Settings(data_dir=file.parent, models=file, model="m"), servers=[])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "upstreams: Field required"),
        ("upstreams = {}", "upstreams: Dictionary should have at least 1 item"),
        ("[upstreams.a", "is no TOML"),
        ('[upstreams.a]\nurl = "http://x/v1"\nkeys = "sk-secret"', r"upstreams\.a\.keys: Extra inputs"),
        ('default = "b"\n[upstreams.a]\nurl = "http://x/v1"', "no upstream named 'b'"),
        ('[upstreams.a]\nurl = "http://x/v1"\n[names]\nm = "b"', "no upstream named 'b'"),
        ('[upstreams.a]\nurl = "http://x/v1"\nprice = { prompt = -1, completion = 1 }', r"price\.prompt: Input"),
        ('[upstreams.a]\nurl = "http://x/v1"\nprice = { prompt = 1 }', r"price\.completion: Field required"),
        ('[upstreams.a]\nurl = "x"', r"upstreams\.a: .* is no address"),
        ('[upstreams.a]\nurl = "http://x/v1"\nkey_env = "NOBODY_SET_THIS"', "no variable 'NOBODY_SET_THIS'"),
    ],
)
def test_what_cannot_be_stops_the_start(tmp_path, text, complaint):
    path = tmp_path / "models.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StartupError, match=complaint) as refused:
        mapped_by(path)
    assert "sk-secret" not in refused.value.message


def test_a_file_that_is_not_there_stops_the_start(tmp_path):
    with pytest.raises(StartupError, match="cannot be read"):
        mapped_by(tmp_path / "models.toml")
