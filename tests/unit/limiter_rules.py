"""What every limiter does, wherever its permits come from: tests that are given one to make.

A test module that takes them in has fixtures `make` and `same` of its own.
"""

from __future__ import annotations

from tests.unit import limiter_pauses, limiter_windows

RULES = {
    name: rule
    for module in (limiter_windows, limiter_pauses)
    for name, rule in vars(module).items()
    if name.startswith("test_")
}
"""All of them, for a module with fixtures `make` and `same` to take in."""
