"""Questions and the passages that are judged to answer them: the pool of each subset, and what has to be right.

A reader yields the parts of a data set, one for each language or pair of languages. A subset is the questions of one
part; its pool consists of the passages of that part, of all parts, or of all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from utils.constants import PAIRS
from utils.data.judged_parts import Part, as_bytes
from utils.data.judged_readers import READERS
from utils.data.languages import suggest_language
from utils.data.mteb_rows import KIND, mteb_subsets
from utils.data.mteb_texts import mteb_judged
from utils.data.sources import Sources
from utils.data.subsets import Judged, Origin, Texts
from utils.data.tables import is_blank
from utils.errors import UserError, counted, note
from utils.schema import DatasetSpec


def judged_subsets(spec: DatasetSpec, langs: Sequence[str] | None, kind: str | None = None) -> list[str]:
    """Return the subsets of a run, in the order of the data set's row.

    langs: only questions and passages in these languages; None for all. kind: of a data set that consists of pairs of
    languages only those of one language, `same`, or of two, `cross`. Raises UserError for a language that the data set
    does not have, where no pair is left, and for a kind of pairs where the data set has none.
    """
    pairs: Sequence[tuple[str, str]] = spec.options.get("pairs", ())
    if kind and not pairs:
        hint = "it chooses pairs of data sets such as mlqa_r: leave it out"
        raise UserError(f"--pairs {kind} with {spec.name}, which has no pairs of languages", hint)
    if spec.kind == KIND:
        return mteb_subsets(spec, langs)
    known = list(dict.fromkeys(lang for pair in pairs for lang in pair)) or list(spec.subsets)
    for lang in langs or ():
        if lang not in known:
            raise UserError(f"{spec.name} has no language {lang!r}", suggest_language(lang, known))
    if not pairs:
        return [lang for lang in spec.subsets if langs is None or lang in langs]
    sizes = {"same": (1,), "cross": (2,)}.get(kind or "", (1, 2))  # how many languages a pair has
    chosen = [pair for pair in pairs if (langs is None or set(pair) <= set(langs)) and len(set(pair)) in sizes]
    if not chosen:
        asked = [*(("--pairs", kind) if kind else ()), *(("--langs", *langs) if langs else ())]
        raise UserError(
            f"{spec.name} has no pair of languages with {' '.join(asked)}",
            f"its pairs are: {', '.join(spec.subsets)}",
        )
    return ["_".join(pair) for pair in chosen]


def chosen_pool(spec: DatasetSpec, pool: str | None) -> str:
    """Return the setting for a --pool: `usual` also for the name of the usual one.

    Raises UserError for data of which each subset has a pool of its own: tasks of mteb, and pairs of languages.
    """
    if pool is not None and "pairs" in spec.options:
        hint = f"leave --pool out{f'; --pairs {pool} chooses pairs' if pool in PAIRS else ''}"
        raise UserError(f"--pool {pool} with {spec.name}, where each pair of languages has its own pool", hint)
    if spec.kind == KIND and pool not in (None, "same"):
        raise UserError(f"--pool {pool} with {spec.name}", "mteb has one pool for each subset: leave --pool out")
    return "usual" if pool in (None, spec.options["usual_pool"]) else str(pool)


def pool_of(spec: DatasetSpec, subset: str, pool: str, langs: Sequence[str] | None) -> list[str]:
    """Return the parts whose passages are the pool of a subset."""
    kind = spec.options["usual_pool"] if pool == "usual" else pool
    if kind == "same":
        return [subset]
    return [lang for lang in judged_subsets(spec, langs) if kind == "all" or lang != subset]


def load_judged(
    spec: DatasetSpec, subset: str, sources: Sources, *, pool: str = "usual", langs: Sequence[str] | None = None
) -> Judged:
    """Return the questions of a subset, its pool and the judgements.

    pool: `same` for passages in the language of the questions, `cross` for those in the other languages of the run,
    `all` for both, `usual` for what the data set's row says. Questions without an answer in the pool are left out with
    a note. Raises UserError for identifiers that occur twice or are unknown, blank questions, and a pool without an
    answer.
    """
    if spec.kind == KIND:
        return mteb_judged(spec, subset)
    names = pool_of(spec, subset, pool, langs)
    if not names:
        raise UserError(f"{spec.name} {subset}: the pool has no languages", "--pool cross needs --langs with others")
    parts: dict[str, Part] = {}
    for name in dict.fromkeys((subset, *names)):
        parts[name], origin = READERS[spec.reader](spec, name, sources)
        parts[name].check()
    shared = bool(spec.options.get("parallel"))
    prefixed = len(names) > 1 and not shared
    passages = _pool(spec, {name: parts[name] for name in names}, prefixed=prefixed)
    grades: dict[str, dict[str, int]] = {}
    for name in names if shared else [name for name in names if name == subset]:
        for question, passage, grade in parts[name].judgements:
            place = f"{name}:{passage}" if prefixed else passage
            grades.setdefault(question, {})[place] = grade
    return _judged(spec, subset, parts[subset], passages, grades, origin)


def _pool(spec: DatasetSpec, parts: Mapping[str, Part], *, prefixed: bool) -> Texts:
    """Return the passages of all parts, from the last identifier to the first; blank ones that no one judged go."""
    rows: dict[str, tuple[str, str]] = {}
    blank = 0
    for name, part in parts.items():
        needed = {passage for _, passage, _ in part.judgements}
        for passage, text in part.passages:
            place = f"{name}:{passage}" if prefixed else passage
            if place in rows:
                raise UserError(
                    f"{spec.name}: the passage {place!r} is in {rows[place][1]} and in {part.passage_lang}",
                    "passages of data that are parallel need identifiers that differ between languages",
                )
            if is_blank(text) and passage not in needed:
                blank += 1
            elif is_blank(text):
                raise UserError(f"{part.place}: the passage {passage!r} is judged, but blank", "add its text")
            else:
                rows[place] = text, part.passage_lang
    if blank:
        note(f"{spec.name}: {counted(blank, 'passage')} left out, as they are blank")
    ids = sorted(rows, key=as_bytes, reverse=True)
    return Texts(tuple(ids), tuple(rows[place][0] for place in ids), tuple(rows[place][1] for place in ids))


def _judged(
    spec: DatasetSpec,
    subset: str,
    part: Part,
    passages: Texts,
    grades: Mapping[str, Mapping[str, int]],
    origin: Origin,
) -> Judged:
    for kind, rows in (("questions", part.questions), ("passages", passages), ("judgements", part.judgements)):
        if not len(rows):
            raise UserError(
                f"{part.place}: there are no {kind}", "write a row for each, below the names of the columns"
            )
    asked = [(name, text) for name, text in part.questions if name in grades]
    kept = [(name, text) for name, text in asked if any(grade > 0 for grade in grades[name].values())]
    dropped, place = len(asked) - len(kept), f"{spec.name} {subset}"
    if not kept:
        raise UserError(
            f"{place}: the pool of {counted(len(passages), 'passage')} has no answer to any question",
            "check the judgements (a grade above 0 is an answer), or choose another --pool or more --langs",
        )
    if dropped:
        note(f"{place}: {dropped} of {counted(len(asked), 'question')} left out, as their pool has no answer")
    if unjudged := len(part.questions) - len(asked):
        what = f"{unjudged} of {counted(len(part.questions), 'question')} left out"
        note(f"{place}: {what}, as no passage of their pool is judged for them")
    queries = Texts(*map(tuple, zip(*((name, text, part.question_lang) for name, text in kept), strict=True)))
    judgements = {name: dict(grades[name]) for name in queries.ids}
    return Judged(subset, queries, passages, judgements, origin, dropped)
