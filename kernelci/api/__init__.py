"""The edge that speaks the Assistants API over HTTP."""
