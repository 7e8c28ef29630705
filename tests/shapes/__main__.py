"""`python -m tests.shapes` writes the README's table of shapes anew."""

from __future__ import annotations

import anyio

from tests.shapes.table import made, write

if __name__ == "__main__":
    write(anyio.run(made))
