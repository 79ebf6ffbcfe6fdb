"""``python -m emuplugin``: the command line, where the console script is not on the path."""

from __future__ import annotations

import sys

if not sys.flags.safe_path:
    # With -m Python looks for modules in the working folder first, and an import of, say, json
    # would load a plugin json.so that lies there, on the real processor.
    del sys.path[0]

from emuplugin.cli import main

if __name__ == "__main__":
    sys.exit(main())
