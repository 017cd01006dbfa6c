"""The page: one HTML file that loads nothing, with everything it needs written into it.

Names and texts in it are anybody's. They stand in one place, as JSON in which no tag can begin, and get to the screen
as text alone; the policy in the page's head lets no script run but those written here, by their hashes, and
nothing load.
"""

# the command imports this module when it runs

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from importlib.resources import files

from onnxgen import __version__
from onnxgen.viewing.data import Data
from onnxgen.viewing.source import coloured_lines

MARK = '<meta name="generator" content="onnxgen view'
_SCRIPTS = ("dom", "graph", "layout", "camera", "canvas", "outline", "code", "details", "search", "main")
"""Our scripts, which are one: each uses what those before it define."""


def page(data: Data, source: str) -> str:
    """Returns the page as HTML.

    Args:
        data: What `onnxgen.viewing.data.page_data` gathered.
        source: The text of ``model.py``.
    """
    dagre, style = _asset("vendor/dagre/dagre.min.js"), _asset("assets/style.css")
    script = "\n".join(_asset(f"assets/{name}.js") for name in _SCRIPTS)
    script = f'"use strict";\n(() => {{\n{script}}})();\n'
    return _filled(
        _asset("assets/page.html"),
        policy=_policy((dagre, script), style),
        version=__version__,
        title=html.escape(f"{data['title']}: {data['file']}"),
        style=style,
        code=_code(source),
        data=_json(data),
        dagre=dagre,
        script=script,
    )


def _asset(path: str) -> str:
    return files("onnxgen.viewing").joinpath(path).read_text("utf-8")


def _filled(template: str, **parts: str) -> str:
    """Fills ``{{name}}`` in a template, once: what is filled in is not looked at."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _policy(scripts: Sequence[str], style: str) -> str:
    allowed = " ".join(map(_hash, scripts))
    return f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _json(data: Data) -> str:
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _code(source: str) -> str:
    lines = enumerate(coloured_lines(source.removesuffix("\n")), 1)
    return "".join(f'<div class="line" id="L{number}" data-n="{number}">{text}\n</div>' for number, text in lines)
