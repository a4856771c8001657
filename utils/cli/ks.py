"""The numbers of neighbours of a run, and those that some subsets are too small for."""

from __future__ import annotations

from dataclasses import dataclass, field

from utils.errors import UserError, counted

SHOWN = 6  # subsets that a note names


@dataclass(frozen=True)
class Ks:
    """The numbers of neighbours or demonstrations; `typed` says that the user named them.

    left_out: the subsets that are too small for a k, with their numbers of candidates, by the ks that they leave out.
    """

    values: tuple[int, ...]
    typed: bool
    left_out: dict[tuple[int, ...], dict[str, int]] = field(default_factory=dict, compare=False)

    def allowed(self, subset: str, n_candidates: int) -> list[int]:
        """Return the ks that the candidates allow; one that is too large is left out, which `notes` tells.

        Raises UserError where a k that is too large was typed.
        """
        too_large = tuple(k for k in self.values if k > n_candidates)
        if too_large and self.typed:
            what = f"--k {too_large[0]}, but {subset} has {counted(n_candidates, 'candidate')}"
            raise UserError(what, f"give 1{f' to {n_candidates}' if n_candidates > 1 else ''}")
        if too_large:
            self.left_out.setdefault(too_large, {})[subset] = n_candidates
        return [k for k in self.values if k <= n_candidates]

    def notes(self) -> list[str]:
        """Return a line for the ks that were left out of the same subsets."""
        return [_note(", ".join(map(str, ks)), sizes) for ks, sizes in self.left_out.items()]


def _note(ks: str, sizes: dict[str, int]) -> str:
    least, most = min(sizes.values()), max(sizes.values())
    if len(sizes) == 1:
        return f"note: {next(iter(sizes))} has {most} candidates: k = {ks} left out"
    names = ", ".join([*list(sizes)[:SHOWN], *(["..."] if len(sizes) > SHOWN else [])])
    span = str(most) if least == most else f"{least} to {most}"
    return f"note: k = {ks} left out of {len(sizes)} subsets, which have {span} candidates: {names}"
