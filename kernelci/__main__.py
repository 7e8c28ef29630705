"""`python -m kernelci` is the command `kernelci`."""

from __future__ import annotations

from kernelci.cli import main

if __name__ == "__main__":
    main()
