"""A model that says what its script says: for the demo, the notebooks, and tests of one's own client.

ScriptedModel([
    Turn(text="Let me look at the file.", code="df = pd.read_csv('penguins.csv'); df.head()"),
    Turn(text="Three kinds of penguins, 344 of them."),
])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kernelci.engine.events import Emit
from kernelci.engine.ports.model import Model, ModelRequest, Reply
from kernelci.errors import ModelUnavailable
from kernelci.models.conversation import since_last_user
from kernelci.models.turn import Turn, play
from kernelci.protocol.usage import FREE, Price


class ScriptedModel:
    """Answers each user's message with the script's turns, from the first.

    Which turn is next is read off the request: as many as the replies that the conversation has had since the
    user's last message. So nothing is counted here, and any number of threads and runs may follow one script at
    once, each seeing the same. A turn may be a function of the request, where the answer depends on what was
    asked or on what a cell gave.

    It stands in for a catalog of models too: it serves every name.
    """

    def __init__(self, script: Iterable[Turn | Callable[[ModelRequest], Turn]], *, pause: float = 0.0) -> None:
        """`pause` is in seconds, after each word and each line of code."""
        self._script = tuple(script)
        self._pause = pause

    @property
    def names(self) -> tuple[str, ...]:
        return ("scripted",)

    def serving(self, model: str) -> tuple[Model, str]:
        return self, model

    def price(self, model: str) -> Price:
        return FREE

    async def room(self, model: str) -> int | None:
        return None

    async def reply(self, request: ModelRequest, emit: Emit) -> Reply:
        number = sum(message["role"] == "assistant" for message in since_last_user(request.messages))
        if number >= len(self._script):
            raise ModelUnavailable(
                f"The scripted model has no reply number {number + 1}: its script ends after {len(self._script)}."
            )
        turn = self._script[number]
        if not isinstance(turn, Turn):
            turn = turn(request)
        if turn.code is not None and not request.offers_code:
            raise ModelUnavailable(
                "The scripted model has code to run here, but the assistant has no code_interpreter tool."
            )
        return await play(turn, request, emit, pause=self._pause)
