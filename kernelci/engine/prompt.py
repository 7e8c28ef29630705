"""What the model is asked in a run: the conversation as far as it fits, the tools, and the run's own settings.

Pure but for `build_prompt`, which reads the store. A run's turns and place are derived from its steps,
so that a prompt is the same whether a run starts, resumes or is taken up after a restart. How much may be asked
is the budget's to say (budget.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice

from kernelci.engine.chat import remembered, replied, result, spoken
from kernelci.engine.counting import tokens_in
from kernelci.engine.events import Call
from kernelci.engine.inputs import pictures_in
from kernelci.engine.offered import can_read, offered, runs_code, tool_choice
from kernelci.engine.pictures import LARGEST_POSTED, MOST, data_url
from kernelci.engine.ports.blobs import Blobs
from kernelci.engine.ports.model import Figures, ModelRequest, Reply
from kernelci.engine.results import Fetch, Result, Results
from kernelci.protocol.calls import Approval
from kernelci.protocol.objects import File, Message, Run, RunStep
from kernelci.protocol.parts import AnswerFormat, JsonObject


@dataclass(slots=True)
class Prompt:
    """What the model is asked in one run; grows by a reply and its results each turn.

    `earlier` of the messages after the first `fixed` may be left out: all that was said before the last question.
    `unsaid` is what the model has said of which no message has been made yet. `figures` are those displayed last.
    `reply_tokens` are all that the next reply may have, `approval` is a person's word on the newest call, which is
    still to be carried out.
    """

    run: Run
    model: str
    messages: list[JsonObject]
    results: Results
    fixed: int = 0
    earlier: int = 0
    unsaid: str = ""
    figures: Figures | None = None
    approval: Approval | None = None
    turn: int = 0
    reply_tokens: int | None = None

    @property
    def held(self) -> tuple[Call, ...]:
        """What a person's word has held up of the newest reply's calls, the first as it shall run now."""
        if self.approval is None:
            return ()
        first, *others = self.approval.calls
        answer = self.approval.answer
        return (replace(first, code=answer.code) if answer and answer.code is not None else first, *others)

    def request(self, turn: int, *, with_tools: bool = True) -> ModelRequest:
        """The question of one turn. A forced tool is forced on the first only, or the run could never end."""
        run = self.run
        tools = self._tools() if with_tools else ()
        return ModelRequest(
            model=self.model,
            messages=tuple(self.messages),
            tools=tools,
            tool_choice=tool_choice(run, turn) if tools else None,
            parallel_tool_calls=False if tools and not run.parallel_tool_calls else None,
            temperature=_unless_usual(run.temperature),
            top_p=_unless_usual(run.top_p),
            max_tokens=self.reply_tokens,
            response_format=_answer_format(run),
            reasoning_effort=run.reasoning_effort,
            figures=self.figures,
        )

    def add(self, reply: Reply) -> None:
        """Take a reply into the conversation."""
        said = reply.text + "".join(call.then for call in reply.calls)
        self.messages.append(replied(said, reply.calls))

    def add_result(self, call: Call, given: Result) -> None:
        """Take what a call gave into the conversation."""
        if call.code is None:
            self.results.add_function(call.id, call.name, given.text)
        else:
            self.results.add(call.id, given)
        self.messages.append(result(call.id, self.results.told(call.id)))
        if given.figures:
            before = self.figures.pictures if self.figures and self._gave(self.figures.call_id) else ()
            self.figures = Figures(call.id, (*before, *given.figures)[-MOST:])

    def _gave(self, call_id: str) -> bool:
        """Whether that call is of the last reply."""
        reply = next(message for message in reversed(self.messages) if message["role"] == "assistant")
        return any(call["id"] == call_id for call in reply.get("tool_calls", ()))

    @property
    def tokens(self) -> int:
        """How many tokens the next question has, roughly."""
        return tokens_in(self.messages, self._tools(), self.figures)

    def exceeds(self, tokens: int) -> bool:
        """Whether the next question has more than so many, roughly; of a long one not all is looked at."""
        beside = tokens_in((), self._tools(), self.figures)
        counted = accumulate((tokens_in([message]) for message in self.messages), initial=beside)
        return any(so_far > tokens for so_far in counted)

    def fit(self, room: int) -> bool:
        """Leave out what so many tokens have no room for; False if that does not do.

        Figures first: they count for much, and nobody here knows whether the model is sent any.
        """
        while (excess := self.tokens - room) > 0 and (
            self.drop_figures() or self._shorten_results() or self._leave_out(self._holding(excess))
        ):
            pass
        return room > 0 and excess <= 0

    def drop_figures(self) -> bool:
        """Leave out the figures; False if there are none."""
        dropped, self.figures = self.figures is not None, None
        return dropped

    def _holding(self, tokens: int) -> int:
        """How many of the oldest messages that may be left out have about so many tokens."""
        oldest = islice(self.messages, self.fixed, self.fixed + self.earlier)
        sums = accumulate(tokens_in([message]) for message in oldest)
        return next((count for count, held in enumerate(sums, 1) if held >= tokens), self.earlier)

    def shorten(self) -> bool:
        """Make it clearly shorter; False if there is nothing left that may be.

        The oldest results first, which the model can read again, then the figures, then the older half of the
        earlier conversation.
        """
        return self._shorten_results() or self.drop_figures() or self._leave_out(-(-self.earlier // 2))

    def _shorten_results(self) -> bool:
        """Leave only a little of the oldest results, until half of what that can save is saved.

        So much at once, because whatever an endpoint remembers of a prompt ends where the prompt has changed.
        """
        saved = {
            at: self.results.saving(message.get("tool_call_id", "")) for at, message in enumerate(self.messages)
        }
        rest = sum(saved.values()) / 2
        for at, saving in saved.items():
            if saving and rest > 0:
                call_id = self.messages[at]["tool_call_id"]
                self.messages[at] = result(call_id, self.results.shorten(call_id))
                rest -= saving
        return any(saved.values())

    def _tools(self) -> tuple[JsonObject, ...]:
        return offered(self.run, reader=self.results.are_cut)

    def _leave_out(self, count: int) -> bool:
        if self.earlier == 0 or self.run.truncation_strategy.type != "auto":
            return False
        while count < self.earlier and self.messages[self.fixed + count]["role"] != "user":
            count += 1  # a result goes with its call, and some endpoints refuse what does not begin with the user
        del self.messages[self.fixed : self.fixed + count]
        self.earlier -= count
        return True


async def build_prompt(
    *,
    run: Run,
    model: str,
    conversation: Sequence[Message | RunStep],
    files: Sequence[File],
    names: Mapping[str, str],
    blobs: Blobs,
    room: int,
    fetch: Fetch,
    figures: Figures | None = None,
) -> Prompt:
    """The prompt of a run, from its thread's messages and steps in the order they were made.

    `names` are those of the files in /mnt/data, by file id; `room` is how many characters of an output are shown,
    and `fetch` gives the whole of one that is stored.
    """
    results = Results(room, readable=can_read(run), fetch=fetch)
    results.take(conversation, run)
    shown = pictures_in(item for item in conversation if isinstance(item, Message))
    pictures = {file.id: await data_url(file, blobs, LARGEST_POSTED) for file in files if file.id in shown}
    mine = [item for item in conversation if isinstance(item, RunStep) and item.run_id == run.id]
    turns = [step.turn for step in mine]
    system = _system(run, names)
    chat = spoken(remembered(conversation, run), pictures, results)
    unsaid = mine[-1].then if mine else ""
    if unsaid:
        reply = next(message for message in reversed(chat) if message["role"] == "assistant")
        reply["content"] += unsaid
    return Prompt(
        run=run,
        model=model,
        messages=[*system, *chat],
        results=results,
        fixed=len(system),
        earlier=max((at for at, message in enumerate(chat) if message["role"] == "user"), default=0),
        unsaid=unsaid,
        figures=figures,
        approval=mine[-1].approval if mine and mine[-1].held else None,
        turn=max(turns) + 1 if turns else 0,
    )


def _system(run: Run, names: Mapping[str, str]) -> list[JsonObject]:
    text = run.instructions
    if names and runs_code(run):
        listing = "\n".join(f"- /mnt/data/{name} (file id {id})" for id, name in names.items())
        text = f"{text}\n\nThe user's files:\n{listing}".strip()
    return [{"role": "system", "content": text}] if text else []


def _unless_usual(value: float | None) -> float | None:
    """The parameter, but for 1, the API's default: some models refuse to be told, and others have a better one."""
    return None if value == 1 else value


def _answer_format(run: Run) -> JsonObject | None:
    chosen = run.response_format
    return chosen.model_dump() if isinstance(chosen, AnswerFormat) else None
