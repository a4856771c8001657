"""The tasks, one row each: the data, the metrics of a record, and the tables that show it."""

from __future__ import annotations

from utils.settings.chat import ChatSettings
from utils.settings.icl import IclSettings
from utils.settings.labeled import ClassificationSettings
from utils.settings.layers import LayersSettings, LensSettings
from utils.settings.retrieval import BitextSettings, RetrievalSettings, StsSettings
from utils.task_spec import TaskSpec
from utils.views import View

CORPUS_METRICS = ("chrf", "spbleu", "bleu")
LABEL_METRICS = ("prec", "rec", "f1")
BEFORE = "before reranking"  # the figures of the first stage, which only records with a reranker have
CEILINGS = {
    "acc": (("ceiling", "ceiling"), (BEFORE, "before_acc")),
    "f1": (("ceiling", "ceiling_f1"), (BEFORE, "before_f1")),
}
CHANCE = {
    metric: (("chance", f"random_{metric}"), ("majority label", f"majority_{metric}")) for metric in ("acc", "f1")
}
REGRESSION = "logistic regression"  # of mteb's tasks, beside the vote
OF_CLASSIFICATION = {metric: (*bounds, (REGRESSION, f"logreg_{metric}")) for metric, bounds in CHANCE.items()}

TASKS: dict[str, TaskSpec] = {
    spec.name: spec
    for spec in (
        TaskSpec(
            name="bitext",
            data="bitext",
            settings=BitextSettings,
            main_metric="f1",
            item_metrics=("acc", "prec", "f1"),
            views=(View(name="bitext", title="bitext retrieval", groups=("XL", "CS")),),
            bounds=CEILINGS,
            table_settings=("similarity", "margin", "direction"),
            k_means="nearest candidates counted",
            at_k=True,
            depth_metric="acc",
        ),
        TaskSpec(
            name="classification",
            data="classification",
            settings=ClassificationSettings,
            main_metric="acc",
            item_metrics=("acc",),
            label_metrics=LABEL_METRICS,
            bounds=OF_CLASSIFICATION,
            views=(
                View(name="classification", title="classification", groups=("Mono", "CS")),
                View(
                    name="classification cross",
                    title="cross-lingual classification",
                    groups=("XL", "XL CS"),
                    cross=True,
                ),
            ),
            table_settings=("cross", "similarity", "vote", "split", "legacy"),
            k_means="neighbours that vote",
        ),
        TaskSpec(
            name="icl",
            data="prompted",
            settings=IclSettings,
            main_metric="acc",
            item_metrics=("acc", "em", "comet"),
            label_metrics=LABEL_METRICS,
            whole_metrics=CORPUS_METRICS,
            corpus_metrics=CORPUS_METRICS,
            stated_metrics=("f1",),
            needed={"span": ("em", "f1"), "text": ("chrf",), "": ("acc", *LABEL_METRICS)},
            bounds=CHANCE,
            views=(
                View(name="icl", title="in-context learning", groups=("Mono", "CS")),
                View(name="icl cross", title="cross-lingual in-context learning", groups=("XL", "XL CS"), cross=True),
                View(
                    name="icl percentile",
                    title="in-context learning by the demonstrations' rank band",
                    cross=None,
                    by=("min_percentile", "max_percentile"),
                    column="{}-{} %",
                    made_with="--sample_percentile",
                ),
            ),
            table_settings=(
                *("cross", "similarity", "balance", "order", "calibrate", "split", "legacy", "length_norm"),
                "min_percentile",
            ),
            k_means="demonstrations",
            default_ks=(1,),
            generative=True,
        ),
        TaskSpec(
            name="retrieval",
            data="retrieval",
            settings=RetrievalSettings,
            main_metric="ndcg",
            item_metrics=("ndcg", "recall", "mrr", "map", "hit"),
            views=(View(name="retrieval", title="retrieval with judgements"),),
            bounds={
                "recall": (("ceiling", "ceiling_recall"), (BEFORE, "before_recall")),
                **{name: ((BEFORE, f"before_{name}"),) for name in ("ndcg", "mrr", "map", "hit")},
            },
            table_settings=("similarity", "margin", "pool"),
            k_means="first passages counted",
            default_ks=(1, 10, 100),
            shown_k=10,
            at_k=True,
            depth_metric="recall",
        ),
        TaskSpec(
            name="sts",
            data="sts",
            settings=StsSettings,
            main_metric="spearman",
            item_metrics=(),
            whole_metrics=("spearman", "pearson"),
            views=(View(name="sts", title="semantic textual similarity"),),
            table_settings=("similarity",),
            k_means="sentences compared with",
            default_ks=(1,),
        ),
        TaskSpec(
            name="chat",
            data="chat",
            settings=ChatSettings,
            main_metric="fidelity",
            item_metrics=("fidelity", "help", "help_translated", "repetition", "refused"),
            needed={"": ("repetition", "refused")},  # a judge and languages that can be told are not always there
            bounds={"fidelity": (("identifier's own error", "lid_error"), ("too short to tell", "too_short"))},
            views=(View(name="chat", title="free answers in many languages"),),
            table_settings=(),
            k_means="answers to each instruction",
            default_ks=(3,),
            generative=True,
            shots=False,
        ),
        TaskSpec(
            name="layers",
            data="bitext",
            settings=LayersSettings,
            main_metric="best",
            item_metrics=(),
            whole_metrics=("best", "last", "held_out"),
            needed={"": ("best", "last")},
            views=(View(name="layers", title="layer by layer"),),
            table_settings=("measure", "similarity"),
            k_means="neighbours",
            default_ks=(1,),
            by_layer=True,
        ),
        TaskSpec(
            name="lens",
            data="prompted",
            settings=LensSettings,
            main_metric="best",
            item_metrics=(),
            whole_metrics=("best", "last", "held_out"),
            needed={"": ("best", "last")},
            views=(View(name="lens", title="answers layer by layer", cross=None),),
            table_settings=("cross", "similarity", "balance", "order", "split", "legacy"),
            k_means="demonstrations",
            default_ks=(0,),
            generative=True,
            made_by="layers.py",
            by_layer=True,
        ),
    )
}
