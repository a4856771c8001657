"""The values that flags and settings can take, and other constants that several packages share."""

from __future__ import annotations

SCHEMA_VERSION = 1
DEFAULT_ENCODER = "bundled/multilingual-e5-small"
DEFAULT_GENERATOR = "bundled/gemma-3-270m"
SIMILARITIES = ("cosine", "dot", "euclidean")
MARGINS = ("none", "ratio", "distance", "absolute", "csls")
DEFAULT_MARGIN_K = {"ratio": 4, "distance": 4, "csls": 10}  # neighbours in the margin, as published
FUSES = ("score", "distance", "rank")
NORMALIZERS = ("none", "zscore", "minmax")
DIRECTIONS = ("forward", "backward", "both")
POOLS = ("usual", "all", "same", "cross")  # the passages that a question is asked of; usual: as the data set is used
PAIRS = ("same", "cross")  # of languages: of one, or of two
DTYPES = ("fp32", "bf16", "fp16")
QUANTIZATIONS = ("8bit", "4bit")  # of weights, by bitsandbytes
DENSE, SPARSE, MULTI_VECTOR = "dense", "sparse", "multi-vector"  # kinds of encoders by their rows
MEAN_MAX_SIM = "meanmaxsim"  # how sentence-transformers calls MaxSim divided by the number of the query's vectors
POOLINGS = ("mean", "last", "weighted_mean", "cls")  # of the vectors of tokens
ATTENTIONS = ("causal", "bidirectional")
PRECISIONS = ("float32", "int8", "binary")  # of the values of vectors
BACKENDS = ("torch", "onnx", "openvino")
DEMONSTRATIONS = ("nearest", "random", "bm25", "diverse", "fixed", "mined")
ANSWER_KINDS = ("label", "pair", "choice", "span", "text")  # how a prompted item is answered
WRITTEN = ("span", "text")  # kinds whose answers are texts that a model writes
USUAL_MEASURES = {"span": ("em", "f1"), "text": ("bleu", "chrf")}  # of written answers; the main one is the last
ANSWER_LANGS = ("english", "native")  # in which the words of the labels are
CHOICES = ("text", "letter")  # by what an option is chosen
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # of options that are listed
# how BM25 reads texts (utils/words.py), as records state it
BM25_WORDS = "words with their marks; pairs of characters in scripts without spaces"
# how the letter of an option is read in a generated answer (utils/generators/letters.py), as records state it
LETTERS_READ = "capital letters; whole lines, then marked ones, then the last"
ORDERS = ("nearest_first", "nearest_last")
DECODES = ("score", "generate", "constrained")
USUAL_DECODE = {"base": "score", "chat": "generate", "seq2seq": "generate"}  # kind of generator -> way of decoding
GENERATOR_KINDS = tuple(USUAL_DECODE)
GENERATOR_BACKENDS = ("transformers", "vllm")
LENGTH_NORMS = ("token", "sum", "byte")
SPLITS = ("test", "validation")  # of labelled sets, that can be classified
VOTES = ("majority", "weighted")
SENTENCE_PIECES = ("flores200", "flores101")  # sacrebleu's names of the SentencePiece models of spBLEU
BLEU_TOKENS = (*SENTENCE_PIECES, "13a", "intl", "char", "zh", "ja-mecab", "ko-mecab", "none")  # sacrebleu's names
MAX_NEW_TOKENS = 32  # of a generated answer, unless --max_new_tokens says otherwise
TEMPLATES = ("model", "guanaco", "plain")  # how an instruction is shown to a model that answers it
ANSWER_TOKENS = 256  # of a free answer, unless --max_new_tokens says otherwise
JUDGE_TOKENS = 512  # of a judgement, unless --judge_tokens says otherwise
ANSWER_SEEDS = (0, 42, 723)  # of sampled answers, unless --seeds says otherwise
SAMPLING = {"temperature": 0.8, "top_p": 0.9, "top_k": 50}  # of free answers
LONG_ANSWER = 128  # the same of a translation


def usual_length(kind: str, of_row: int | None = None) -> int:
    """Return the upper limit of the tokens of an answer to items of a kind, unless --max_new_tokens says otherwise.

    of_row: the one that the row of a data set names.
    """
    return of_row or (LONG_ANSWER if kind == "text" else MAX_NEW_TOKENS)


DEFAULT_KS = (1, 5, 10)
# metrics that can be negative
OF_COSINES = ("positive_score", "negative_score", "spearman", "pearson", "comet", "best", "last", "held_out")
DEFAULT_SEED = 42
DATA_KINDS = ("bitext", "classification")  # the registries of data sets
MAX_POINTS = 20_000  # of a picture, unless --max_points says otherwise
LORA_RANK, LORA_ALPHA, LORA_DROPOUT, LORA_MODULES = 16, 32, 0.05, ("all-linear",)  # of plain adapters
FINETUNED = ", fine-tuned"  # follows the name of a checkpoint in that of a classifier that was trained from it
CLASSIFIER = {  # how a classifier is trained unless flags say otherwise: the fine-tuned baseline of MINERS
    "epochs": 10,
    "batch_size": 8,
    "learning_rate": 5e-5,
    "weight_decay": 0.01,
    "warmup": 0.0,
    "schedule": "linear",
    "patience": 2,
}
DEFAULT_RERANK_DEPTH = 100  # candidates of each query that a reranker scores
