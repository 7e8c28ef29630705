"""Whether a piece of HTML or SVG is plainly inert: it runs nothing, loads nothing, and posts nothing.

This is a check, not a cleaning: what does not pass is left out as a whole. Every `<` in the text must begin a
tag, comment or prolog of the plainest form, with a name from a list; so whichever way a program reads the text,
it finds no tag that was not looked at here. Tables of pandas pass, and figures that matplotlib draws as SVG.
"""

from __future__ import annotations

import html
import re

_TEXT = """
    a abbr b bdi bdo big blockquote br caption center cite code col colgroup dd del details dfn div dl dt em
    figcaption figure font h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp section small span strike
    strong style sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr
"""
_DRAWING = """
    svg g path rect circle ellipse line polyline polygon text tspan textpath defs use symbol marker mask pattern
    clippath lineargradient radialgradient stop filter image title desc metadata
"""
_TAGS = frozenset((_TEXT + _DRAWING).split())
_VOCABULARIES = ("rdf:", "cc:", "dc:")
"""Of what a drawing says about itself."""

_ADDRESSES = """
    action archive background cite classid codebase data dynsrc formaction icon is longdesc lowsrc manifest ping
    poster profile slot srcdoc srcset usemap xml:base
"""
_REFUSED = frozenset(_ADDRESSES.split())
"""Attributes that name something to load or run, besides `on…` and `data-…`; href and src are looked at."""

_WORDS = frozenset({"title", "alt", "abbr", "aria-label"})
"""Attributes that are only read."""

_NAME = r"[A-Za-z][A-Za-z0-9]*+(?::[A-Za-z][A-Za-z0-9]*+)?+"
_ATTRIBUTE = r"""\s++([A-Za-z_][A-Za-z0-9_:.-]*+)(?:\s*+=\s*+("[^"<>]*+"|'[^'<>]*+'|[A-Za-z0-9_%#.+-]++))?+"""
_MARKUP = re.compile(
    rf"<(/?{_NAME})((?:{_ATTRIBUTE})*+)\s*+/?>"
    r"|<!--[^<>]*+(?<=--)>"
    r"|<\?xml [^<>?]*+\?>"
    r"|<!DOCTYPE (?:svg|html)(?: PUBLIC)?(?:\s++\"[^\"<>\[\]]*+\")*+\s*+>"
)
_EACH = re.compile(_ATTRIBUTE)
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*")
_LINK = re.compile(r"#|https?://")
_LOADS = re.compile(r"@import|\\|image-set|src\s*\(|url\s*\((?!\s*[\"']?#)", re.IGNORECASE)
"""What makes a style load something; with a backslash it could be spelled in other ways."""


def is_inert(text: str) -> bool:
    """Whether nothing happens when a program shows this, however it reads it."""
    place, in_style = text.find("<"), False
    while place >= 0:
        found = _MARKUP.match(text, place)
        if found is None:
            return False
        tag = (found[1] or "").lower()
        if (in_style and tag != "/style") or not _harmless(tag, found[2] or ""):
            return False
        in_style = tag == "style"
        place = text.find("<", found.end())
        if in_style and _LOADS.search(text, found.end(), place if place >= 0 else len(text)):
            return False
    return not in_style


def _harmless(tag: str, attributes: str) -> bool:
    name = tag.removeprefix("/")
    if name and name not in _TAGS and not name.startswith(_VOCABULARIES):
        return False
    return all(_allowed(name, each[1].lower(), (each[2] or "").strip("\"'")) for each in _EACH.finditer(attributes))


def _allowed(tag: str, name: str, value: str) -> bool:
    plain = html.unescape(value).strip()
    if name in _WORDS:
        return True
    if name in ("href", "xlink:href", "src"):
        if tag in ("img", "image"):
            return _PICTURE.fullmatch(plain) is not None
        return bool(_LINK.match(plain)) if tag == "a" else plain.startswith("#")
    return not (name.startswith(("on", "data-")) or name in _REFUSED or _LOADS.search(plain))
