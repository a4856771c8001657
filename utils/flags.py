"""The flags of a model beside the main one in errors, such as those of a reranker or a judge."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from utils.errors import UserError

FLAG = re.compile(r"--([a-z]\w*)")
SHARED = ("cache_dir", "cuda", "data_dir", "max_cost", "strict", "trust_remote_code", "verbose")
OF_MEMORY = ("k", "load_in_8bit")  # flags of hints on memory and on long prompts


@dataclass(frozen=True)
class OtherFlags:
    """The flags of one kind of model, in whose errors the code of encoders and generators names its own ones.

    prefix: what all of them begin with. names: those that have a counterpart, and the counterpart. of_memory,
    otherwise: the hint in place of one with a flag that this kind lacks, on memory and on anything else.
    """

    prefix: str
    names: Mapping[str, str]
    of_memory: str
    otherwise: str

    @contextlib.contextmanager
    def in_errors(self) -> Iterator[None]:
        """Let errors within name these flags; a hint with a flag that they have no counterpart of is replaced."""
        try:
            yield
        except UserError as error:
            hint = self._renamed(error.hint)
            flags = FLAG.findall(hint)
            others = [name for name in flags if not name.startswith(self.prefix) and name not in SHARED]
            if others:
                hint = self.of_memory if any(name in OF_MEMORY for name in others) else self.otherwise
            raise UserError(self._renamed(error.what), hint) from error

    def _renamed(self, text: str) -> str:
        return FLAG.sub(lambda flag: f"--{self.names.get(flag[1], flag[1])}", text)
