"""The kernelspecs of confined kernels: where they are, how another one is made, how its lock is.

Each is a folder where Jupyter looks for kernels: `kernel.json` names our provisioner, `requirements.in` says what
the model's code may import, `requirements.lock` pins that. What is made of the lock is environment.py's.
"""

from __future__ import annotations

import json
from pathlib import Path

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel

from kernelci.errors import EnvironmentUnavailable, StartupError
from kernelci.sandbox.packages import run_uv

KERNEL = "kernelci"
"""The name of the kernelspec that comes with kernelci."""

LOCK = "requirements.lock"

_DATED = "# exclude-newer:"
_NEEDED = ("ipykernel", "matplotlib", "pandas")
"""What the process that kernels are forked from has imported, and what speaks Jupyter's protocol."""


def folder_of(kernel: str) -> Path:
    """The folder of an installed kernelspec.

    Raises:
        EnvironmentUnavailable: Jupyter does not find the kernelspec, or it is not one of ours.
    """
    try:
        found = KernelSpecManager().get_kernel_spec(kernel)
    except NoSuchKernel:
        helps = "Reinstall kernelci." if kernel == KERNEL else f"Make it with: kernelci kernels copy {kernel}"
        raise EnvironmentUnavailable(
            f"The kernelspec {kernel!r} is not installed where Jupyter looks for kernels. {helps}"
        ) from None
    if not _is_ours(found):
        raise EnvironmentUnavailable(
            f"The kernelspec {kernel!r} is not one of kernelci's: its kernels are not confined."
        )
    return Path(found.resource_dir)


def installed() -> dict[str, Path]:
    """The folders of the kernelspecs of confined kernels, by their names."""
    specs = KernelSpecManager()
    folders = sorted(specs.find_kernel_specs().items())
    return {name: Path(folder) for name, folder in folders if _is_ours(specs.get_kernel_spec(name))}


def copy(kernel: str) -> Path:
    """Make a kernelspec like the one that comes with kernelci, in Jupyter's folder of this user; gives its folder.

    Raises:
        StartupError: there is one of that name already, or it cannot be a name.
    """
    if not kernel:  # Jupyter would take that of the folder
        raise StartupError("A kernelspec without a name cannot be made.")
    specs = KernelSpecManager()
    if existing := specs.find_kernel_specs().get(kernel.lower()):
        raise StartupError(f"There is a kernelspec {kernel!r} already: {existing}")
    try:
        made = Path(specs.install_kernel_spec(str(folder_of(KERNEL)), kernel_name=kernel, user=True))
    except (ValueError, OSError) as error:
        raise StartupError(f"The kernelspec {kernel!r} cannot be made: {error}") from error
    spec = json.loads((made / "kernel.json").read_text())
    (made / "kernel.json").write_text(json.dumps({**spec, "display_name": kernel}, indent=2) + "\n")
    return made


def lock(folder: Path) -> None:
    """Pin what a kernelspec folder's `requirements.in` asks for into its `requirements.lock`.

    The pins hold for every platform and Python from 3.11 on; nothing newer than the date in the
    `# exclude-newer:` line of requirements.in is taken. Pins that still fit are kept.

    Raises:
        EnvironmentUnavailable: there is no such file or date, or no set of versions fits.
    """
    source = folder / "requirements.in"
    try:
        lines = source.read_text().splitlines()
    except OSError as error:
        raise EnvironmentUnavailable(f"{source} cannot be read: {error.strerror}.") from error
    date = next((line.removeprefix(_DATED).strip() for line in lines if line.startswith(_DATED)), None)
    if date is None:
        raise EnvironmentUnavailable(f"{source} needs a line such as: {_DATED} 2026-11-21T00:00:00Z")
    run_uv(
        *(
            "pip",
            "compile",
            "--universal",
            "--python-version",
            "3.11",
            "--generate-hashes",
            "--exclude-newer",
            date,
        ),
        *("--no-header", "--no-annotate", "--no-emit-index-url", "--quiet"),
        *(source.name, "--output-file", LOCK),
        within=folder,
    )
    pins = (folder / LOCK).read_text().splitlines()
    if missing := [name for name in _NEEDED if not any(pin.startswith(f"{name}==") for pin in pins)]:
        raise EnvironmentUnavailable(f"{source} also needs: {', '.join(missing)}. Kernels do not start without.")


def _is_ours(spec: KernelSpec) -> bool:
    named = spec.metadata.get("kernel_provisioner", {}).get("provisioner_name")
    return named == "kernelci"
