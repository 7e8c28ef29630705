"""`kernelci ask` and `kernelci chat`, with a model over HTTP and with the offline one."""

from __future__ import annotations

import re
import signal
from contextlib import ExitStack

from kernelci.models.catalog import Catalog
from kernelci.models.scripted import ScriptedModel
from kernelci.models.turn import Turn
from kernelci.server import running
from kernelci.settings import Settings
from tests.cli.conftest import Command
from tests.upstream import Runs, Says, Upstream

DRAW = """\
import pandas as pd
import matplotlib.pyplot as plt
data = pd.read_csv("/mnt/data/נתונים.csv")
plt.plot(data["שווי"])
plt.show()
for name in (".bashrc", "סיכום.csv"):
    data.describe().to_csv(name)
print(len(data), "שורות")
"""
LINKS = "הנה: [א](sandbox:/mnt/data/סיכום.csv), [ב](sandbox:/mnt/data/.bashrc)"

ENDLESS = "import time\nprint('begun', flush=True)\ntime.sleep(600)"  # longer than any test: it must be stopped


def test_a_model_reads_a_file_and_what_it_makes_is_saved(kernelci: Command, settings: Settings) -> None:
    (kernelci.folder / "נתונים.csv").write_text("שם,שווי\nא,1\nב,4\nג,9\n")
    (kernelci.folder / "figure.png").write_text("of the person's own")
    with Upstream([Says("בוא נראה.") + Runs(DRAW), Says(LINKS)]) as upstream:
        done = kernelci.run("ask", "מה יש בקובץ?", "-f", "נתונים.csv", "--model", "m", "--model-url", upstream.url)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert (
        said.index("בוא נראה.")
        < said.index('┃ print(len(data), "שורות")')
        < said.index("│ 3 שורות")
        < said.index(LINKS)
    )
    assert {"└ figure-2.png", "└ סיכום.csv", "└ bashrc"} < {*said}
    made = {path.name for path in kernelci.folder.iterdir()}
    assert made == {"נתונים.csv", "figure.png", "figure-2.png", "סיכום.csv", "bashrc"}
    assert (kernelci.folder / "figure.png").read_text() == "of the person's own"
    assert (kernelci.folder / "figure-2.png").read_bytes().startswith(b"\x89PNG")

    (notebook,) = (settings.data_dir / "notebooks").iterdir()
    assert f"Notebook: {notebook}" in done.stderr
    assert "Conversations are sent to m" in done.stderr
    assert re.search(r"^30 tokens · \d+ s$", done.stderr, re.MULTILINE)
    assert "tokens" not in done.stdout
    assert str(upstream.requests[0].body["messages"]).count("מה יש בקובץ?") == 1


def test_without_a_model_the_code_of_the_question_runs_on_the_running_server(
    kernelci: Command, settings: Settings
) -> None:
    with running(settings, Catalog(None)) as address:
        done = kernelci.run("ask", "Please:\n```python\nprint('a\\x1b[31mb\\x1b]0;title\\x07c')\n1/0\n```")
    assert done.returncode == 0, done.stderr
    assert f"Asking the kernelci server at {address}, which has its own model." in done.stderr
    cell, said = done.stdout.split("\n\nNo model is configured")
    assert cell.splitlines()[-6:] == [
        "┃ 1/0",
        "│ abc",
        "│ ZeroDivisionError: division by zero",
        "│ Cell In[1], line 2",
        "│ ----> 2 1/0",
        "│ … 4 more lines of traceback in the notebook",
    ]
    assert "ZeroDivisionError" in said
    assert "\x1b" not in done.stdout


def test_beside_a_server_only_a_model_that_was_typed_is_one_too_many(kernelci: Command, settings: Settings) -> None:
    usual = {"KERNELCI_MODEL": "weak", "KERNELCI_MODEL_URL": "http://127.0.0.1:1/v1"}
    with running(settings, Catalog(None)):
        asked = kernelci.run("ask", "Hello?", **usual)
        typed = kernelci.run("ask", "Hello?", "--model", "strong", **usual)
    assert (asked.returncode, typed.returncode) == (0, 2), asked.stderr
    assert "Leave out --model and --model-url" in typed.stderr


def test_a_run_that_fails_says_why_and_is_a_failure(kernelci: Command, settings: Settings) -> None:
    with running(settings, ScriptedModel([])):
        done = kernelci.run("ask", "Anything?")
    assert done.returncode == 1
    assert "The scripted model has no reply number 1" in done.stdout
    assert "To go on: kernelci chat --thread thread_" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_an_answer_cost_is_told_and_a_budget_that_is_used_up(kernelci: Command, settings: Settings) -> None:
    with Upstream([Says("So.", usage=None), Says("So.", usage=(1000, 100))]) as upstream:
        names = kernelci.folder / "models.toml"
        price = "price = { prompt = 1, completion = 10 }"
        names.write_text(f'[upstreams.only]\nurl = "{upstream.url}"\n{price}\n')
        costly = {"KERNELCI_MODELS": str(names), "KERNELCI_MAX_RUN_TOKENS": "1000"}
        about = kernelci.run("ask", "Why?", **costly)
        counted = kernelci.run("ask", "Why?", KERNELCI_MODELS=str(names))
        refused = kernelci.run("ask", "Why? " * 1000, **costly)
    assert re.search(r"^about \d+ tokens · \d+ s · about 0\.000\d US dollars$", about.stderr, re.MULTILINE)
    assert re.search(r"^1,100 tokens · \d+ s · 0\.0020 US dollars$", counted.stderr, re.MULTILINE)
    assert about.returncode == counted.returncode == 0
    assert refused.returncode == 1
    assert "To go on" not in refused.stderr
    assert (
        "This run may use 1,000 tokens (setting max_run_tokens): it has used 0, and what it would" in refused.stdout
    )


def test_a_chat_keeps_its_variables_and_ctrl_c_stops_the_run_alone(kernelci: Command, settings: Settings) -> None:
    with running(settings, Catalog(None)):
        with kernelci.started("chat") as process:
            process.stdin.write(f"```python\nx = 41\n{ENDLESS}\n```\n")
            process.stdin.flush()
            while process.stdout.readline() != "│ begun\n":
                pass
            process.send_signal(signal.SIGINT)
            printed, about = process.communicate("```python\nx + 1\n```\n", timeout=60)
        assert process.returncode == 0, about
        assert "Stopping the run." in printed
        assert "│ 42" in printed
        thread = about.rpartition("kernelci chat --thread ")[2].strip()
        more = kernelci.run("chat", "--thread", thread, typed="```\nx + 2\n```\n")
        unknown = kernelci.run("chat", "--thread", "thread_unknown")
    assert "│ 43" in more.stdout
    assert thread in more.stderr
    assert unknown.returncode == 1
    assert unknown.stderr.endswith("kernelci: No thread found with id 'thread_unknown'.\n")


def test_a_server_that_goes_away_is_said_in_a_sentence(kernelci: Command, settings: Settings) -> None:
    with ExitStack() as server:
        server.enter_context(running(settings, Catalog(None)))
        with kernelci.started("ask", f"```\n{ENDLESS}\n```") as process:
            while process.stdout.readline() != "│ begun\n":
                pass
            server.close()
            about = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert about.splitlines()[-1].startswith("kernelci: The kernelci server has gone away (")
    assert "Traceback" not in about


def test_letters_that_the_terminal_does_not_have_end_nothing(kernelci: Command, settings: Settings) -> None:
    with running(settings, ScriptedModel([Turn(text="שלום, all.")])):
        done = kernelci.run("ask", "Hello!", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (0, "\n????, all.\n"), done.stderr


def test_where_nothing_is_asked_nothing_is_made(kernelci: Command, settings: Settings) -> None:
    for question in ("", "  \n"):
        done = kernelci.run("ask", question)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("kernelci: There is no question.")
    assert not settings.data_dir.exists()
    with running(settings, Catalog(None)):
        done = kernelci.run("chat", "-f", __file__, typed="\n  \n")
        assert (done.returncode, done.stderr.count("\n")) == (0, 1)
        assert kernelci.run("threads", "list").stdout == ""
    assert not [*settings.data_dir.glob("notebooks/*")]
