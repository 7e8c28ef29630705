"""The Assistants API's code interpreter on your own machine, with any model."""

__version__ = "0.1.0"
