r"""Render a table as LaTeX with the rules of booktabs; the text can be read by \input."""

from __future__ import annotations

import re
from collections.abc import Sequence

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    '"': "''",  # \textquotedbl is not in the usual font encoding
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def escape(text: str) -> str:
    """Return a name with the characters escaped that are special in LaTeX."""
    escaped = "".join(SPECIAL.get(character, character) for character in text)
    apart = re.sub(r"-(?=-)", "-{}", escaped)  # two hyphens would become a dash
    return re.sub(r"^(?=[\[*])", "{}", apart)  # else they would be read as arguments of the \\ that ends the row above


def figure(text: str) -> str:
    """Return a cell with its numbers and signs in mathematics mode, bold figures included."""
    if text == "-":  # an empty cell
        return "--"
    text = re.sub(r"\\textbf\{([\d.]+)\} ± ([\d.]+)", r"$\\mathbf{\1} \\pm \2$", text)
    text = re.sub(r"([\d.]+) ± ([\d.]+)", r"$\1 \\pm \2$", text)
    return re.sub(r"(?<![\w.$}])([+-]\d[\d.]*|<(?=\d))", r"$\1$", text)


def tabular(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a tabular: names in the header and the first column, figures elsewhere; it needs booktabs only."""
    lines = [
        [escape(name) for name in header],
        *([escape(name), *map(figure, cells)] for name, *cells in body),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = []
    for name, *cells in lines:
        padded = [name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))]
        texts.append(f"{' & '.join(padded)} \\\\")
    rules = [rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}", r"\toprule", texts[0], r"\midrule", *texts[1:]]
    return "\n".join([*rules, r"\bottomrule", r"\end{tabular}", ""])
