"""The records of written answers: compared with their references by words, as a corpus, or by a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cli.comet import comet_scores
from utils.evaluation import stats
from utils.evaluation.spans import span_scores
from utils.evaluation.translation import translation_figures
from utils.schema import RunRecord

if TYPE_CHECKING:
    import numpy.typing as npt

    from utils.data.train_test import TrainTest
    from utils.generators.decoding import Answers


@dataclass(frozen=True)
class Measures:
    """What written answers in a language are measured by.

    of_words: those of `em` and `f1` that are asked for, in the normal form of the language and the rules. of_corpus:
    sacrebleu's metrics by the names of their figures. comet: a model of COMET.
    """

    lang: str
    rules: str = "mlqa"
    of_words: tuple[str, ...] = ()
    of_corpus: Mapping[str, Any] = field(default_factory=dict)
    comet: str | None = None


def written_record(
    data: TrainTest,
    answers: Answers,
    texts: Sequence[str],
    k: int,
    seed: int,
    how: Measures,
    device: str,
) -> tuple[RunRecord, dict[str, Any]]:
    """Return the record of written answers, its `run` still empty, and the predictions.

    texts: the answers by themselves (n,). device: on which COMET is computed.
    """
    references = [item.references for item in data.test.items[: data.limit]]
    gold = [known[0] for known in references]
    predictions: dict[str, Any] = {"gold": gold, "hyp": list(texts)}
    if any(len(known) > 1 for known in references):
        predictions["references"] = list(map(list, references))
    found = translation_figures(texts, references, how.of_corpus, seed)
    metrics, ci95 = dict(found.metrics), dict(found.ci95)
    details = {"signatures": found.signatures} if found.signatures else {}
    if found.statistics:
        predictions["statistics"] = {name: counts.tolist() for name, counts in found.statistics.items()}
    values = _comet(data, texts, gold, how.comet, device)
    if how.of_words:
        of_words = span_scores(texts, references, how.lang, how.rules)
        values |= {name: of_words[name] for name in how.of_words}
    metrics |= {name: float(of_items.mean()) for name, of_items in values.items()}
    for name, of_items in values.items():
        is_share = name == "em"
        ci95[name] = stats.wilson(int(of_items.sum()), len(texts)) if is_share else stats.bootstrap_mean(of_items, seed)
    if values:
        predictions["values"] = {name: of_items.tolist() for name, of_items in values.items()}
    metrics |= {"unparsed": float((np.array(answers.hyp) < 0).mean())}
    metrics |= {"failed": len(answers.failures) / len(texts)} if answers.failures else {}
    return RunRecord(metrics, ci95, len(texts), k, {}, details), predictions


def _comet(
    data: TrainTest, texts: Sequence[str], gold: Sequence[str], model: str | None, device: str
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the COMET score of each translation (n,) by the metric's name; nothing where it is not asked for."""
    if not model:
        return {}
    sources = [item.fields["source"] for item in data.test.items[: data.limit]]
    return {"comet": comet_scores(model, sources, texts, gold, device)}
