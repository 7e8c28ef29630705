"""`python -m tests.description OPENAPI.YAML FACTS.JSON` makes the test data anew; needs PyYAML."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from tests.description.reduce import as_text, reduced

published, facts = map(Path, sys.argv[1:])
facts.write_text(as_text(reduced(yaml.load(published.read_bytes(), Loader=yaml.CSafeLoader))), encoding="utf-8")
