"""What the readers of data sets return: the texts of a subset, and where they were read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Origin:
    """Where a subset was read from, as records state it; it contains no path.

    kind: hub, mirror, files, shipped or local; revision: None where the content of the source is not pinned.
    """

    kind: str
    source: str
    revision: str | None


@dataclass(frozen=True)
class BitextSubset:
    """One language pair: `targets[gold[i]]` is the translation of `sources[i]`; `setting` is "xl" or "cs".

    n_dropped: number of rows of a user's own data that are left out, as a side is blank.
    """

    name: str
    src_lang: str
    tgt_lang: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    gold: tuple[int, ...]
    setting: str
    origin: Origin
    n_dropped: int = 0


@dataclass(frozen=True)
class Texts:
    """Texts with their identifiers and languages, (n,) each; the text of a passage begins with its title."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    langs: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.ids)


@dataclass(frozen=True)
class Judged:
    """Questions in one language, the pool of passages, and how relevant a passage is to a question.

    judgements: grades by a question's identifier, then by a passage's; above 0 is an answer. Passages without a grade
    are taken for irrelevant. Every question has an answer in the pool.
    passages: from the last identifier to the first (as bytes), which is how trec_eval orders equal scores.
    n_dropped: number of questions that have no answer in the pool, and are left out.
    own: the passage that is not ranked for each question (n,), -2 for none; empty where there is none at all.
    candidates: the only passages that are ranked for each question (n,); empty where all are.

    A task of mteb may have questions without an answer, and judgements of passages that it does not have.
    """

    name: str
    queries: Texts
    passages: Texts
    judgements: Mapping[str, Mapping[str, int]]
    origin: Origin
    n_dropped: int = 0
    own: tuple[int, ...] = ()
    candidates: tuple[tuple[int, ...], ...] = ()

    def best_answers(self) -> list[int]:
        """Return the index of the best answer of each question (n,), of several the first; -2 where there is none."""
        places = {name: index for index, name in enumerate(self.passages.ids)}
        best = []
        for query in self.queries.ids:
            graded = ((-grade, places.get(name, -1)) for name, grade in self.judgements[query].items() if grade > 0)
            best.append(min((one for one in graded if one[1] >= 0), default=(0, -2))[1])
        return best

    def first(self, n: int | None) -> Judged:
        """Return the first n questions with the whole pool; None for all."""
        asked = self.queries
        queries = Texts(asked.ids[:n], asked.texts[:n], asked.langs[:n])
        return replace(self, queries=queries, own=self.own[:n], candidates=self.candidates[:n])


@dataclass(frozen=True)
class SentencePairs:
    """Pairs of sentences, (n,) each side, and how alike people find them: gold (n,), in the data set's own scale."""

    name: str
    src_lang: str
    tgt_lang: str
    first_texts: tuple[str, ...]
    second_texts: tuple[str, ...]
    gold: tuple[float, ...]
    origin: Origin

    def first(self, n: int | None) -> SentencePairs:
        """Return the first n pairs; None for all."""
        sides = {name: getattr(self, name)[:n] for name in ("first_texts", "second_texts", "gold")}
        return replace(self, **sides)


@dataclass(frozen=True)
class Item:
    """What a prompt shows of a row, and how it is answered.

    fields: texts, or words such as the kind of a question, by the names that templates have for them.
    answer: the name of the label, the position of the right choice ("1" for the first), or the first reference.
    choices: the options of a choice, in the order of the data.
    references: all right answers, where a text is generated.
    """

    fields: Mapping[str, str]
    answer: str
    choices: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabeledTexts:
    """One split of one language: texts (n,) and their labels (n,).

    label_names: the label set of the data set; empty where it has no fixed one.
    n_dropped: number of rows without a text, which are left out.
    ids: identifiers (n,), by which translations in other languages are found; empty where the data set has none.
    items: what prompts show of each row (n,), of data whose rows are more than a text and its label; else empty. Their
        texts are those that are encoded, and their labels are the items' answers.
    taken_from: the split of the data set that the rows are of where it is another one than asked for, as in a record.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    label_names: tuple[str, ...]
    origin: Origin
    n_dropped: int = 0
    ids: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    taken_from: str = ""

    def shown(self) -> tuple[Item, ...]:
        """Return what prompts show of each row (n,): of a labelled text the field `text`."""
        pairs = zip(self.texts, self.labels, strict=True)
        return self.items or tuple(Item({"text": text}, label) for text, label in pairs)
