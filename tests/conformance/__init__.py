"""Suites that any adapter of a port can be put through: subclass one and give it the adapter as a fixture."""
