"""Adapters to where state lives."""
