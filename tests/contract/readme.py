"""The README's page for the person whose program broke: its programs and variables, for a server elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PAGE = README.partition("## For the person whose program broke\n")[2].partition("\n## ")[0]
ADDRESS = "http://127.0.0.1:8765"
QUESTION = "What is the 1000th prime?"


def program(language: str, server: str) -> str:
    """The page's program in that language, as it stands but for the address."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert ADDRESS in found
    return found.replace(ADDRESS, server)


def without_an_address(program: str, client: str) -> str:
    """The program of somebody who makes that client of no arguments, and leaves the rest to variables."""
    program = program.replace("import OpenAI from", f"import {{ {client} }} from")
    return re.sub(r"\bOpenAI\(.*\)", f"{client}()", program).replace("import OpenAI\n", f"import {client}\n")


def variables(first: str, server: str) -> dict[str, str]:
    """The variables of the page's block that begins with that one."""
    (block,) = re.findall(rf"```sh\n(export {first}=.*?)```", PAGE, re.DOTALL)
    return dict(re.findall(r"^export (\w+)=(\S+)$", block.replace(ADDRESS, server), re.MULTILINE))
