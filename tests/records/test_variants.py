"""Rows: records of one row were made in one setting, and the row's name tells which."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from utils.constants import CLASSIFIER
from utils.encoders.registry import ENCODERS
from utils.loaders import API_ENCODER
from utils.records.identity import Identity, encoders_identity, generator_identity
from utils.records.result import LoggedResult
from utils.records.row_names import row_names
from utils.records.variants import place_of
from utils.schema import EncoderSpec, GeneratorSpec
from utils.tasks import TASKS

E5 = "intfloat/multilingual-e5-base"
PLAIN = {"checkpoint": E5, "revision": ENCODERS[E5].revision, "prompt": "query: ", "dtype": "fp32", "weight": 1.0}
OWN = {"checkpoint": "local/mine", "prompt": None, "dtype": "fp32", "weight": 1.0}


def result(model: str = E5, dataset: str = "nusax", subset: str = "eng_ace", k: int = 1, **run: Any) -> LoggedResult:
    run = {"task": "bitext", "model": model, "encoders": [PLAIN], **run}
    return LoggedResult(Path("x.json"), dataset, model, subset, k, 42, {}, run, {})


@pytest.mark.parametrize(
    ("run", "name"),
    [
        ({}, E5),
        ({"fuse": "rank"}, f"{E5} (fuse rank)"),
        ({"fuse": "rank", "normalize": "zscore"}, f"{E5} (fuse rank, normalize zscore)"),
        ({"margin": "ratio", "margin_k": 4}, E5),  # the margin is the table's, and 4 its usual neighbourhood
        ({"margin": "ratio", "margin_k": 8}, f"{E5} (margin_k 8)"),
        ({"margin": "csls", "margin_k": 4}, f"{E5} (margin_k 4)"),
        ({"encoders": [{**PLAIN, "prompt": ""}]}, f"{E5} (no prompt)"),
        ({"encoders": [{**PLAIN, "prompt": "passage: "}]}, f'{E5} (prompt "passage: ")'),
        ({"encoders": [{**PLAIN, "prompt": 'find "x": '}]}, f'{E5} (prompt "find \\"x\\": ")'),
        ({"encoders": [{**PLAIN, "dtype": "fp16", "max_length": 64}]}, f"{E5} (max_length 64, fp16)"),
        ({"encoders": [{**PLAIN, "dtype": "8bit"}]}, f"{E5} (encoder in 8bit)"),
        ({"encoders": [{**PLAIN, "revision": "abc"}]}, f"{E5} (revision abc)"),
        ({"encoders": [{**PLAIN, "backend": "onnx"}]}, f"{E5} (backend onnx)"),
        ({"encoders": [{**PLAIN, "layer": 0}]}, f"{E5} (layer 0)"),
        ({"encoders": [{**PLAIN, "pooling": "mean", "layer": 7}]}, f"{E5} (pooling mean, layer 7)"),
        ({"encoders": [{**PLAIN, "layer": 7}, {**OWN, "layer": 7}]}, f"{E5} (layer 7)"),
        ({"tag": "second"}, f"{E5} (second)"),
        ({"tag": "second", "fuse": "rank"}, f"{E5} (second)"),
        ({"subset": "ind_ace", "src_lang": "ind"}, f"{E5} (src_lang ind)"),
        ({"source": {"kind": "hub", "source": "me/nusax", "revision": "r"}}, f"{E5} (data me/nusax@r)"),
        ({"source": {"kind": "mirror", "source": "indonlp/NusaX-senti", "revision": None}}, E5),
        ({"limit": 5}, f"{E5} (limit 5)"),
        ({"encoders": []}, E5),  # as a file of the original has none
    ],
)
def test_a_row_tells_what_departs_from_the_plain_setting(run: dict[str, Any], name: str) -> None:
    subset = str(run.pop("subset", "eng_ace"))
    assert row_names([result(subset=subset, **run)]) == [name]


def test_members_of_an_ensemble_are_told_apart() -> None:
    half, whole = (
        {**PLAIN, "dtype": "fp16"},
        {**PLAIN, "checkpoint": "baseline/char_ngram", "revision": "1", "prompt": ""},
    )
    assert row_names([result("a__b", encoders=[half, whole])]) == ["a__b (fp16 of multilingual-e5-base)"]
    assert row_names([result("a__b", encoders=[half, {**whole, "dtype": "fp16"}])]) == ["a__b (fp16)"]
    twice = [{**whole, "prompt": prompt} for prompt in ("", "x: ", "y: ")]
    assert row_names([result("a__a", encoders=twice)]) == ['a__a (prompt "x: " of char_ngram, "y: " of char_ngram)']


def test_ensembles_of_other_checkpoints_prompts_or_revisions_make_no_common_row() -> None:
    ngrams = {**PLAIN, "checkpoint": "baseline/char_ngram", "revision": "1", "prompt": ""}
    ours, theirs = ({**PLAIN, "checkpoint": f"{owner}/e5", "prompt": ""} for owner in ("ours", "theirs"))
    assert row_names([result("ngrams__e5", encoders=[ngrams, ours])]) == ["ngrams__e5"]
    rows = row_names([result("ngrams__e5", encoders=[ngrams, each]) for each in (ours, theirs)])
    assert rows[0].startswith("ngrams__e5 (of baseline/char_ngram + ours/e5") and len(set(rows)) == 2
    asked = [[{**ours, "prompt": a}, {**theirs, "prompt": b}] for a, b in (("", "q: "), ("q: ", ""))]
    assert len(set(row_names([result("e5__e5", encoders=members) for members in asked]))) == 2
    swapped = [[{**ngrams, "prompt": a}, {**ngrams, "prompt": b}] for a, b in (("x: ", "y: "), ("y: ", "x: "))]
    assert len(set(row_names([result("a__a", encoders=members) for members in swapped]))) == 2
    commits = ["1" * 40, "1" * 39 + "2"]
    new = [[ours, {**theirs, "revision": commit}] for commit in commits]
    assert len(set(row_names([result("e5__e5", encoders=members) for members in new]))) == 2


def leaves(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key in value for leaf in leaves(value[key], (*place, key))]
    if isinstance(value, list):
        return [leaf for number, each in enumerate(value) for leaf in leaves(each, (*place, number))]
    return [place]


@pytest.mark.parametrize("task", ["bitext", "classification", "icl"])
def test_whatever_differs_in_the_identity_of_a_run_parts_its_rows(task: str) -> None:
    """Every value of an identity is changed by itself, and must not share a row with the unchanged one."""
    encoder = EncoderSpec("org/own", "", "1" * 40, prompt="q: ", trust_remote_code=True, dtype="bf16", backend="onnx")
    served = EncoderSpec("m", API_ENCODER, provider="openai", base_url="http://a/v1", dimensions=8, label="")
    generator = GeneratorSpec("org/gen", "", "base", revision="2" * 40, dtype="bf16", trust_remote_code=True)
    answers = generator_identity(generator) if task == "icl" else None
    encoders = encoders_identity([encoder, served], [0.25, 0.75])
    settings = TASKS[task].settings().identity()
    identity = Identity(task, "nusax", "model", {}, encoders, settings, answers)
    run = identity.of("eng_ace" if task == "bitext" else "ace")
    elsewhere = {"task", "dataset", "subset", "model", "source", "weight", "provider", "quantization", "name", "decode"}
    elsewhere |= {"kind", "seed", "src_lang", "cross", "split", *TASKS[task].table_settings}
    for place in leaves(run):
        if elsewhere & set(place):  # told by the model's name, or by the table
            continue
        other = copy.deepcopy(run)
        inner = other
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = _another(inner[place[-1]])
        records = [result(**each) for each in (run, other)]
        assert len(set(row_names(records))) == 2, place


def _another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}x" if isinstance(value, str) else "set"


def test_what_has_no_plain_value_is_told_where_it_differs() -> None:
    one, two = ({**OWN, "revision": revision} for revision in ("aaaa", "bbbb"))
    assert row_names([result("local/mine", encoders=[one])]) == ["local/mine"]
    both = [result("local/mine", encoders=[member]) for member in (one, two)]
    assert row_names(both) == ["local/mine (revision aaaa)", "local/mine (revision bbbb)"]
    prompts = [result("local/mine", encoders=[{**one, "prompt": prompt}]) for prompt in ("", "q: ")]
    assert row_names(prompts) == ["local/mine (no prompt)", 'local/mine (prompt "q: ")']
    usual = [result("local/mine", encoders=[one]), prompts[1]]
    assert row_names(usual) == ["local/mine (prompt of the checkpoint)", 'local/mine (prompt "q: ")']
    servers = [result("m", encoders=[{**OWN, "served_at": f"http://{host}/v1"}]) for host in "ab"]
    assert row_names(servers) == ["m (served_at http://a/v1)", "m (served_at http://b/v1)"]


def test_tuned_weights_and_own_data_are_told_within_a_data_set() -> None:
    tuned = [
        result("a__b__weights_tuned", dataset, subset, tuned={"weights": weights})
        for dataset, subset, weights in (
            ("nusax", "eng_ace", [0.9, 0.1]),
            ("nusax", "eng_ban", [1.0, 0.0]),
            ("phinc", "eng_hinglish", [0.5, 0.5]),  # each data set has its own weights
        )
    ]
    name = "a__b__weights_tuned"
    assert row_names(tuned) == [f"{name} (tuned 0.9 0.1)", f"{name} (tuned 1.0 0.0)", name]
    own = [result(dataset="mine", source={"source": "mine.tsv", "revision": revision}) for revision in ("r1", "r2")]
    assert row_names(own) == [f"{E5} (data mine.tsv@r1)", f"{E5} (data mine.tsv@r2)"]


def test_records_of_one_tag_that_differ_are_told_apart() -> None:
    both = [result(tag="mine", fuse=fuse) for fuse in ("score", "rank")]
    assert row_names(both) == [f"{E5} (mine)", f"{E5} (mine, fuse rank)"]


def test_a_tag_that_reads_as_a_setting_makes_no_common_row() -> None:
    rows = row_names([result(tag="fuse rank"), result(fuse="rank"), result(fuse="rank", subset="eng_ban")])
    assert len(set(rows)) == 2 and rows[1] == rows[2] and all(row.startswith(f"{E5} (fuse rank) ") for row in rows)


def test_rows_of_generators() -> None:
    usual = "Generate a sentiment label for a given input.\nPlease only output the label."
    generator = {"name": "org/gen", "kind": "base", "dtype": "fp32"}
    run = {"task": "icl", "generator": generator, "decode": "score", "instruction": usual, "demonstrations": "nearest"}
    name = f"org/gen + {E5}, 1-shot"
    assert row_names([result(**run, subset="ace")]) == [name]
    assert row_names([result(**{**run, "instruction": "Name it."}, subset="ace")]) == [
        f'{name} (instruction "Name it.")'
    ]
    long = [f"A long instruction that goes on and on, and ends in {end}" for end in "ab"]
    rows = row_names([result(**{**run, "instruction": text}, subset="ace") for text in long])
    assert len(set(rows)) == 2 and all(len(row) < 110 for row in rows)
    none = result("none", k=0, **{**run, "encoders": []}, subset="ace")
    half = result("none", k=0, **{**run, "encoders": [], "generator": {**generator, "dtype": "bf16"}}, subset="ace")
    assert row_names([none, half]) == ["org/gen, 0-shot", "org/gen, 0-shot (generator in bf16)"]
    letter = {**run, "choices": "letter", "decode": "generate", "template": "a", "instruction": ""}
    read = [result(**{**letter, **more}, subset="ace") for more in ({}, {"letters": "capital letters"})]
    told = [row.partition("letters ")[2].rstrip(")") for row in row_names(read)]
    assert told == ["of earlier versions", "capital letters"]
    assert row_names(read[1:]) == row_names([result(**letter, subset="ace")])  # told where both are there
    bm25 = result("bm25", **{**run, "encoders": [], "demonstrations": "bm25"}, subset="ace")
    assert row_names([bm25]) == ["org/gen + bm25, 1-shot"]


def test_rows_and_folders_of_fine_tuned_models_tell_what_departs_from_the_plain_training() -> None:
    plain = {**CLASSIFIER, "warmup": 0, "lora": None}
    lora = {"rank": 8, "alpha": 32, "dropout": 0.05, "modules": ["all-linear"], "bits": None}
    trainings = [
        (plain, "", ""),
        (
            {**plain, "epochs": 3, "learning_rate": 2e-5},
            " (epochs 3, learning_rate 2e-05)",
            "epochs_3_learning_rate_2e-05",
        ),
        ({**plain, "lora": lora}, " (lora, lora_rank 8)", "lora_true_lora_rank_8"),
        ({**plain, "langs": ["eng", "ace"]}, " (multilingual eng ace)", "multilingual_eng_ace_64f166"),
        ({**plain, "decontaminate": True}, " (decontaminate)", "decontaminate_true"),
    ]
    found = [
        result(f"{E5}, fine-tuned", subset="ace", task="classification", encoders=[PLAIN], training=training)
        for training, _, _ in trainings
    ]
    assert row_names(found) == [f"{E5}, fine-tuned{told}" for _, told, _ in trainings]
    places = [place_of(record.run, "nusax", TASKS["classification"]) for record in found]
    assert places == [place for _, _, place in trainings]


@pytest.mark.parametrize(
    ("run", "place"),
    [
        ({}, ""),
        ({"fuse": "rank"}, ""),  # told by the folder since the first version
        ({"margin": "ratio", "margin_k": 8}, "margin_k_8"),
        ({"encoders": [{**PLAIN, "prompt": "passage: "}]}, "prompt_passage_1765e3"),
        ({"encoders": [{**PLAIN, "prompt": ""}]}, "no_prompt"),
        ({"encoders": [{**PLAIN, "prompt": 'find "x": '}]}, "prompt_find_x_7fc8c8"),  # as when names had no backslashes
        ({"encoders": [{**PLAIN, "dtype": "fp16"}]}, "fp16"),
        ({"encoders": [{**PLAIN, "dtype": "8bit"}]}, "dtype_8bit"),  # 8bit alone is the generator's
        ({"encoders": [{**PLAIN, "revision": "abc"}]}, ""),  # a folder that another revision occupies is left to it
        ({"tag": "second"}, "second"),
        ({"tag": "../../etc"}, ".._.._etc_74ccf3"),
    ],
)
def test_a_folder_tells_what_earlier_versions_did_not_tell(run: dict[str, Any], place: str) -> None:
    found = place_of(result(**run).run, "nusax", TASKS["bitext"])
    assert found == place and "/" not in found
