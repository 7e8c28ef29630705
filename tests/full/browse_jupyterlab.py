"""Opens a notebook in JupyterLab, uses its kernel, and prints what was seen, as JSON. Run by test_jupyterlab.py.

Arguments: Chromium, the notebook's address, where to save a picture of it. JupyterLab must expose its app.
"""

from __future__ import annotations

import json
import sys

from playwright.sync_api import Page, sync_playwright

QUIET = ("disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update")
FLAGS = [f"--{flag}" for flag in ("headless", "no-sandbox", *QUIET, "disable-sync")]
SECONDS = 60_000


def main(chromium: str, address: str, picture: str) -> None:
    """See what is to be seen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1100})
        page.set_default_timeout(SECONDS)
        page.goto(address)
        page.wait_for_selector(".jp-Notebook .jp-Cell")
        idle(page)
        seen = notebook_seen(page, picture) | kernel_seen(page)
        browser.close()
    print(json.dumps(seen))


def notebook_seen(page: Page, picture: str) -> dict[str, object]:
    """Run all cells and look at them."""
    command(page, "notebook:run-all-cells")
    image = page.wait_for_selector(".jp-OutputArea-output img")
    table = page.wait_for_selector(".jp-OutputArea-output th:nth-child(2)")
    page.screenshot(path=picture)
    return {
        "first": page.inner_text(".jp-OutputArea-output").strip(),
        "image": len(image.get_attribute("src")),
        "table": table.inner_text(),
        "direction": page.evaluate("getComputedStyle(document.querySelector('.jp-MarkdownOutput p')).direction"),
    }


def kernel_seen(page: Page) -> dict[str, object]:
    """Interrupt, restart and shut down the kernel, by the commands behind the menu and the buttons."""
    add_cell(page, "kept = 1\nprint('busy')\nwhile True: pass")
    command(page, "notebook:run-cell", wait=False)
    put_out(page, "busy")
    command(page, "notebook:interrupt-kernel")
    interrupted = put_out(page, "KeyboardInterrupt")
    page.evaluate("jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    idle(page)
    add_cell(page, "print('kept is there:', 'kept' in globals())")
    command(page, "notebook:run-cell")
    restarted = put_out(page, "kept is there: False")
    page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    return {"interrupted": interrupted, "restarted": restarted}


def put_out(page: Page, text: str) -> bool:
    """Wait until the active cell's outputs have this in them."""
    outputs = "jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.outputs"
    page.wait_for_function(f"text => JSON.stringify({outputs}).includes(text)", arg=text)
    return True


def add_cell(page: Page, code: str) -> None:
    """Add a cell at the end, and make it the active one."""
    page.evaluate(
        """code => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = notebook.widgets.length - 1;
            return jupyterapp.commands.execute('notebook:insert-cell-below')
                .then(() => notebook.activeCell.model.sharedModel.setSource(code));
        }""",
        code,
    )


def command(page: Page, name: str, *, wait: bool = True) -> None:
    """Do what JupyterLab does when this is chosen."""
    page.evaluate(
        "([name, wait]) => { const done = jupyterapp.commands.execute(name); return wait ? done : null; }",
        [name, wait],
    )


def idle(page: Page) -> None:
    """Wait until the kernel is there and has nothing to do."""
    page.wait_for_function(
        "() => jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
