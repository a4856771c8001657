"""The line on texts that were cut, and its counts in the records of runs with and without a cache."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import Run
from tiny_encoders import bert_config, make_encoder

from utils.cli.cut_texts import cut_lines


def test_one_line_for_each_encoder_that_cut_texts() -> None:
    whole = {"hits": 1, "misses": 2, "cut": 0, "tokens": 30, "tokens_lost": 0}
    cut = {"hits": 0, "misses": 1000, "cut": 5, "tokens": 70, "tokens_lost": 20}
    api = {"hits": 1, "misses": 0, "failed": 0, "cut": 1}
    found = cut_lines({"a": {"e": whole, "f": whole, "api": api}, "b": {"e": cut, "f": whole, "g": {"hits": 1}}})
    assert found == [
        "note: 5 of 1,003 texts are longer than e takes and were cut; 20.0 % of all tokens were lost "
        "(`cache` in the records has the counts)"
    ]
    few = {**cut, "tokens": 10**6, "tokens_lost": 1}
    assert "less than 0.1 % of all tokens" in cut_lines({"a": {"e": few}})[0]
    assert cut_lines({}) == []


def test_cut_texts_are_counted_with_and_without_the_cache(run: Run, tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "m", bert_config(max_position_embeddings=64))
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("en\tde\n" + "".join(f"{word * 20}\t{word}\n" for word in ("abcd", "ab", "c")))
    found = []
    for output in ("first", "second"):
        args = ["--dataset", pairs, "--model_checkpoint", folder, "--k", "1", "--cache_dir", tmp_path / "cache"]
        done = run("bitext.py", *map(str, args), "--output_dir", str(tmp_path / output))
        assert done.returncode == 0, done.stderr
        # 80, 40 and 20 letters on one side, 4, 2 and 1 on the other, and two tokens around each
        assert "note: 1 of 6 texts are longer than local/m-" in done.stderr
        assert "11.3 % of all tokens were lost" in done.stderr
        (record,) = (json.loads(path.read_text()) for path in (tmp_path / output).rglob("eval_en_de_1.json"))
        (counts,) = record["run"]["cache"].values()
        found.append(counts)
    told = {"cut": 1, "tokens": 159, "tokens_lost": 18}
    assert found == [{"hits": 0, "misses": 6, **told}, {"hits": 6, "misses": 0, **told}]
