"""The records of written answers: spans compared with their references, and translations compared as a corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    from utils.settings import IclSettings


def written_record(
    data: TrainTest,
    answers: Answers,
    texts: Sequence[str],
    k: int,
    settings: IclSettings,
    how: Mapping[str, Any],
    device: str,
) -> tuple[RunRecord, dict[str, Any]]:
    """Return the record of written answers, its `run` still empty, and the predictions.

    texts: the answers by themselves (n,). how: of spans the language and the rules of their normal form; of
    translations `measures`, as `translation_measures` returns them. device: on which COMET is computed.
    """
    references = [item.references for item in data.test.items[: data.limit]]
    gold = [known[0] for known in references]
    predictions: dict[str, Any] = {"gold": gold, "hyp": list(texts)}
    if any(len(known) > 1 for known in references):
        predictions["references"] = list(map(list, references))
    if "measures" in how:
        found = translation_figures(texts, references, how["measures"], settings.seed)
        metrics, ci95, details = found.metrics, found.ci95, {"signatures": found.signatures}
        predictions["statistics"] = {name: counts.tolist() for name, counts in found.statistics.items()}
        values = _comet(data, texts, gold, settings, device)
        metrics |= {name: float(of_items.mean()) for name, of_items in values.items()}
        ci95 |= {name: stats.bootstrap_mean(of_items, settings.seed) for name, of_items in values.items()}
    else:
        values, details = span_scores(texts, references, **how), {}
        metrics = {name: float(of_items.mean()) for name, of_items in values.items()}
        right = int(values["em"].sum())
        ci95 = {"em": stats.wilson(right, len(texts)), "f1": stats.bootstrap_mean(values["f1"], settings.seed)}
    if values:
        predictions["values"] = {name: of_items.tolist() for name, of_items in values.items()}
    metrics |= {"unparsed": float((np.array(answers.hyp) < 0).mean())}
    metrics |= {"failed": len(answers.failures) / len(texts)} if answers.failures else {}
    return RunRecord(metrics, ci95, len(texts), k, {}, details), predictions


def _comet(
    data: TrainTest, texts: Sequence[str], gold: Sequence[str], settings: IclSettings, device: str
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the COMET score of each translation (n,) by the metric's name; nothing where it is not asked for."""
    if not settings.comet:
        return {}
    sources = [item.fields["source"] for item in data.test.items[: data.limit]]
    return {"comet": comet_scores(settings.comet, sources, texts, gold, device)}
