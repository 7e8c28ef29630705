"""Adapters to where code runs, seen from the host."""
