"""Which rows a training draws: so many of each language, and a share that is held out."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

from utils.data.conversations import Conversation
from utils.errors import UserError, counted, suggest

T = TypeVar("T")
Mix = dict[str, "int | None"]  # the number of rows by language, None for a part of what is left of the total


def full_mix(mix: Mapping[str, int | None], total: int | None) -> dict[str, int]:
    """Return the number of rows of each language, in the order of the mix.

    Languages without a number share what the others leave of the total, the first ones one row more where it does not
    divide. Raises UserError where they would have none, and where the numbers do not make the total.
    """
    given = sum(count for count in mix.values() if count is not None)
    others = [lang for lang, count in mix.items() if count is None]
    if others and total is None:
        raise UserError(f"--mix has no number for {', '.join(others)}", "write LANG=N, or add --mix_total N")
    rest = (given if total is None else total) - given
    if rest < len(others) or (rest and not others):
        raise UserError(
            f"--mix_total {total}, but the languages of --mix have {given:,} rows",
            "leave out --mix_total, or the number of a language, which then has what is left",
        )
    share, more = divmod(rest, max(1, len(others)))
    found = {lang: share + (place < more) for place, lang in enumerate(others)}
    return {lang: found[lang] if count is None else count for lang, count in mix.items()}


def draw_mix(rows: Sequence[Conversation], mix: Mapping[str, int], seed: int) -> list[Conversation]:
    """Return so many rows of each language, drawn by the seed, the languages in the order of the mix.

    A smaller number of a language is a part of a larger one with the same seed, so that mixes differ by nothing but
    their numbers. Raises UserError for a language without enough rows.
    """
    by_lang: dict[str, list[Conversation]] = {}
    for row in rows:
        by_lang.setdefault(row.lang, []).append(row)
    found: list[Conversation] = []
    for lang, count in mix.items():
        if lang not in by_lang:
            raise UserError(f"no row is in {lang}, of which {count:,} are asked for", suggest(lang, by_lang))
        if count > len(by_lang[lang]):
            what = f"{count:,} rows in {lang} are asked for, but the data have {len(by_lang[lang]):,}"
            raise UserError(what, "use a smaller number, or more data")
        found += _drawn(by_lang[lang], f"{seed} {lang}")[:count]
    return found


def hold_out(rows: Sequence[T], item_of: Sequence[str], share: float, seed: int) -> tuple[list[T], list[T]]:
    """Return the rows to train on, and about `share` of all of them to validate on, both in order.

    item_of: what each row is about. Whole items are held out, so that no row is trained on whose translation
    validates. Raises UserError where there are too few items for both.
    """
    if not share:
        return list(rows), []
    items = list(dict.fromkeys(item_of))
    if len(items) < 2:
        raise UserError(f"{counted(len(rows), 'row')} about one item", "add rows, or use --validation_share 0")
    sizes, wanted = Counter(item_of), max(1, round(share * len(rows)))
    held: set[str] = set()
    for item in _drawn(items, f"{seed} held out")[:-1]:
        if sum(sizes[one] for one in held) >= wanted:
            break
        held.add(item)
    both = list(zip(rows, item_of, strict=True))
    return [row for row, item in both if item not in held], [row for row, item in both if item in held]


def _drawn(rows: Sequence[T], seed: str) -> list[T]:
    """Return the rows in an order drawn by a seed, the same on every machine."""
    found = list(rows)
    random.Random(seed).shuffle(found)
    return found
