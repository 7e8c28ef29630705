"""Figures, not verdicts: `python -m tests.bench` prints kernelci beside plain jupyter_client, in one run."""
