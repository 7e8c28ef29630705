"""What the model is told of a person's answer to its code (pure)."""

from __future__ import annotations

from kernelci.protocol.calls import Answer

AFTERWARDS = "\nDo not ask to run the same again: answer with what you know, or take another way."
"""What the model alone is told beside a refusal."""


def refusal(answer: Answer) -> str:
    """What stands in place of outputs where a person did not let code run."""
    reason = f" Reason given: {answer.reason.strip()}" if answer.reason.strip() else ""
    return f"[Not run: the user did not allow this code.]{reason}"


def changed(answer: Answer | None) -> str:
    """What is told after a cell's outputs, where a person has changed its code."""
    if answer is None or answer.decision != "edit":
        return ""
    return f"\n[The user changed your code. This was run in its place, and gave the above:]\n{answer.code}"
