"""What the published OpenAPI description of the API says about the paths that are served here, as test data.

`v1.json` and `v2.json` hold facts alone: paths, names, types, what is required, may be null, or is one of a few.
They are made by `reduce.py` from a copy of the description (https://github.com/openai/openai-openapi): v2 of its
main branch, v1 of the last commit before v2 came, f0969d3 of April 2024.

    uv run --with pyyaml python -m tests.description openapi.yaml tests/description/v2.json
"""
