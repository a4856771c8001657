"""Self-contained HTML pages: template, styles, script and data in one file that opens without a network."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from pathlib import Path
from typing import Any

from utils.cache import write_atomic
from utils.schema import UserError

WEB = Path(__file__).resolve().parent / "web"


def write_page(path: Path, name: str, title: str, data: Any) -> None:
    """Write the page `name` of utils/web/ with its data, atomically.

    The page is `<name>.html` with `base.css`, `<name>.css`, `base.js` and `<name>.js` in it. Its script gets the
    data, a JSON value, by `await pageData()`. Raises UserError where the file cannot be written.
    """
    parts = {
        "TITLE": html.escape(title),
        "BODY": _read(f"{name}.html"),
        "CSS": _read("base.css") + _read(f"{name}.css"),
        "JS": _read("base.js") + _read(f"{name}.js"),
        "DATA": pack(data),
    }
    page = re.sub(r"%([A-Z]+)%", lambda match: parts[match[1]], _read("page.html"))
    try:
        write_atomic(path, page.encode())
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror})", "name another place: --output") from error


def pack(data: Any) -> str:
    """Return JSON as gzip in base64, in which no text can end the element that holds it; NaN is refused."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode()


def _read(name: str) -> str:
    path = WEB / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""
