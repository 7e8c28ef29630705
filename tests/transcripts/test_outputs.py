from __future__ import annotations

import pytest

from kernelci.protocol.parts import JsonObject
from kernelci.transcripts.inert import is_inert
from kernelci.transcripts.outputs import kept

FRAME = """<div>
<style scoped>
    .dataframe tbody tr th:only-of-type {
        vertical-align: middle;
    }
</style>
<table border="1" class="dataframe">
  <thead><tr style="text-align: right;"><th></th><th>gene expression</th></tr></thead>
  <tbody><tr><th>0</th><td>C:\\temp &lt;javascript:&gt;</td></tr></tbody>
</table>
</div>"""

FIGURE = """<?xml version="1.0" encoding="utf-8" standalone="no"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN"
  "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="460.8pt" viewBox="0 0 460.8 345.6" version="1.1">
 <metadata>
  <rdf:RDF xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:cc="http://creativecommons.org/ns#">
   <cc:Work><dc:type rdf:resource="http://purl.org/dc/dcmitype/StillImage"/></cc:Work>
  </rdf:RDF>
 </metadata>
 <defs><style type="text/css">*{stroke-linejoin: round; stroke-linecap: butt}</style></defs>
 <g id="axes_1"><path d="M 0 0 L 1 1 z" clip-path="url(#p1)" style="fill: none; stroke: #1f77b4"/>
  <use xlink:href="#m0" x="1" y="2"/><!-- 0.5 --><image xlink:href="data:image/png;base64,iVBORw0KGgo="/></g>
</svg>"""


@pytest.mark.parametrize(
    "text",
    [
        "only text & entities &amp; so on > here",
        FRAME,
        FIGURE,
        '<a href="https://example.org/?a=1&amp;b=2" target=_blank title="C:\\x">x</a><br/>',
        '<img src="data:image/gif;base64,R0lG" width=3>',
    ],
)
def test_what_is_inert(text: str) -> None:
    assert is_inert(text)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<SCRIPT >alert(1)</SCRIPT >",
        "<scr\0ipt>",
        "<img src=x onerror=alert(1)>",
        '<img src="https://example.org/beacon.png">',
        '<img srcset="x 1x">',
        "<b onclick='x'>",
        "<b/onclick=x>",
        "<b \0onclick=x>",
        '<b title="<script>">',
        '<b title="never closed>',
        "<b title='a\"b' onclick=\"x'\">",
        '<a href="javascript:alert(1)">',
        '<a href=" &#106;avascript:alert(1)">',
        '<a href="//example.org">',
        '<button data-commandlinker-command="apputils:print">x</button>',
        '<b data-commandlinker-command="x">',
        '<iframe srcdoc="x"></iframe>',
        '<form action="/x">',
        "<input autofocus>",
        '<base href="/x">',
        '<meta http-equiv="refresh" content="0">',
        '<link rel="stylesheet" href="/x.css">',
        '<table background="https://example.org/x">',
        "<style>@import 'https://example.org/x.css';</style>",
        "<style>b { background: url(https://example.org/x) }</style>",
        "<style>b { background: u\\72l(https://example.org/x) }</style>",
        "<style>b {} <b>c { background: url(https://example.org/x) }</b></style>",
        "<style>b {}",
        "<style/>",
        '<b style="background: URL( https://example.org/x )">',
        '<b style="background: u&#114;l(https://example.org/x)">',
        '<path fill="url(https://example.org/x#y)"/>',
        '<use href="https://example.org/x#y"/>',
        "<svg><foreignObject><b>x</b></foreignObject></svg>",
        '<svg><animate attributeName="href" to="javascript:alert(1)"/></svg>',
        "<svg><![CDATA[<script>]]></svg>",
        '<!DOCTYPE svg [<!ENTITY x "y">]><svg/>',
        "<!-- <b> -->",
        "<!-- x --!> <b>",
        "<?php x ?>",
        "<math><mi>x</mi></math>",
        "a < b",
    ],
)
def test_what_is_not(text: str) -> None:
    assert not is_inert(text)


@pytest.mark.parametrize(
    "text",
    [
        "<b " + "a " * 200_000,
        "<b " + " " * 400_000,
        '<b a="' + "x" * 400_000,
        "<b " + 'a="b" ' * 100_000 + "<",
        "<!--" * 200_000,
        "<style>" + "url(" + " " * 400_000,
    ],
    ids=["attributes", "spaces", "quote", "pairs", "comments", "style"],
)
def test_hostile_text_is_judged_in_linear_time(text: str) -> None:
    assert not is_inert(text)  # in square time this would outlast the test's limit


def display(data: JsonObject, **metadata: object) -> JsonObject:
    return {"output_type": "display_data", "data": data, "metadata": metadata}


def test_what_is_harmless_is_kept_as_it_is() -> None:
    outputs: list[JsonObject] = [
        {"output_type": "stream", "name": "stderr", "text": "שלום\n\x1b[31mred\x1b[0m"},
        {
            "output_type": "execute_result",
            "execution_count": 3,
            "data": {"text/plain": "   a", "text/html": FRAME, "text/latex": "$x$", "text/markdown": "*x*"},
            "metadata": {},
        },
        display({"image/png": "iVBORw0KGgo=\n", "text/plain": "<Figure size 640x480 with 1 Axes>"})
        | {"metadata": {"image/png": {"width": 640, "height": 480.5, "needs_background": "light"}}},
        display({"image/svg+xml": FIGURE}),
        display({"application/vnd.plotly.v1+json": {"data": [{"y": [1, 2.5, None, "x"]}]}}),
        display({"application/vnd.vegalite.v5+json": {"mark": "bar"}}),
        {
            "output_type": "error",
            "ename": "ZeroDivisionError",
            "evalue": "division by zero",
            "traceback": ["a", "b"],
        },
    ]
    assert kept(outputs) == outputs


def test_what_could_run_is_left_out() -> None:
    bundle = {
        "text/plain": "<Chart>",
        "text/html": "<div id=1></div><script>alert(1)</script>",
        "application/javascript": "alert(1)",
        "application/vnd.jupyter.widget-view+json": {"model_id": "x"},
        "application/vnd.bokehjs_exec.v0+json": "",
        "image/svg+xml": "<svg onload='alert(1)'/>",
        "image/png": '"><script>alert(1)</script>',
        "text/vnd.unheard-of": "x",
    }
    assert kept([display(bundle)]) == [display({"text/plain": "<Chart>"})]
    (alone,) = kept([display({"application/javascript": "alert(1)"}, isolated=True)])
    assert list(alone["data"]) == ["text/plain"]
    assert "not kept" in alone["data"]["text/plain"]
    assert alone["metadata"] == {}


def test_metadata_is_only_about_size() -> None:
    wide = {"image/png": {"width": '1" onerror="x', "height": True, "unheard_of": 1}, "isolated": True}
    assert kept([display({"image/png": "AAAA"}) | {"metadata": wide}]) == [display({"image/png": "AAAA"})]


def test_what_is_no_output_becomes_one_or_goes() -> None:
    assert kept(
        [
            {},
            {"output_type": "unheard_of"},
            {"output_type": ["stream"]},
            {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"], "transient": {"display_id": "x"}},
            {"output_type": "stream", "name": 7, "text": 8},
            {"output_type": "error", "ename": None, "traceback": ["a", 1]},
            {"output_type": "execute_result", "execution_count": -1, "data": {"text/plain": 5}, "metadata": None},
            {"output_type": "display_data", "data": {"application/json": {"x": float("nan")}}, "transient": {}},
        ]
    ) == [
        {"output_type": "stream", "name": "stdout", "text": "a\nb"},
        {"output_type": "stream", "name": "stdout", "text": ""},
        {"output_type": "error", "ename": "", "evalue": "", "traceback": ["a"]},
        {
            "output_type": "execute_result",
            "execution_count": None,
            "data": {"text/plain": kept([display({})])[0]["data"]["text/plain"]},
            "metadata": {},
        },
        display({"application/json": {"x": None}}),
    ]
