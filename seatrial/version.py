"""The version, on its own: who prints it needs nothing else of the house."""

__version__ = "0.1.0"
