"""The command line: ``emuplugin --help``.

One file per command; what they share is beside them. Nothing else of emuplugin imports from here.
"""

from __future__ import annotations

from emuplugin.cli.app import main

__all__ = ["main"]
