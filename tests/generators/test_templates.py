"""Templates: the prompts that they make, the words of answers, the order of options, and broken files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from utils.data.languages import code_of
from utils.data.prompted_sets import LANGS_20, PROMPTED
from utils.data.subsets import Item
from utils.errors import UserError
from utils.generators.prompt_formats import TemplateFormat
from utils.generators.template_check import PLACE
from utils.generators.templates import FOLDER, Template, languages_of, read_template, template_id

NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))
NLI = ("entailment", "neutral", "contradiction")
PAIR = Item({"premise": "It rains {here}.", "hypothesis": "It is {answer} wet."}, "entailment")
OTHER = Item({"premise": "A.", "hypothesis": "B."}, "neutral")
CHOICE = Item({"question": "Which is a colour?"}, "3", ("dog", "tree", "red", "sad"))
COPA = Item({"premise": "The glass fell.", "question": "effect"}, "2", ("It flew.", "It broke."))


def pair_format(lang: str = "en", answers: str = "en", **more: object) -> TemplateFormat:
    return TemplateFormat(read_template("nli").in_language(lang, answers), NLI, **more)  # type: ignore[arg-type]


def question_format(**more: object) -> TemplateFormat:
    return TemplateFormat(read_template("question").in_language("en", "en"), ("1", "2", "3", "4"), **more)  # type: ignore[arg-type]


def test_a_pair_behind_a_demonstration_letter_by_letter() -> None:
    assert pair_format().prompt([OTHER], PAIR) == (
        'Premise: A.\nHypothesis: B.\nAnswer: "neutral"\n\n'
        'Premise: It rains {here}.\nHypothesis: It is {answer} wet.\nAnswer: "'
    )
    assert pair_format().labels_of(PAIR) == NLI
    assert pair_format("de", "de").prompt([OTHER], OTHER).endswith('Prämisse: A.\nHypothese: B.\nAntwort: "')
    assert pair_format("de", "de").labels_of(PAIR) == ("Folgerung", "neutral", "Widerspruch")
    assert pair_format("sw", "en").prompt([], OTHER) == 'Kauli ya msingi: A.\nDhana: B.\nJibu: "'


def test_the_layouts_of_polarity_and_paws_are_the_published_ones() -> None:
    polarity = read_template("polarity").in_language("en", "en")
    assert polarity.fill(polarity.layout, Item({"text": "Good."}, "positive"), None) == 'Good.\nEmotion: "'
    paws = read_template("paraphrase").in_language("en", "en")
    shown = paws.fill(paws.layout, Item({"first": "A.", "second": "B."}, "same"), "same")
    assert shown == 'Sentence 1: A.\nSentence 2: B.\nAnswer: "same"'
    assert read_template("polarity").in_language("sw", "sw").word("negative") == "hasi"
    words = {lang: read_template("paraphrase").in_language(lang, lang).words["Sentence"] for lang in ("ru", "es")}
    assert words == {"ru": "Предложение", "es": "Oración"}


def test_options_are_scored_as_texts_or_listed_and_chosen_by_letters() -> None:
    texts, letters = question_format(), question_format(by_letter=True)
    assert texts.prompt([CHOICE], CHOICE) == (
        "Question: Which is a colour?\nAnswer: red\n\nQuestion: Which is a colour?\nAnswer: "
    )
    assert texts.labels_of(CHOICE) == CHOICE.choices and texts.alone(CHOICE) == "Answer: "
    listed = "Question: Which is a colour?\nA. dog\nB. tree\nC. red\nD. sad\nAnswer: "
    assert letters.prompt([CHOICE], CHOICE) == f"{listed}C\n\n{listed}"
    assert letters.labels_of(CHOICE) == ("A", "B", "C", "D") and letters.label_at(CHOICE, 2) == 2


def test_the_order_of_options_depends_on_the_item_and_the_seed_and_is_mapped_back() -> None:
    orders = set()
    for seed in range(20):
        form = question_format(by_letter=True, seed=seed)
        prompt = form.prompt([CHOICE], CHOICE)
        shown, asked = prompt.split("\n\n")
        lines = dict(line.split(". ") for line in asked.splitlines()[1:5])
        assert shown.startswith(asked.rstrip()) and shown.splitlines()[1:5] == asked.splitlines()[1:5]
        assert lines[shown[-1]] == "red"  # the demonstration names the letter of the right option
        assert [CHOICE.choices[form.label_at(CHOICE, place)] for place in range(4)] == list(lines.values())
        orders.add(tuple(lines.values()))
    assert len(orders) > 8


def test_a_field_may_have_words_for_its_values() -> None:
    form = TemplateFormat(read_template("copa").in_language("it", "it"), ("1", "2"))
    assert form.prompt([], COPA) == "The glass fell.\nChe cosa è successo di conseguenza? "
    assert form.alone(COPA) == "Che cosa è successo di conseguenza? "
    assert form.blank(COPA, "N/A").fields == {"premise": "N/A", "question": "effect"}


def test_models_that_are_told_what_to_do_are_told_the_labels() -> None:
    told = pair_format(told=True).prompt([], OTHER)
    assert told.startswith("Does the hypothesis follow") and "entailment, neutral, contradiction.\n\nPremise" in told
    assert pair_format(told=True, instruction="Say {labels}.").prompt([], OTHER).startswith("Say entailment, neutral, ")
    assert question_format(by_letter=True, told=True).prompt([], CHOICE).startswith("Answer with one of these letters")


@pytest.mark.parametrize("name", NAMES)
def test_every_template_is_whole_in_each_of_its_languages(name: str) -> None:
    file = read_template(name)
    for lang, template in zip(file.languages or ("any",), file.layouts(), strict=True):
        fields = {field: next(iter(template.values.get(field, {"x": ""}))) for field in template.fields}
        item = Item(fields, "1", ("a", "b"))
        for layout in filter(None, (template.layout, template.letters, template.without_question)):
            assert not PLACE.findall(template.fill(layout, item, "", ["a", "b"])), lang
        assert template.ask, lang
        assert len(set(template.answers.values())) == len(template.answers), lang
        assert set(template.answers) == set(file.in_language("en", "en").answers), lang
        assert set(template.values) >= set(file.in_language("en", "en").values), lang


@pytest.mark.parametrize("name", PROMPTED)
def test_every_data_set_has_its_template_and_the_native_ones_that_overlap(name: str) -> None:
    spec = PROMPTED[name]
    file = read_template(spec.options["template"])
    assert file.kind == spec.options["kind"]
    assert set(file.in_language("en", "en").fields) <= set(spec.options["fields"])
    assert set(file.in_language("en", "en").answers) in (set(), set(spec.label_names))
    if spec.options["kind"] in ("label", "pair"):
        known = {code_of(lang) for lang in LANGS_20}
        assert all(file.has(lang) for lang in spec.subsets if code_of(lang) in known)
    if name in ("xnli", "xcopa"):
        assert all(map(file.has, spec.subsets))


def test_the_name_of_a_template_tells_its_content_in_the_languages_that_are_used(tmp_path: Path) -> None:
    text = (FOLDER / "nli.toml").read_text(encoding="utf-8")
    (tmp_path / "nli.toml").write_text(
        text + '\n[xx]\nPremise = "p"\nHypothesis = "h"\nAnswer = "a"\n', encoding="utf-8"
    )
    other = tmp_path / "other" / "nli.toml"
    other.parent.mkdir()
    other.write_text(text.replace('"Prämisse"', '"Annahme"'), encoding="utf-8")
    langs = ("en", "de", "ur")
    usual, more, changed = read_template("nli"), read_template(tmp_path / "nli.toml"), read_template(other)
    for how in (("en", "english"), ("native", "english"), ("native", "native"), ("de", "native")):
        assert template_id(usual, langs, *how) == template_id(more, langs, *how)
    assert template_id(usual, langs, "en", "english") == template_id(changed, langs, "en", "english")
    assert template_id(usual, langs, "native", "english") != template_id(changed, langs, "native", "english")
    assert template_id(usual, langs, "en", "english") != template_id(usual, langs, "en", "native")
    assert languages_of("sw", "native", None) == ("sw", "sw") and languages_of("sw", "de", "english") == ("de", "en")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("kind = ", "cannot be read"),
        ('layout = "{a} {answer}"', "its kind is None"),
        ('kind = "essay"\nlayout = "{a} {answer}"', "its kind is 'essay'"),
        ('kind = "pair"', "has no layout"),
        ('kind = "pair"\nlayout = "{a}"', r"has \{answer\} 0 times"),
        ('kind = "pair"\nlayout = "{answer} {answer}"', r"has \{answer\} 2 times"),
        ('kind = "pair"\nlayout = "{A} {a} {answer}"\n[en]\nB = "b"', r"\[en\] has no A"),
        ('kind = "pair"\nlayout = 3', "layout is no text"),
        ('kind = "pair"\nlayout = "{a} {answer}"\n[en]\nanswers = "yes"', "answers is no table"),
        ('kind = "pair"\nlayout = "{a} {answer}"\n[en]\nanswers = { yes = 3 }', "answers has 3"),
        ('kind = "choice"\nlayout = "{a} {answer}"\nletters = "{A} {answer}"', "letters has no {options}"),
        (
            'kind = "choice"\nlayout = "{a} {answer}"\nletters = "{b}{options}{answer}"',
            r"letters has \{b\}, which is no",
        ),
        ('kind = "pair"\nlayout = "{a} {answer}"\nask = "One of {lables}."', r"ask has \{lables\}, .*'labels'"),
        ('kind = "pair"\nlayout = "{a} {answer}"\n[en]\nask = "One of {lables}."', r"\[en\] ask has \{lables\}"),
        ('kind = "pair"\nlayout = "{a} {answer}"\nask = "{A}"\n[en]\nB = "b"', r"\[en\] has no A"),
        ('kind = "pair"\nlayout = "{a} {answer}"\nbewteen = " "', "'bewteen', which no template has.*'between'"),
        ('kind = "pair"\nlayout = "{a} {answer}"\nbetween = "{a}"', r"between has \{a\}, and nothing is filled"),
        ('kind = "pair"\nlayout = "{a} {answer}"\nA = "a"', "'A', which no template has"),
        ('kind = "pair"\nlayout = "{a} {answer}"\n[de]\nanwsers = { x = "y" }', r"\[de\] has 'anwsers'.*'answers'"),
        ('kind = "pair"\nlayout = "{a} {answer}"\n[de]\nb = { x = "y" }', r"\[de\] has 'b', a table that is no field"),
        ('kind = "pair"\nlayout = "{a} {answer}"\n[de]\nword = "y"', r"\[de\] has 'word', which no template has"),
        ('kind = "span"\nlayout = "{a} {answer}"\n[de]\nanswers = { x = "y" }', "have no labels"),
        ('kind = "pair"\nlayuot = "{a} {answer}"', "'layuot', which no template has.*'layout'"),
        ('kind = "pair"\nlayout = "{answer}"', "shows no field"),
        ('kind = "pair"\nlayout = "{ a } {b} {answer}"', r"layout has '\{ a \}'.*without blanks"),
        ('kind = "pair"\nlayout = "{a } {b} {answer}"', r"layout has '\{a \}'"),
        ('kind = "pair"\nlayout = "{a} {answer}"\n[en]\nanswers = { yes = " " }', "answers has no word for 'yes'"),
    ],
)
def test_a_file_that_is_no_template_is_an_error(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_template(path)
    assert re.search(message, f"{caught.value.what} {caught.value.hint}"), caught.value


def test_a_file_of_an_editor_that_marks_utf_8_is_read_and_braces_of_other_things_stay(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('kind = "span"\nlayout = \'{"q": "{a}", "is": "{answer}"}\'', encoding="utf-8-sig")
    template = read_template(path).in_language("en", "en")
    assert template.fill(template.layout, Item({"a": "x"}, "y"), "y") == '{"q": "x", "is": "y"}'


def test_an_answer_ends_at_the_word_behind_it() -> None:
    words = {"End": "ENDE"}
    ends = [
        Template("text", layout, words=words).ends for layout in ("{a} {answer} {End}", "{answer}", '{answer}" {a}')
    ]
    assert ends == [("ENDE", "\n"), ("\n",), ('"', "\n")]
    assert Template("text", "{answer} {a}").ends == ("\n",)  # what stands for a field differs between items


def test_a_word_of_no_label_where_a_label_has_none_is_an_error() -> None:
    template = Template("pair", "{a} {answer}", answers={"yes": "ja", "noo": "nein"})
    with pytest.raises(UserError, match="a word for 'noo', which is no label, and none for 'no'"):
        TemplateFormat(template, ("yes", "no"))
    assert TemplateFormat(template, ("yes",)).labels_of(PAIR) == ("ja",)  # data with some of the labels


def test_a_language_without_words_is_an_error_unless_the_file_has_words_for_any(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has nothing for the language 'xx'") as caught:
        read_template("copa").in_language("xx", "xx")
    assert "--template_lang" in caught.value.hint
    own = tmp_path / "own.toml"
    own.write_text('kind = "label"\nlayout = "{text} {Is} {answer}"\n[any]\nIs = "is"\nanswers = { a = "b" }\n')
    template = read_template(own).in_language("qu", "en")
    assert template.fill(template.layout, Item({"text": "x"}, "a"), None) == "x is " and template.word("a") == "b"
    own = tmp_path / "plain.toml"
    own.write_text('kind = "label"\nlayout = "{text} is {answer}"\n')
    assert read_template(own).in_language("qu", "qu").fields == ("text",)


def test_two_labels_with_one_word_are_an_error() -> None:
    template = Template("pair", "{a} {answer}", answers={"yes": "ok", "no": "ok"})
    with pytest.raises(UserError, match="the word 'ok' for two labels"):
        TemplateFormat(template, ("yes", "no"))
