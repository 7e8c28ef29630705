"""The demo's story: a question about penguins, and a model that gets a column's name wrong before it answers.

The model is scripted, its kernel is not: the mistake, the traceback, the numbers and the chart are real. What the
model says after a cell is read off what that cell gave.
"""

from __future__ import annotations

import re
from pathlib import Path

from kernelci.engine.ports.model import ModelRequest
from kernelci.errors import ModelUnavailable
from kernelci.models.conversation import since_last_user, text_of
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn

DATA = Path(__file__).parent / "penguins_raw.csv"
RESULT = "bills_by_species.csv"

INSTRUCTIONS = "You are a careful data analyst. Run Python to find out, draw what you find, and say it briefly."
QUESTION = "Do penguins with longer bills have deeper bills, too? Draw a chart, and give me the numbers as a CSV."

_ATTEMPT = """\
import pandas as pd

penguins = pd.read_csv("/mnt/data/penguins_raw.csv")
penguins["bill_length_mm"].corr(penguins["bill_depth_mm"])
"""

_LOOK = 'penguins.filter(like="(mm)").head(3)\n'

_TABLE = f"""\
bills = penguins.rename(columns={{"Culmen Length (mm)": "length", "Culmen Depth (mm)": "depth"}})
bills = bills.dropna(subset=["length", "depth"])
bills["species"] = bills["Species"].str.split().str[0]

def summary(group):
    return pd.Series({{
        "penguins": len(group),
        "length": group["length"].mean(),
        "depth": group["depth"].mean(),
        "correlation": group["length"].corr(group["depth"]),
    }})

table = bills.groupby("species")[["length", "depth"]].apply(summary)
table.loc["together"] = summary(bills)
table = table.round(2).astype({{"penguins": int}})
table.to_csv("/mnt/data/{RESULT}")
table
"""

_CHART = """\
import matplotlib.pyplot as plt
import numpy as np

looks = {
    "Adelie": ("#E0762B", 39, 21.75),
    "Chinstrap": ("#8553C0", 53.2, 21.2),
    "Gentoo": ("#12807F", 55.6, 14.1),
}
grey = "#555555"

def trend(data, **look):
    ends = data["length"].agg(["min", "max"])
    ax.plot(ends, np.polyval(np.polyfit(data["length"], data["depth"], 1), ends), **look)

fig, ax = plt.subplots(figsize=(9, 6), dpi=150)
for species, group in bills.groupby("species"):
    colour, x, y = looks[species]
    r = table.loc[species, "correlation"]
    ax.scatter(group["length"], group["depth"], s=42, color=colour, alpha=0.5, linewidth=0)
    trend(group, color=colour, linewidth=3, solid_capstyle="round")
    ax.text(x, y, f"{species}  r = {r:+.2f}", color=colour, weight="bold", fontsize=12, ha="center")
r = table.loc["together", "correlation"]
trend(bills, color=grey, linewidth=1.6, linestyle=(0, (5, 4)))
ax.text(60, 15.3, f"together  r = {r:+.2f}", color=grey, fontsize=11, ha="right")

title = "Longer bills look shallower, until you look by species"
ax.set_title(title, loc="left", fontsize=16, weight="bold", pad=34)
where = f"{len(bills)} penguins near Palmer Station, Antarctica, 2007 to 2009"
ax.text(0, 1.03, where, color=grey, fontsize=11, transform=ax.transAxes)
ax.set(xlabel="Bill length (mm)", ylabel="Bill depth (mm)", ylim=(12.6, 22.4))
ax.spines[:].set_visible(False)
ax.tick_params(length=0, labelcolor=grey)
ax.grid(color="#ececec")
ax.set_axisbelow(True)
plt.show()
"""


def model(pause: float = 0.0) -> ScriptedModel:
    """The model that plays the demo; `pause` is in seconds, after each word and each line of code."""
    return ScriptedModel(
        [
            Turn("I load the file and correlate the length of the bills with their depth.", _ATTEMPT),
            _after_the_mistake,
            Turn("This file calls a bill a *culmen*. The data is still in memory, so I go on from there.", _TABLE),
            _after_the_table,
            _answer,
        ],
        pause=pause,
    )


def _after_the_mistake(request: ModelRequest) -> Turn:
    missing = re.search(r"KeyError: '(\w+)'", _results(request)[-1])
    column = missing[1] if missing else "that name"
    return Turn(f"There is no column `{column}` in this file. Which of its columns are in millimetres?", _LOOK)


def _after_the_table(request: ModelRequest) -> Turn:
    found = _correlations(_results(request)[-1])
    return Turn(
        f"Together they correlate at {found['together']}, yet every species on its own goes the other way. "
        "That deserves a chart.",
        _CHART,
    )


def _answer(request: ModelRequest) -> Turn:
    found = _correlations(_results(request)[-2])
    species = ", ".join(f"{name} {r}" for name, r in found.items() if name != "together")
    return Turn(
        f"Yes, within each species: longer bills are deeper ({species}). Only when the three are thrown together "
        f"does it look like the opposite ({found['together']}), because Gentoos have long, shallow bills and "
        "Adelies short, deep ones. That is Simpson's paradox.\n\n"
        f"The numbers are in [{RESULT}](sandbox:/mnt/data/{RESULT})."
    )


def _results(request: ModelRequest) -> list[str]:
    """What the cells gave so far."""
    return [text_of(message) for message in since_last_user(request.messages) if message["role"] == "tool"]


def _correlations(table: str) -> dict[str, str]:
    """The last column of the printed table, by the first."""
    found = dict(re.findall(r"^(\w+) .* (-?\d\.\d+)$", table, re.MULTILINE))
    if "together" not in found:
        raise ModelUnavailable("The script of the demo expects another result than the cell gave.")
    return found
