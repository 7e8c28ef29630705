"""How much a model reads at once, and how much of that a question may take.

Ollama and LM Studio cut what is longer without a word, from the middle or the beginning: results lose their calls,
and the model its instructions. It is better cut here, where it is known what may go.
"""

from __future__ import annotations

from dataclasses import dataclass

KNOWN_FOR = 60.0
UNKNOWN_FOR = 5.0
"""Seconds after which a server is asked again, since it may have loaded the model meanwhile, or anew."""

_REPLY = 0.25
_LEAST_REPLY, _MOST_REPLY = 256, 2048
"""What is left to the reply: this part of all, within these tokens."""


@dataclass(slots=True)
class Context:
    """What is known of one model's context: its `tokens`, None where nobody has told them.

    Estimates are of other tokens than the model's: a question has so many times as many as it was `underestimated`
    the last time.
    """

    tokens: int | None = None
    ask_at: float = 0.0
    underestimated: float = 1.0

    def told(self, tokens: int | None, now: float) -> bool:
        """Take what a server has told; whether that is new. Of a model that it has not loaded it tells nothing."""
        self.ask_at = now + (KNOWN_FOR if tokens else UNKNOWN_FOR)
        known, self.tokens = self.tokens, tokens or self.tokens
        return self.tokens != known

    @property
    def room(self) -> int | None:
        """The tokens, as they are estimated, that a question may have."""
        if self.tokens is None:
            return None
        reply = max(_LEAST_REPLY, min(_MOST_REPLY, int(self.tokens * _REPLY)))
        return int((self.tokens - reply) / self.underestimated)

    def counted(self, tokens: int, estimated: int) -> None:
        """Learn from a question of that many tokens, as its server has counted them. What was cut tells nothing."""
        if estimated and tokens < (self.tokens or 0):
            self.underestimated = max(1.0, tokens / estimated)
