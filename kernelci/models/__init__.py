"""Adapters to where replies come from."""
