"""The line that says how many texts were longer than an encoder takes, and how much of them was lost."""

from __future__ import annotations

from collections.abc import Mapping

Counts = Mapping[
    str, int
]  # what an encoder counts of one subset: texts that were cut, all tokens, tokens that were lost


def cut_lines(counts: Mapping[str, Mapping[str, Counts]]) -> list[str]:
    """Return one line for each encoder that cut texts, from its counts by subset and encoder.

    A text of several subsets counts in each. Encoders that count no tokens, as those of APIs, say it by themselves.
    """
    lines = []
    for name in dict.fromkeys(name for of_subset in counts.values() for name in of_subset):
        found = [of_subset[name] for of_subset in counts.values() if of_subset.get(name, {}).get("tokens")]
        n_cut = sum(one["cut"] for one in found)
        if n_cut:
            n_texts = sum(one["hits"] + one["misses"] for one in found)
            share = 100 * sum(one["tokens_lost"] for one in found) / sum(one["tokens"] for one in found)
            lines.append(
                f"note: {n_cut:,} of {n_texts:,} texts are longer than {name} takes and were cut; "
                f"{_percent(share)} of all tokens were lost (`cache` in the records has the counts)"
            )
    return lines


def _percent(share: float) -> str:
    return f"{share:.1f} %" if share >= 0.1 else "less than 0.1 %"
