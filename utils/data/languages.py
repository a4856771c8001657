"""The languages of the data sets, with their families and scripts."""

from __future__ import annotations

from collections.abc import Sequence

from utils.errors import UserError, suggest

SAMPLE_LANGS = ("eng", "spa", "fra", "deu", "rus", "tur", "ara", "hin", "ind", "swh", "cmn", "jpn")
SAMPLE_CS = ("hinglish", "spanglish")
NUSAX_LANGS = ("ace", "ban", "bbc", "bjn", "bug", "eng", "ind", "jav", "mad", "min", "nij", "sun")
NUSATRANSLATION_LANGS = ("abs", "btk", "bew", "bhp", "jav", "mad", "mak", "min", "mui", "rej", "sun")
NOLLYSENTI_LANGS = ("en400", "ha", "ig", "pcm", "yo400")
TATOEBA_LANGS = tuple(
    """afr amh ang ara arq arz ast awa aze bel ben ber bos bre bul cat cbk ceb ces cha cmn cor csb cym dan deu
    dsb dtp ell epo est eus fao fin fra fry gla gle glg gsw heb hin hrv hsb hun hye ido ile ina ind isl ita jav
    jpn kab kat kaz khm kor kur kzj lat lfn lit lvs mal mar max mhr mkd mon nds nld nno nob nov oci orv pam pes
    pms pol por ron rus slk slv spa sqi srp swe swg swh tam tat tel tgl tha tuk tur tzl uig ukr urd uzb vie war
    wuu xho yid yue zsm""".split()
)

SIB200_LANGS = tuple(
    """ace_Arab ace_Latn acm_Arab acq_Arab aeb_Arab afr_Latn ajp_Arab aka_Latn als_Latn amh_Ethi apc_Arab
    arb_Arab arb_Latn ars_Arab ary_Arab arz_Arab asm_Beng ast_Latn awa_Deva ayr_Latn azb_Arab azj_Latn
    bak_Cyrl bam_Latn ban_Latn bel_Cyrl bem_Latn ben_Beng bho_Deva bjn_Arab bjn_Latn bod_Tibt bos_Latn
    bug_Latn bul_Cyrl cat_Latn ceb_Latn ces_Latn cjk_Latn ckb_Arab crh_Latn cym_Latn dan_Latn deu_Latn
    dik_Latn dyu_Latn dzo_Tibt ell_Grek eng_Latn epo_Latn est_Latn eus_Latn ewe_Latn fao_Latn fij_Latn
    fin_Latn fon_Latn fra_Latn fur_Latn fuv_Latn gaz_Latn gla_Latn gle_Latn glg_Latn grn_Latn guj_Gujr
    hat_Latn hau_Latn heb_Hebr hin_Deva hne_Deva hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn
    isl_Latn ita_Latn jav_Latn jpn_Jpan kab_Latn kac_Latn kam_Latn kan_Knda kas_Arab kas_Deva kat_Geor
    kaz_Cyrl kbp_Latn kea_Latn khk_Cyrl khm_Khmr kik_Latn kin_Latn kir_Cyrl kmb_Latn kmr_Latn knc_Arab
    knc_Latn kon_Latn kor_Hang lao_Laoo lij_Latn lim_Latn lin_Latn lit_Latn lmo_Latn ltg_Latn ltz_Latn
    lua_Latn lug_Latn luo_Latn lus_Latn lvs_Latn mag_Deva mai_Deva mal_Mlym mar_Deva min_Arab min_Latn
    mkd_Cyrl mlt_Latn mni_Beng mos_Latn mri_Latn mya_Mymr nld_Latn nno_Latn nob_Latn npi_Deva nqo_Nkoo
    nso_Latn nus_Latn nya_Latn oci_Latn ory_Orya pag_Latn pan_Guru pap_Latn pbt_Arab pes_Arab plt_Latn
    pol_Latn por_Latn prs_Arab quy_Latn ron_Latn run_Latn rus_Cyrl sag_Latn san_Deva sat_Olck scn_Latn
    shn_Mymr sin_Sinh slk_Latn slv_Latn smo_Latn sna_Latn snd_Arab som_Latn sot_Latn spa_Latn srd_Latn
    srp_Cyrl ssw_Latn sun_Latn swe_Latn swh_Latn szl_Latn tam_Taml taq_Latn taq_Tfng tat_Cyrl tel_Telu
    tgk_Cyrl tgl_Latn tha_Thai tir_Ethi tpi_Latn tsn_Latn tso_Latn tuk_Latn tum_Latn tur_Latn twi_Latn
    tzm_Tfng uig_Arab ukr_Cyrl umb_Latn urd_Arab uzn_Latn vec_Latn vie_Latn war_Latn wol_Latn xho_Latn
    ydd_Hebr yor_Latn yue_Hant zho_Hans zho_Hant zsm_Latn zul_Latn""".split()
)
MASSIVE_LANGS = tuple(
    """af am ar az bn cy da de el en es fa fi fr he hi hu hy id is it ja jv ka km kn ko lv ml mn ms my nb nl pl
    pt ro ru sl sq sv sw ta te th tl tr ur vi zh-CN zh-TW""".split()
)

FAMILIES = {  # top-level families of Glottolog; creoles and pidgins are counted in the family of their lexifier
    "Afro-Asiatic": "acm acq aeb ajp amh apc ara arb arq ars ary arz ber gaz hau heb kab mlt som taq tir tzm",
    "Indo-European": """
    afr als ang asm ast awa bel ben bho bos bre bul cat cbk ces ckb cor csb cym dan deu dsb ell eng fao fra
    fry fur gla gle glg gsw guj hat hin hne hrv hsb hye isl ita kas kea kmr lat lij lim lit lmo ltg ltz lvs
    mag mai mar mkd nds nld nno nob npi oci orv ory pan pap pbt pcm pes pms pol por prs ron rus san scn sin
    slk slv snd spa srd srp swe swg szl tgk tpi ukr urd vec ydd""",
    "Atlantic-Congo": """
    aka bbj bem cjk ewe fon fuv ibo kam kbp kik kin kmb kon lin lua lug mos nso nya run sag sna sot ssw swh tsn
    tso tum twi umb ven wol xho yor zul""",
    "Mande": "bam dyu nqo",
    "Nilo-Saharan": "dik knc luo nus",
    "Austronesian": """
    abs ace ban bbc bew bhp bjn btk bug ceb cha dtp fij ilo ind jav kzj mad mak max min mri mui nij pag pam
    plt rej smo sun tgl ton war zsm""",
    "Aymaran": "ayr",
    "Tupian": "grn",
    "Quechuan": "quy",
    "Turkic": "azb azj bak crh kaz kir tat tuk tur uig uzn",
    "Kartvelian": "kat",
    "Sino-Tibetan": "bod cmn dzo kac lus mni mya wuu yue zho",
    "Dravidian": "kan mal tam tel",
    "Austroasiatic": "khm sat vie",
    "Japonic": "jpn",
    "Mongolic": "khk",
    "Koreanic": "kor",
    "Tai-Kadai": "lao shn tha",
    "Uralic": "est fin hun mhr",
    "Basque": "eus",
    "Chibchan": "bzd",
    "Arawakan": "cni",
    "Uto-Aztecan": "hch nah tar",
    "Otomanguean": "oto",
    "Panoan": "shp",
    "Hmong-Mien": "hmn",
    "Constructed": "epo ido ile ina lfn nov tzl",
}
# two-letter codes and names of single data sets, as ISO 639-3 codes with the ISO 15924 script where it is not Latin
ALIASES = {
    "af": "afr", "am": "amh_Ethi", "ar": "arb_Arab", "ara": "arb_Arab", "az": "azj", "bn": "ben_Beng", "cy": "cym",
    "da": "dan", "de": "deu", "el": "ell_Grek", "en": "eng", "es": "spa", "fa": "pes_Arab", "fi": "fin", "fr": "fra",
    "he": "heb_Hebr", "hi": "hin_Deva", "hin": "hin_Deva", "hu": "hun", "hy": "hye_Armn", "id": "ind", "is": "isl",
    "it": "ita", "ja": "jpn_Jpan", "jpn": "jpn_Jpan", "jv": "jav", "ka": "kat_Geor", "km": "khm_Khmr", "kn": "kan_Knda",
    "ko": "kor_Hang", "lv": "lvs", "ml": "mal_Mlym", "mn": "khk_Cyrl", "ms": "zsm", "my": "mya_Mymr", "nb": "nob",
    "nl": "nld", "pl": "pol", "pt": "por", "ro": "ron", "ru": "rus_Cyrl", "rus": "rus_Cyrl", "sl": "slv", "sq": "als",
    "sv": "swe", "sw": "swh", "ta": "tam_Taml", "te": "tel_Telu", "th": "tha_Thai", "tl": "tgl", "tr": "tur",
    "ur": "urd_Arab", "vi": "vie", "zh": "zho_Hans", "zh-CN": "zho_Hans", "zh-TW": "zho_Hant", "cmn": "zho_Hans",
    "fas": "pes_Arab", "fil": "tgl", "lav": "lvs", "mlg": "plt", "msa": "zsm", "nep": "npi_Deva", "orm": "gaz",
    "pus": "pbt_Arab", "swa": "swh", "zho-CN": "zho_Hans",
    "ha": "hau", "ig": "ibo", "yo": "yor", "en400": "eng", "yo400": "yor", "malayalam": "mal_Latn", "tamil": "tam_Latn",
    "hinglish": "hin_Latn", "spanglish": "spa", "spaeng": "spa",
    "mhr": "mhr_Cyrl", "mon": "khk_Cyrl", "orv": "orv_Cyrl", "wuu": "wuu_Hans", "yid": "ydd_Hebr", "arq": "arq_Arab",
    "uzb": "uzn", "sqi": "als", "aze": "azj", "kur": "kmr_Latn",
    "aym": "ayr", "bg": "bul_Cyrl", "et": "est", "gn": "grn", "ht": "hat", "jap": "jpn_Jpan", "no": "nob", "qu": "quy",
}  # fmt: skip
NAMES = {  # English names, by which users call languages
    "acehnese": "ace", "afrikaans": "afr", "albanian": "als", "amharic": "amh", "arabic": "arb", "armenian": "hye",
    "balinese": "ban", "banjarese": "bjn", "basque": "eus", "belarusian": "bel", "bengali": "ben", "buginese": "bug",
    "bulgarian": "bul", "burmese": "mya", "catalan": "cat", "cebuano": "ceb", "chinese": "zho", "croatian": "hrv",
    "czech": "ces", "danish": "dan", "dutch": "nld", "english": "eng", "estonian": "est", "finnish": "fin",
    "french": "fra", "galician": "glg", "georgian": "kat", "german": "deu", "greek": "ell", "gujarati": "guj",
    "hausa": "hau", "hebrew": "heb", "hindi": "hin", "hungarian": "hun", "icelandic": "isl", "igbo": "ibo",
    "indonesian": "ind", "irish": "gle", "italian": "ita", "japanese": "jpn", "javanese": "jav", "kannada": "kan",
    "kazakh": "kaz", "khmer": "khm", "korean": "kor", "lao": "lao", "latvian": "lvs", "lithuanian": "lit",
    "macedonian": "mkd", "madurese": "mad", "malay": "zsm", "malayalam": "mal", "maltese": "mlt", "mandarin": "zho",
    "marathi": "mar", "minangkabau": "min", "mongolian": "khk", "nepali": "npi", "norwegian": "nob", "persian": "pes",
    "polish": "pol", "portuguese": "por", "romanian": "ron", "russian": "rus", "serbian": "srp", "sinhala": "sin",
    "slovak": "slk", "slovenian": "slv", "somali": "som", "spanish": "spa", "sundanese": "sun", "swahili": "swh",
    "swedish": "swe", "tagalog": "tgl", "tamil": "tam", "telugu": "tel", "thai": "tha", "turkish": "tur",
    "ukrainian": "ukr", "urdu": "urd", "uzbek": "uzn", "vietnamese": "vie", "welsh": "cym", "wolof": "wol",
    "xhosa": "xho", "yoruba": "yor", "zulu": "zul",
}  # fmt: skip
_FAMILY_OF = {code: family for family, codes in FAMILIES.items() for code in codes.split()}
# the Latin script comes last, so that it is kept for languages with several
_SCRIPT_OF = dict(lang.split("_") for lang in sorted(SIB200_LANGS, key=lambda lang: lang.endswith("_Latn")))


def family_and_script(lang: str) -> tuple[str | None, str | None]:
    """Return the language family and the ISO 15924 script of a language as a data set names it; None where unknown.

    A name without a script has the Latin script where the language is usually written in it, else its one other script.
    A code-switched language has the family of its matrix language, and the Latin script.
    """
    code, _, script = ALIASES.get(lang, lang).partition("_")
    family = _FAMILY_OF.get(code)
    return family, script or (_SCRIPT_OF.get(code, "Latn") if family else None)


def code_of(lang: str) -> str:
    """Return the ISO 639-3 code of a language as a data set or a user names it; of an unknown one, its name."""
    name = NAMES.get(lang.lower(), lang)
    return ALIASES.get(name, name).partition("_")[0].partition("-")[0]


def language_name(lang: str) -> str:
    """Return the English name of a language, such as German for de, deu or deu_Latn.

    A name that is no code is returned as it is. Raises UserError for a code whose name is not known.
    """
    if lang.lower() in (*NAMES, *SAMPLE_CS):
        return lang.capitalize()
    code = code_of(lang)
    name = next((name for name, known in NAMES.items() if code_of(known) == code), None)
    if name is None and is_language(lang):
        raise UserError(f"the English name of the language {lang} is not known", "call the language by its name")
    return name.capitalize() if name else lang


def is_language(name: str) -> bool:
    """Return whether a name is that of a known language: a code, with or without a script, or an English name."""
    return code_of(name.replace("-", "_")) in _FAMILY_OF or name in ALIASES


def suggest_language(lang: str, known: Sequence[str]) -> str:
    """Return a hint with the names that a data set has for the language that was meant, else with similar names."""
    same = [name for name in known if code_of(name) == code_of(lang)]
    return f"did you mean {' or '.join(map(repr, same))}?" if same else suggest(lang, known)
