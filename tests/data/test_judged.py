"""Questions, pools and judgements: what is read, in which order, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from utils.data.judged import chosen_pool, judged_subsets, load_judged, pool_of
from utils.data.own_judged import find_judged
from utils.data.registry import DATASETS
from utils.data.retrieval_sets import RETRIEVAL, SAMPLE_QUESTIONS
from utils.data.sources import Sources, planned_origin
from utils.data.tables import read_table
from utils.errors import UserError

HERE = Sources(None, Path("cache"))
CORPUS = [
    {"_id": "a", "title": "Nile", "text": "It flows north."},
    {"_id": "b", "title": "", "text": "It is long."},
    {"_id": "c", "text": ""},
]
QUERIES = [{"_id": "1", "text": "Where does it flow?"}, {"_id": "2", "text": "never judged"}]
QRELS = [("1", "a", "2"), ("1", "b", "0")]


def beir(
    folder: Path,
    corpus: Sequence[Mapping[str, Any]] = CORPUS,
    queries: Sequence[Mapping[str, Any]] = QUERIES,
    qrels: Sequence[Sequence[str]] = QRELS,
) -> Path:
    """Write a folder in BEIR's layout."""
    (folder / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    lines = ["query-id\tcorpus-id\tscore", *map("\t".join, qrels)]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def load(folder: Path, subset: str = "all", **how: Any) -> Any:
    return load_judged(find_judged(str(folder)), subset, HERE, **how)


def test_a_folder_in_beirs_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = load(beir(tmp_path / "mine"))
    assert found.queries.ids == ("1",) and found.queries.texts == ("Where does it flow?",)
    assert found.passages.ids == ("b", "a") and found.passages.texts == ("It is long.", "Nile It flows north.")
    assert found.judgements == {"1": {"a": 2, "b": 0}} and found.best_answers() == [1]
    said = capsys.readouterr().err
    assert "1 passage left out, as they are blank" in said
    assert "all: 1 of 2 questions left out, as no passage of their pool is judged for them" in said
    load(tmp_path / "mine")
    assert capsys.readouterr().err == ""  # notes are printed once


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"qrels": [("1", "z", "1")]}, "judgements of 1 unknown passages, such as 'z'"),
        ({"qrels": [("9", "a", "1")]}, "judgements of 1 unknown questions, such as '9'"),
        ({"qrels": [("1", "a", "good")]}, "the grade 'good' is not a whole number"),
        ({"qrels": [("1", "a", "nan")]}, "the grade 'nan' is not a whole number"),
        ({"qrels": [("1", "a", "-inf")]}, "the grade '-inf' is not a whole number"),
        ({"qrels": [("1", "a", "1e30")]}, "the grade '1e30' is too large"),
        ({"qrels": [("1", "a", "10001")]}, "the grade '10001' is too large"),
        ({"qrels": [("1", "a", "1"), ("1", "a", "1")]}, "'a' is judged twice for '1'"),
        ({"qrels": []}, "mine all: there are no judgements"),
        ({"qrels": [("1", "c", "1")]}, "the passage 'c' is judged, but blank"),
        ({"qrels": [("1", "a", "0")]}, "the pool of 2 passages has no answer to any question"),
        ({"queries": [{"_id": "1", "text": "  "}]}, "the question '1' is empty"),
        ({"queries": [*QUERIES, {"_id": "1", "text": "again"}]}, "the question '1' occurs twice"),
        ({"corpus": [*CORPUS, {"_id": "a", "text": "again"}]}, "the passage 'a' occurs twice"),
        ({"corpus": [{"_id": "a", "text": 7}]}, "the text of 'a' is 7, not a text"),
        ({"corpus": [{"_id": "a", "title": "x", "text": ["b"]}]}, "the text of 'a' is ['b'], not a text"),
        ({"corpus": [{"_id": "a", "title": {"x": 1}, "text": "b"}]}, "the title of 'a' is {'x': 1}, not a text"),
        ({"corpus": [{"_id": "", "text": "x"}]}, "row 1 has no identifier"),
    ],
)
def test_what_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        load(beir(tmp_path / "mine", **change))
    assert message in caught.value.what


def test_questions_without_an_answer_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = load(beir(tmp_path / "mine", qrels=[*QRELS, ("2", "a", "0")]))
    assert found.queries.ids == ("1",) and found.n_dropped == 1
    assert "1 of 2 questions left out, as their pool has no answer" in capsys.readouterr().err


def test_a_language_that_lacks_a_part_is_refused_and_other_folders_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for lang in ("de", "en"):
        beir(tmp_path / "mine" / lang)
    (tmp_path / "mine" / "fr").mkdir()
    assert find_judged(str(tmp_path / "mine")).subsets == ("de", "en")
    assert f"the folder {tmp_path}/mine: left out, without corpus, queries and qrels: fr" in capsys.readouterr().err
    for lost, wanted in (("corpus.jsonl", "corpus.jsonl"), ("qrels/test.tsv", "qrels/test.tsv")):
        (tmp_path / "mine" / "en" / lost).rename(tmp_path / "kept")
        with pytest.raises(UserError) as caught:
            find_judged(str(tmp_path / "mine"))
        assert caught.value.what == f"the folder {tmp_path}/mine/en has no {wanted}"
        (tmp_path / "kept").rename(tmp_path / "mine" / "en" / lost)


@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\n1\ta\t1\n1\tb\t0.5\n", "line 3, 1 b: the grade '0.5' is not"),
        ("qrels/test.tsv", "question\tpassage\n1\ta\n", "has no column 'query-id'"),
        ("qrels/test.txt", "1 0 a 1\n1 0 b\n", "line 2 is no judgement of TREC"),
        ("corpus.jsonl", "{}\nno\n", "line 2 is not JSON"),
        ("queries.jsonl", '{"_id": "1", "text": "gr\xfcn und \xfcber alles"}', "is not in UTF-8 but, it seems"),
    ],
)
def test_errors_name_the_file_of_a_language(tmp_path: Path, file: str, content: str, what: str) -> None:
    for lang in ("de", "en"):
        beir(tmp_path / "mine" / lang)
    if file == "qrels/test.txt":
        (tmp_path / "mine/en/qrels/test.tsv").unlink()
    path = tmp_path / "mine" / "en" / file
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError) as caught:
        load(tmp_path / "mine", "en")
    assert caught.value.what.startswith(f"{path}") and what in caught.value.what
    if "UTF-8" in what:
        assert f"-t UTF-8 {path} > {path.parent}/queries.utf8.jsonl" in caught.value.hint


@pytest.mark.parametrize("name", ["test.tsv", "test.txt", "dev.qrels"])
def test_judgements_in_the_layout_of_trec(tmp_path: Path, name: str) -> None:
    folder = beir(tmp_path / "mine")
    (folder / "qrels" / "test.tsv").unlink()
    (folder / "qrels" / name).write_text("1 0 a 2\n1\t0\tb\t-1\n", encoding="utf-8")
    assert load(folder).judgements == {"1": {"a": 2, "b": -1}}


def test_the_judgements_of_another_split_are_data_of_their_own(tmp_path: Path) -> None:
    folder = beir(tmp_path / "mine")
    usual = find_judged(str(folder))
    assert find_judged(str(folder), split="test") == usual  # the same records, whether it is named or not
    (folder / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\n2\tb\t1\n", encoding="utf-8")
    assert find_judged(str(folder)) == usual and load(folder).judgements == {"1": {"a": 2, "b": 0}}
    spec = find_judged(str(folder), split="dev")
    assert spec.name.startswith("mine-dev-") and spec.revision != usual.revision
    assert load_judged(spec, "all", HERE).judgements == {"2": {"b": 1}}
    for name, data, hint in (("tran", folder, "it has those of dev, test"), ("dev", "xquad_r", "leave it out")):
        with pytest.raises(UserError) as caught:
            find_judged(str(data), split=name)
        assert hint in caught.value.hint, caught.value.what


def test_a_folder_for_each_language_and_its_pools(tmp_path: Path) -> None:
    for lang in ("de", "sw"):
        beir(tmp_path / "mine" / lang, CORPUS[:2])
    spec = find_judged(str(tmp_path / "mine"))
    assert spec.subsets == ("de", "sw") and chosen_pool(spec, "same") == "usual"
    assert load(tmp_path / "mine", "de").passages.ids == ("b", "a")
    whole = load(tmp_path / "mine", "de", pool="all")
    assert whole.passages.ids == ("sw:b", "sw:a", "de:b", "de:a") and whole.passages.langs == ("sw", "sw", "de", "de")
    assert whole.judgements == {"1": {"de:a": 2, "de:b": 0}}
    with pytest.raises(UserError, match="has no answer"):
        load(tmp_path / "mine", "de", pool="cross")


def test_a_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.tsv"
    path.write_text("query\tpassage\tscore\nq\tone\t2\nq\ttwo\t0\nr\tone\t1\n", encoding="utf-8")
    found = load(path)
    assert found.queries.texts == ("q", "r") and found.passages.texts == ("two", "one")
    assert found.judgements == {"q000000": {"p000000": 2, "p000001": 0}, "q000001": {"p000000": 1}}
    (tmp_path / "bare.tsv").write_text("query\tpassage\tscore\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"bare\.tsv all: there are no questions"):
        load(tmp_path / "bare.tsv")
    path = tmp_path / "blank.tsv"
    path.write_text("query\tpassage\nq\t\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 2: the passage is empty"):
        load(path)
    path = tmp_path / "other.tsv"
    path.write_text("a\tb\nq\tp\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        find_judged(str(path))
    assert "--columns QUERY PASSAGE" in caught.value.hint
    assert find_judged(str(path), ["a", "b"]).subsets == ("all",)


def test_the_sample() -> None:
    spec = RETRIEVAL["sample"]
    found = {lang: load_judged(spec, lang, HERE) for lang in SAMPLE_QUESTIONS}
    assert {len(data.queries) for data in found.values()} == {42} and {len(d.passages) for d in found.values()} == {420}
    grades = [grade for of_query in found["eng"].judgements.values() for grade in of_query.values()]
    assert set(grades) == {0, 1, 2} and grades.count(2) == 42 * 6
    assert all(len(set(data.queries.texts)) == 42 for data in found.values())
    first = found["jpn"].judgements["q02"]
    assert first == {f"{lang}:{sentence}": g for lang in SAMPLE_QUESTIONS for sentence, g in (("s002", 2), ("s063", 1))}
    same = load_judged(spec, "swh", HERE, pool="same")
    assert set(same.passages.langs) == {"swh"} and same.judgements["q01"] == {"swh:s001": 2}
    cross = load_judged(spec, "swh", HERE, pool="cross", langs=["swh", "deu"])
    assert set(cross.passages.langs) == {"deu"} and cross.judgements["q01"] == {"deu:s001": 2}


def test_no_question_of_the_sample_is_blank_and_every_sentence_is_there() -> None:
    table = read_table(Path(__file__).parents[2] / "data" / "sample" / "questions.tsv")
    assert all(text.strip() for lang in SAMPLE_QUESTIONS for text in table[lang])
    endings = {"eng": "?", "spa": "?", "deu": "?", "hin": "?", "swh": "?", "jpn": "。"}
    assert all(text.endswith(endings[lang]) for lang in SAMPLE_QUESTIONS for text in table[lang])
    assert all(text.startswith("¿") for text in table["spa"])


def test_pairs_of_languages() -> None:
    spec = RETRIEVAL["mlqa_r"]
    assert judged_subsets(spec, ["de", "en"]) == ["de_de", "en_en", "en_de", "de_en"]
    assert judged_subsets(spec, ["de", "en"], "cross") == ["en_de", "de_en"]
    assert judged_subsets(spec, None, "same") == [
        f"{lang}_{lang}" for lang in ("ar", "de", "en", "es", "hi", "vi", "zh")
    ]
    assert pool_of(spec, "de_en", "usual", None) == ["de_en"]
    with pytest.raises(UserError, match="no pair of languages"):
        judged_subsets(spec, ["de"], "cross")
    for pool in ("all", "same", "cross"):
        with pytest.raises(
            UserError, match=f"--pool {pool} with mlqa_r, where each pair of languages has its own pool"
        ):
            chosen_pool(spec, pool)
    assert chosen_pool(spec, None) == "usual"
    with pytest.raises(UserError, match="--pairs same with xquad_r, which has no pairs of languages"):
        judged_subsets(RETRIEVAL["xquad_r"], None, "same")
    with pytest.raises(UserError, match="has no language 'xx'"):
        judged_subsets(spec, ["xx"])


def parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path)


def configs(folder: Path, splits: Mapping[str, str], langs: Sequence[str]) -> None:
    """Write the layout of mteb's copies: a configuration for each part of each language, named in the README."""
    lines = ["---", "configs:"]
    tables = {
        "corpus": [{"_id": "7#0", "title": "T", "text": "one"}, {"_id": "8#0", "title": "", "text": "two"}],
        "queries": [{"_id": "0", "text": "which?"}],
        "qrels": [{"query-id": "0", "corpus-id": "7#0", "score": 1}],
    }
    for lang in langs:
        for part, rows in tables.items():
            place = f"{lang}-{part}/{splits[part]}.parquet"
            parquet(folder / place, rows)
            lines += [
                f"- config_name: {lang}-{part}",
                "  data_files:",
                f"  - split: {splits[part]}",
                f"    path: {place}",
            ]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")


@pytest.mark.parametrize(("name", "langs"), [("miracl", ("sw", "yo")), ("mrtydi", ("swahili", "telugu"))])
def test_miracl_and_mr_tydi_in_the_hubs_layout(tmp_path: Path, name: str, langs: tuple[str, str]) -> None:
    spec = RETRIEVAL[name]
    configs(tmp_path / spec.source, spec.options["splits"], langs)
    sources = Sources(tmp_path, tmp_path / "cache")
    found = load_judged(spec, langs[0], sources)
    assert found.passages.ids == ("8#0", "7#0") and found.passages.texts == ("two", "T one")
    assert found.judgements == {"0": {"7#0": 1}} and found.origin.kind == "mirror"
    whole = load_judged(spec, langs[0], sources, pool="all", langs=langs)
    assert whole.judgements == {"0": {f"{langs[0]}:7#0": 1}} and len(whole.passages) == 4


def test_a_paragraph_of_several_questions_is_one_passage(tmp_path: Path) -> None:
    rows = [{"id": str(n), "question": f"q{n}", "context": context, "title": "T"} for n, context in enumerate("aab")]
    parquet(tmp_path / "juletxara" / "tydiqa_xtreme" / "sw" / "validation.parquet", rows)
    found = load_judged(RETRIEVAL["tydiqa_r"], "sw", Sources(tmp_path, tmp_path / "cache"))
    assert found.passages.texts == ("T b", "T a") and found.queries.ids == ("0", "1", "2")
    assert found.judgements == {"0": {"p000000": 1}, "1": {"p000000": 1}, "2": {"p000001": 1}}


@pytest.mark.parametrize(
    ("name", "subset", "n_questions", "n_passages"),
    [
        ("xquad_r", "de", 1190, 1276),
        ("mlqa_r", "en_de", 512, 456),
        ("tydiqa_r", "sw", 499, 357),
        ("tydiqa_r", "bn", 113, 105),
    ],
)
def test_the_mirror_has_the_published_numbers(
    mirror: Path, tmp_path: Path, name: str, subset: str, n_questions: int, n_passages: int
) -> None:
    found = load_judged(RETRIEVAL[name], subset, Sources(mirror, tmp_path / "cache"), pool="same")
    assert len(found.queries) == n_questions
    assert len(found.passages) == n_passages


def test_without_a_mirror_xquad_r_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no mirror is named, which has its folder google"):
        load_judged(RETRIEVAL["xquad_r"], "de", Sources(None, tmp_path))


def test_only_what_is_elsewhere_too_is_read_there_where_the_mirror_lacks_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = Sources(tmp_path, tmp_path / "cache")
    with pytest.raises(UserError, match=f"no folder google-research-datasets/xquad-r/de in the mirror {tmp_path}"):
        load_judged(RETRIEVAL["xquad_r"], "de", sources)
    assert planned_origin(RETRIEVAL["xquad_r"], sources)["kind"] == "mirror"
    assert capsys.readouterr().err == ""
    for spec, instead in ((RETRIEVAL["mrtydi"], "read from the hub"), (DATASETS["bitext"]["phinc"], "downloaded")):
        assert planned_origin(spec, sources)["kind"] == spec.kind
        said = capsys.readouterr().err
        assert said == f"note: --data_dir has no folder {spec.source}: the data set is {instead}\n"
