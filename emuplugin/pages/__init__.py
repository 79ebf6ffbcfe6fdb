"""HTML pages that hold all they need and load nothing: a template, styles, a script, data.

All of them begin alike (``head.html``), with a policy that keeps a browser from loading anything,
and have a palette and the look of text and tables in common (``base.css``), light and dark as the
reader's system is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any, Final

_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
)


def page(package: str, name: str, *, title: str, data: Any, parts: Mapping[str, str]) -> str:
    """The page whose template, style and script are ``NAME.html``, ``.css`` and ``.js`` in the
    folder ``page`` of a package; the template begins behind ``<body>``. ``title`` is text; ``data``
    becomes JSON for the script; ``parts`` are HTML, for the places ``{{...}}`` of these names."""
    folder = files(package).joinpath("page")
    read = {
        kind: folder.joinpath(f"{name}.{kind}").read_text(encoding="utf-8")
        for kind in ("html", "css", "js")
    }
    head, base = (
        files(__name__).joinpath(shared).read_text(encoding="utf-8")
        for shared in ("head.html", "base.css")
    )
    # Each mark is looked for behind what was put in before: what is put in may look like one.
    marks = {
        "policy": _POLICY,
        "title": escape(title),
        "style": base + read["css"].rstrip(),
        **parts,
        "data": json_data(data),
        "script": read["js"].rstrip(),
    }
    done, rest = "", head + read["html"]
    for mark, text in marks.items():
        before, found, rest_behind = rest.partition(f"{{{{{mark}}}}}")
        assert found, f"the template {name}.html has no place for {mark}, or not in this order"
        done, rest = done + before + text, rest_behind
    return done + rest


def json_data(data: Any) -> str:
    """JSON that can stand in a script element."""
    # "<" would end the element where a string of the plugin holds "</script>".
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
