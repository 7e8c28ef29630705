"""`kernelci kernels`: what is made, listed and removed, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command


def test_a_kernelspec_is_copied_and_listed(kernelci: Command, tmp_path: Path):
    ours = {"KERNELCI_CACHE_DIR": str(tmp_path / "cache"), "JUPYTER_DATA_DIR": str(tmp_path / "jupyter")}
    made = Path(kernelci.run("kernels", "copy", "mine", **ours).stdout.strip())
    assert made == tmp_path / "jupyter" / "kernels" / "mine"

    (made / "requirements.lock").write_text("# nothing\n")
    listed = kernelci.run("kernels", "list", **ours)
    assert [line.split() for line in listed.stdout.splitlines()[1:]] == [
        ["-", "kernelci", "-", "-", "not", "built"],
        ["-", "mine", "-", "-", "not", "built"],
    ]

    refused = kernelci.run("kernels", "build", "--kernel", "mine", **ours)
    assert refused.returncode == 3
    assert "cannot see" in refused.stderr


def test_mistakes_are_told_in_a_sentence(kernelci: Command, tmp_path: Path):
    ours = {"JUPYTER_DATA_DIR": str(tmp_path / "jupyter")}
    for arguments, code, told in (
        (("kernels", "copy", "kernelci"), 2, "There is a kernelspec 'kernelci' already: "),
        (("kernels", "copy", "a b"), 2, "The kernelspec 'a b' cannot be made: "),
        (("kernels", "build", "--kernel", "mine"), 3, "Make it with: kernelci kernels copy mine"),
        (("kernels", "lock", str(tmp_path)), 3, "requirements.in cannot be read"),
        (("serve", "--kernel", "mine"), 3, "Make it with: kernelci kernels copy mine"),
    ):
        done = kernelci.run(*arguments, **ours)
        assert (done.returncode, done.stdout) == (code, "")
        assert told in done.stderr
        assert "Traceback" not in done.stderr
