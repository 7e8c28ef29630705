"""The heart: the run loop and what turns its events into state."""
