"""English names of the languages of parallel data, as prompts call them."""

from __future__ import annotations

from utils.data.languages import ALIASES, code_of, family_and_script, language_name
from utils.errors import UserError

FURTHER_NAMES = {  # beside those of utils/data/languages.py
    "acm": "Mesopotamian Arabic", "acq": "Ta'izzi-Adeni Arabic", "aeb": "Tunisian Arabic",
    "ajp": "South Levantine Arabic", "aka": "Akan", "apc": "North Levantine Arabic", "ars": "Najdi Arabic",
    "ary": "Moroccan Arabic", "arz": "Egyptian Arabic", "asm": "Assamese", "ast": "Asturian", "awa": "Awadhi",
    "ayr": "Aymara", "azb": "South Azerbaijani", "azj": "Azerbaijani", "bak": "Bashkir", "bam": "Bambara",
    "bbc": "Toba Batak", "bbj": "Ghomala", "bem": "Bemba", "bho": "Bhojpuri", "bod": "Tibetan", "bos": "Bosnian",
    "cjk": "Chokwe", "ckb": "Central Kurdish", "crh": "Crimean Tatar", "dik": "Dinka", "dyu": "Dyula",
    "dzo": "Dzongkha", "epo": "Esperanto", "ewe": "Ewe", "fao": "Faroese", "fij": "Fijian", "fon": "Fon",
    "fur": "Friulian", "fuv": "Fulfulde", "gaz": "Oromo", "gla": "Scottish Gaelic", "grn": "Guarani",
    "hat": "Haitian Creole", "hmn": "Hmong", "hne": "Chhattisgarhi", "ilo": "Ilocano", "kab": "Kabyle",
    "kac": "Jingpho", "kam": "Kamba", "kas": "Kashmiri", "kbp": "Kabiyè", "kea": "Kabuverdianu", "kik": "Kikuyu",
    "kin": "Kinyarwanda", "kir": "Kyrgyz", "kmb": "Kimbundu", "kmr": "Northern Kurdish", "knc": "Kanuri",
    "kon": "Kikongo", "lij": "Ligurian", "lim": "Limburgish", "lin": "Lingala", "lmo": "Lombard", "ltg": "Latgalian",
    "ltz": "Luxembourgish", "lua": "Luba-Kasai", "lug": "Luganda", "luo": "Luo", "lus": "Mizo", "mag": "Magahi",
    "mai": "Maithili", "mni": "Meitei", "mos": "Mossi", "mri": "Maori", "nij": "Ngaju", "nno": "Norwegian Nynorsk",
    "nob": "Norwegian", "nqo": "Nko", "nso": "Northern Sotho", "nus": "Nuer", "nya": "Chichewa", "oci": "Occitan",
    "ory": "Odia", "pag": "Pangasinan", "pan": "Punjabi", "pap": "Papiamento", "pbt": "Pashto",
    "pcm": "Nigerian Pidgin",
    "plt": "Malagasy", "prs": "Dari", "quy": "Quechua", "run": "Rundi", "sag": "Sango", "san": "Sanskrit",
    "sat": "Santali", "scn": "Sicilian", "shn": "Shan", "smo": "Samoan", "sna": "Shona", "snd": "Sindhi",
    "sot": "Southern Sotho", "srd": "Sardinian", "ssw": "Swati", "szl": "Silesian", "taq": "Tamasheq", "tat": "Tatar",
    "tgk": "Tajik", "tir": "Tigrinya", "ton": "Tongan", "tpi": "Tok Pisin", "tsn": "Tswana", "tso": "Tsonga",
    "tuk": "Turkmen", "tum": "Tumbuka", "twi": "Twi", "tzm": "Central Atlas Tamazight", "uig": "Uyghur",
    "umb": "Umbundu", "vec": "Venetian", "ven": "Venda", "war": "Waray", "ydd": "Yiddish", "yue": "Cantonese",
}  # fmt: skip
SCRIPTS = {  # of languages that are written in several, as prompts tell them
    "zho_Hans": "simplified", "zho_Hant": "traditional", "ace_Arab": "Arabic script", "arb_Latn": "Latin script",
    "bjn_Arab": "Arabic script", "kas_Deva": "Devanagari script", "knc_Arab": "Arabic script",
    "min_Arab": "Arabic script", "taq_Tfng": "Tifinagh script",
}  # fmt: skip


def code_with_script(lang: str) -> str:
    """Return a language as ISO 639-3 and 15924 have it where its name is another one, or has a hyphen: zho_Hans."""
    if lang in ALIASES:
        return ALIASES[lang]
    base, _, script = lang.replace("-", "_").partition("_")
    known = ALIASES.get(base, base)
    return f"{known.partition('_')[0]}_{script}" if script else known


def title_of(lang: str) -> str:
    """Return the English name of a language as a prompt shows it, and its script where it is not the only one.

    Such as `German` for deu or deu_Latn and `Chinese (traditional)` for zho_Hant; a language that is not known keeps
    its own name.
    """
    plain = code_with_script(lang)
    code = code_of(plain)
    try:
        name = FURTHER_NAMES.get(code) or language_name(plain)
    except UserError:
        name = lang
    script = SCRIPTS.get(f"{code}_{family_and_script(plain)[1]}")
    return f"{name} ({script})" if script and "_" in plain else name
