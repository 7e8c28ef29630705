"""Names of models as labels: only so many, whatever assistants make up."""

from __future__ import annotations

MODELS = 64
OTHER = "other"


class ModelNames:
    """Tells the first names apart under which a model has replied; all others are `other`."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def label(self, model: str, *, replied: bool) -> str:
        """The name, or `other`."""
        if replied and len(self._known) < MODELS:
            self._known.add(model)
        return model if model in self._known else OTHER
