"""How strongly kernels are confined: the rungs of a ladder, from the strongest down. probe.py finds which hold."""

from __future__ import annotations

from typing import Literal

Level = Literal["namespaces", "landlock", "off"]

LACKING: dict[Level, str] = {
    "namespaces": "",
    "landlock": (
        "kernels are confined by Landlock, without namespaces: they can find out which files and processes there "
        "are, though not read or touch them, and share one limit of processes (see SECURITY.md)"
    ),
    "off": ("THE MODEL'S CODE IS NOT CONFINED (--sandbox off): it can read, change and send away whatever you can"),
}
"""What a person has to know of each."""

Wanted = Level | Literal["auto"]
"""What a person may ask for: `auto` is the strongest that works, and never `off`."""
