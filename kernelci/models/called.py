"""One call in the making: its pieces, and the tool and the code that they come to."""

from __future__ import annotations

from kernelci.engine.events import Call
from kernelci.engine.ports.model import CODE_TOOL, ModelRequest
from kernelci.models.arguments import code_in
from kernelci.models.chunks import CallPiece
from kernelci.models.names import tool_meant
from kernelci.models.partial import Characters, PartialObject, whole
from kernelci.models.written import WrittenCall
from kernelci.protocol import ids


class Called:
    """A call in the making, under our id. `index` and `theirs` are the endpoint's number and id for it; one that
    `is_written` came in the text, and not by the endpoint's own way.
    """

    def __init__(self, request: ModelRequest, index: int | None = None, theirs: str | None = None) -> None:
        self.index = index
        self.theirs = theirs
        self.is_written = False
        self.id = ids.new_call()
        self.name = ""
        self.shown = 0
        self._request = request
        self._pieces: list[str] = []
        self._object = PartialObject()
        self._read = 0
        self._characters = Characters()
        self._then: list[str] = []
        self._said = Characters()

    @classmethod
    def as_written(cls, request: ModelRequest, call: WrittenCall, after: str = "") -> Called:
        """A call that was written into the text; `after` is what was said after it."""
        called = cls(request)
        called.is_written = True
        called.name = tool_meant(whole(call.name), request)
        called._pieces.append(call.arguments)
        called._then.append(after)
        return called

    @property
    def is_code(self) -> bool:
        """Whether it is for the interpreter, and may be."""
        return self._request.offers_code and self.name == CODE_TOOL

    def say(self, words: str) -> None:
        """Take what the model says after it."""
        self._then.append(self._said.feed(words))

    def add(self, piece: CallPiece) -> None:
        """Take a piece of it."""
        if not self.name and piece.name:
            self.name = tool_meant(whole(piece.name), self._request)
        self._pieces.append(self._characters.feed(piece.arguments))

    def same(self, piece: CallPiece) -> bool:
        """Whether a piece may be of this call, by its number, else by its id."""
        if piece.index is not None and self.index is not None:
            return piece.index == self.index
        return not piece.name or piece.id is None or piece.id == self.theirs

    def differs(self, piece: CallPiece) -> bool:
        """Whether a piece that has a name has that of another tool: names may come again, or in pieces, too."""
        name = tool_meant(whole(piece.name), self._request)
        offered = {tool["function"]["name"] for tool in self._request.tools}
        return bool(self.name) and name != self.name and name in offered

    def is_whole(self) -> bool:
        """Whether its arguments so far are a whole object."""
        self._object.feed("".join(self._pieces[self._read :]))
        self._read = len(self._pieces)
        return self._object.whole

    def unshown(self) -> str:
        """The arguments that have come since they were last asked for."""
        text = "".join(self._pieces[self.shown :])
        self.shown = len(self._pieces)
        return text

    def made(self) -> Call:
        """The call, now that it is whole."""
        arguments = "".join(self._pieces) + self._characters.close()
        name = self.name or tool_meant("", self._request)
        then = "".join(self._then) + self._said.close()
        code = code_in(arguments) if self._request.offers_code and name == CODE_TOOL else None
        return Call(self.id, name, arguments, code, then if then.strip() else "")
