"""What a run and its thread may still use, and what is told when that is used up.

The run's own parameters end it `incomplete`, as on the hosted service. What the settings allow ends it `failed`, in
words, with the code that the hosted service had for a quota. A thread whose budget is used up fails each new run
so, at once: old programs look at how a run ends, and not for a refusal of its beginning.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import anyio

from kernelci.engine.events import Emit, Event, RunMoved, UsageCounted
from kernelci.engine.ports.model import Reply
from kernelci.engine.prompt import Prompt
from kernelci.protocol.objects import LastError, Message, Run, RunStep
from kernelci.protocol.usage import Price, Usage, Used
from kernelci.settings import Settings

LEAST_REPLY = 16
"""Tokens below which no reply is asked for: its question would be paid for in vain."""


Unit = Literal["replies", "tokens", "seconds", "US dollars"]


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of something a setting allows, and how much has been used."""

    setting: str
    most: float
    used: float
    unit: Unit
    estimated: bool = False

    @property
    def left(self) -> float:
        return self.most - self.used

    def end(self, asked: int | None = None) -> RunMoved:
        """The end of a run that this does not let go on, whose next question would have `asked` tokens."""
        of_thread = self.setting.startswith("max_thread")
        whose, who = ("This thread", "its runs have") if of_thread else ("This run", "it has")
        about = "about " if self.estimated and self.unit in {"tokens", "US dollars"} else ""
        then = "" if asked is None else f", and what it would ask next has about {asked:,} tokens"
        told = (
            f"{whose} may use {self._amount(self.most)} {self.unit} (setting {self.setting}): "
            f"{who} used {about}{self._amount(self.used)}{then}."
        )
        hint = " Go on in a new thread." if of_thread else ""
        return RunMoved("failed", error=LastError(code="rate_limit_exceeded", message=told + hint))

    def _amount(self, number: float) -> str:
        if self.unit == "US dollars":
            return f"{number:,.4f}"
        return f"{number:,.0f}" if number == int(number) else f"{number:,}"


@dataclass(slots=True)
class Budget:
    """What is left while a run is driven. `usage` is its own so far, `before` what the thread's others have used.

    `expiry` is the run's own, in the event loop's seconds. `price` is None where nobody has said it. A question has
    so many times the tokens that are estimated as it was `underestimated` the last time.
    """

    run: Run
    settings: Settings
    price: Price | None
    before: Used
    usage: Usage
    expiry: float
    underestimated: float = 1.0
    _began: float = field(default_factory=anyio.current_time)
    _turn: int = 0
    _asked: int = 0
    _nearest: tuple[str, int] = ("", 0)
    """The setting that leaves least for the next reply, and how many tokens that is."""

    # Time

    @property
    def deadline(self) -> float:
        """When the clock ends the run."""
        return min(self.expiry, self._thread_deadline)

    @property
    def _thread_deadline(self) -> float:
        most = self.settings.max_thread_seconds
        return math.inf if most is None else self._began + most - self.before.seconds - self.run.seconds

    def out_of_time(self) -> RunMoved:
        """The end of a run that the clock has ended."""
        if self.expiry <= self._thread_deadline:
            return RunMoved("expired")
        return self._limit("max_thread_seconds").end()

    # Replies

    def fit(self, prompt: Prompt, turn: int) -> RunMoved | None:
        """Make a turn's question fit into what is left; gives the run's end where that cannot be.

        What is still to be asked is estimated; what has been asked is as the endpoint counted it, and where it
        counted more than was estimated, so much more is estimated the next time.
        """
        self._turn = turn
        if spent := next((limit for limit in self._limits() if limit.left <= 0), None):
            return spent.end()
        if self.price is None and (setting := self._money_setting()):
            return self._without_price(setting)
        run = self.run
        if run.max_prompt_tokens is not None:
            room = run.max_prompt_tokens - self.usage.prompt_tokens
            if not prompt.fit(int(room / self.underestimated)):
                return RunMoved("incomplete", reason="max_prompt_tokens")
        own = run.max_completion_tokens
        own = None if own is None else own - self.usage.completion_tokens
        if own is not None and own <= 0:
            return RunMoved("incomplete", reason="max_completion_tokens")
        return self._limit_reply(prompt, own)

    def cut_short(self, reply: Reply) -> RunMoved:
        """The end of a run whose reply was cut short by its length."""
        setting, room = self._nearest
        if setting and (reply.usage.estimated or reply.usage.completion_tokens >= room):
            return self._limit(setting).end()
        return RunMoved("incomplete", reason="max_completion_tokens")

    def counting(self, emit: Emit) -> Emit:
        """An `emit` that counts what replies cost, and says their price where that is known."""

        async def count(event: Event) -> None:
            if isinstance(event, UsageCounted):
                event = replace(event, usage=self._count(event.usage, event.beside))
            await emit(event)

        return count

    def _count(self, usage: Usage, beside: int) -> Usage:
        if self.price is not None:
            usage = usage.model_copy(update={"cost": self.price.of(usage)})
        if self._asked and not usage.estimated:
            self.underestimated = max(1.0, (usage.prompt_tokens - beside) / self._asked)
        self.usage += usage
        return usage

    def _limit_reply(self, prompt: Prompt, own: int | None) -> RunMoved | None:
        """Tell the prompt what the next reply may have: by the run's `own` parameter, or by a setting."""
        prompt.reply_tokens, self._nearest = own, ("", 0)
        nearest, room, asked = self._nearest_limit(prompt)
        if room < LEAST_REPLY and prompt.drop_figures():
            nearest, room, asked = self._nearest_limit(prompt)
        if nearest and room < LEAST_REPLY:
            return nearest.end(asked)
        if nearest and room < math.inf and (own is None or room < own):
            prompt.reply_tokens = int(room)
            self._nearest = nearest.setting, int(room)
        return None

    def _nearest_limit(self, prompt: Prompt) -> tuple[Limit | None, float, int]:
        """The limit that leaves least for the next reply, the tokens that it leaves, and those that are asked."""
        limits = [limit for limit in self._limits() if limit.unit in {"tokens", "US dollars"}]
        if not limits and self.run.max_prompt_tokens is None:
            return None, math.inf, 0  # nobody needs to know, and to count takes as long as the thread is
        self._asked = prompt.tokens
        asked = math.ceil(self._asked * self.underestimated)
        rooms = ((limit, self._room(limit, asked), asked) for limit in limits)
        return min(rooms, key=lambda each: each[1], default=(None, math.inf, asked))

    def _room(self, limit: Limit, asked: int) -> float:
        """The tokens that a limit leaves for the reply to a question of `asked`."""
        if limit.unit == "tokens" or self.price is None:
            return limit.left - asked
        return self.price.reply_for(limit.left, asked)

    # Limits

    def _limits(self) -> Iterator[Limit]:
        seconds = self.run.seconds + round(anyio.current_time() - self._began)
        run = Used.by(self.usage, turns=self._turn, seconds=seconds)
        thread = self.before + run
        most = self.settings
        rows: tuple[tuple[str, float | None, float, Unit, bool], ...] = (
            ("max_turns", most.max_turns, run.turns, "replies", False),
            ("max_run_tokens", most.max_run_tokens, run.tokens, "tokens", run.estimated),
            ("max_run_cost", most.max_run_cost, run.cost, "US dollars", run.estimated),
            ("max_thread_turns", most.max_thread_turns, thread.turns, "replies", False),
            ("max_thread_tokens", most.max_thread_tokens, thread.tokens, "tokens", thread.estimated),
            ("max_thread_seconds", most.max_thread_seconds, thread.seconds, "seconds", False),
            ("max_thread_cost", most.max_thread_cost, thread.cost, "US dollars", thread.estimated),
        )
        for setting, allowed, used, unit, estimated in rows:
            if allowed is not None:
                yield Limit(setting, allowed, used, unit, estimated)

    def _limit(self, setting: str) -> Limit:
        return next(limit for limit in self._limits() if limit.setting == setting)

    def _money_setting(self) -> str | None:
        return next((limit.setting for limit in self._limits() if limit.unit == "US dollars"), None)

    def _without_price(self, setting: str) -> RunMoved:
        told = f"The setting {setting} needs the model's price, and nobody has said that of {self.run.model!r}."
        return RunMoved("failed", error=LastError(code="server_error", message=told))


def used_by(run: Run, conversation: Iterable[Message | RunStep]) -> Usage:
    """What a run's replies have cost so far, as its steps say."""
    mine = (item for item in conversation if isinstance(item, RunStep) and item.run_id == run.id)
    return sum((step.usage for step in mine if step.usage), Usage())
