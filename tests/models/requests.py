"""Requests that several of these tests make."""

from __future__ import annotations

from dataclasses import replace

from kernelci.engine.ports.model import CODE_TOOL, ModelRequest

INTERPRETER = {"type": "function", "function": {"name": CODE_TOOL}}
WEATHER = {"type": "function", "function": {"name": "weather"}}

WITH_CODE = ModelRequest("gpt-4o", ({"role": "user", "content": "Why?"},), tools=(INTERPRETER, WEATHER))
FUNCTIONS_ONLY = replace(WITH_CODE, tools=(WEATHER,))
