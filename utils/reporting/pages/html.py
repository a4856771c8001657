"""Write self-contained HTML pages: template, styles, scripts and data in one file."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.files import write_output

WEB = Path(__file__).resolve().parent / "web"
LEVEL = 3  # of gzip; 4 and above take twice the time


def write_page(path: Path, name: str, title: str, data: Any, parts: Sequence[str] = ()) -> None:
    """Write the page `name` of the folder web/ with its data, atomically.

    The page is `<name>.html` with `base.css`, `<name>.css`, `base.js`, every `<name>_*.js` and `<name>.js`. Its script
    gets the data, a JSON value, from `await pageData()`, and the text of one of `parts`, which `pack_bytes` returned,
    from `await pagePart(number)`. The parts stand after the script, so that it runs before they are loaded. Raises
    UserError where the file cannot be written.
    """
    scripts = ["base.js", *sorted(script.name for script in WEB.glob(f"{name}_*.js")), f"{name}.js"]
    contents = {
        "TITLE": html.escape(title),
        "BODY": _read(f"{name}.html"),
        "CSS": _read("base.css") + _read(f"{name}.css"),
        "JS": "".join(map(_read, scripts)),
        "DATA": pack(data),
        "PARTS": "\n".join(
            f'<script type="application/octet-stream" id="part-{number}">{part}</script>'
            for number, part in enumerate(parts)
        ),
    }
    page = re.sub(r"%([A-Z]+)%", lambda match: contents[match[1]], _read("page.html"))
    write_output(path, page.encode())


def pack(data: Any) -> str:
    """Return JSON as gzip in base64, which cannot end the HTML element around it; NaN is refused."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return pack_bytes(text.encode(errors="backslashreplace"))  # half of a surrogate pair is not valid Unicode


def pack_bytes(content: bytes) -> str:
    """Return UTF-8 text as gzip in base64."""
    return base64.b64encode(gzip.compress(content, compresslevel=LEVEL, mtime=0)).decode()


def _read(name: str) -> str:
    path = WEB / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""
