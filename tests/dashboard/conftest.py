"""The command line is run here as it is in its own tests."""

from tests.cli.conftest import cli

__all__ = ["cli"]
