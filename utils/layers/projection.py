"""Project embeddings to a plane by t-SNE, PCA or UMAP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from utils.errors import UserError, counted, first_line, limited

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from utils.schema import Rows

METHODS = ("tsne", "pca", "umap")
NAMES = {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}
REDUCED = 50  # principal components that t-SNE and UMAP start from, which saves time and removes noise
PERPLEXITY, NEIGHBORS = 30.0, 15  # default values of t-SNE and UMAP
THREADS = 1  # of t-SNE: several threads would add numbers in a varying order
FEWEST = {"tsne": 4, "pca": 2, "umap": 4}  # least number of points of each method


@dataclass(frozen=True)
class Projection:
    """Points in the plane (n, 2) float32, and the values that a record has on the method."""

    xy: npt.NDArray[np.float32]
    about: dict[str, Any] = field(default_factory=dict)


def project(
    rows: Rows,
    method: str,
    seed: int,
    *,
    perplexity: float | None = None,
    n_neighbors: int | None = None,
    note: Callable[[str], object] = lambda _: None,
) -> Projection:
    """Return the projection of unit rows (n, d); the same rows, settings and machine give the same points.

    Distances of unit rows order pairs as their cosines do. t-SNE (van der Maaten and Hinton 2008) and UMAP (McInnes,
    Healy and Melville 2018) start from up to 50 principal components, their first two as the initial places (Kobak and
    Linderman 2021). Raises UserError for too few or all equal rows, and for a perplexity or n_neighbors that is too
    large for n; where they are not given, the defaults are lowered and `note` is called.
    """
    n = len(rows)
    check_fewest(n, method)
    if (rows == rows[0]).all():
        raise UserError(f"all {n} texts have the same vector", "are they all one text?")
    if method == "pca":
        xy, shares = _components(rows, 2, seed)
        return Projection(xy, {"explained_variance": [round(float(share), 6) for share in shares]})
    reduced, shares = _components(rows, REDUCED, seed)
    about = {"reduced_to": reduced.shape[1], "reduced_keeps": round(float(shares.sum()), 6)}
    if method == "tsne":
        width = fitting_perplexity(n, perplexity, note)
        xy, divergence = _tsne(reduced, width, seed)
        return Projection(xy, {**about, "perplexity": width, "kl_divergence": round(divergence, 6)})
    near = fitting_neighbors(n, n_neighbors, note)
    note("UMAP compiles its code when a process first calls it, which takes up to a minute")
    return Projection(_umap(reduced, near, seed), {**about, "n_neighbors": near})


def check_fewest(n: int, method: str, limit: int | None = None, most: int = 0) -> None:
    """Raise UserError for fewer texts than a method needs; limit: of the `most` texts that a language has, if any."""
    if n < FEWEST[method]:
        hint = limited(f"it needs {FEWEST[method]} or more", limit, most)
        raise UserError(f"{counted(n, 'text')} for {NAMES[method]}", hint)


def fitting_perplexity(n: int, asked: float | None, note: Callable[[str], object]) -> float:
    """Return the perplexity for n points: the one asked for, or 30 but at most a third of the other points."""
    if asked is None:
        found = min(PERPLEXITY, (n - 1) / 3)
        if found < PERPLEXITY:
            note(f"perplexity {found:g} in place of {PERPLEXITY:g}: there are {n} texts")
        return found
    if asked >= n:
        raise UserError(f"--perplexity {asked:g}, but there are {n} texts", f"give less than {n}, best below {n // 3}")
    return asked


def fitting_neighbors(n: int, asked: int | None, note: Callable[[str], object]) -> int:
    """Return UMAP's number of neighbours for n points: the one asked for, or 15 but at most the other points."""
    if asked is None:
        found = min(NEIGHBORS, n - 1)
        if found < NEIGHBORS:
            note(f"n_neighbors {found} in place of {NEIGHBORS}: there are {n} texts")
        return found
    if not 2 <= asked < n:
        raise UserError(f"--n_neighbors {asked}, but there are {n} texts", f"give 2 to {n - 1}")
    return asked


def _components(rows: Rows, most: int, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Return the leading principal components (n, <= most) and the shares of the variance that they explain."""
    import numpy as np
    from sklearn.decomposition import PCA

    few = min(most, *rows.shape)
    solver = "full" if max(rows.shape) <= 500 or few == min(rows.shape) else "randomized"
    fitted = PCA(few, svd_solver=solver, random_state=seed)
    found = np.asarray(fitted.fit_transform(rows), dtype=np.float32)
    if found.shape[1] == 1:  # vectors of one dimension
        found = np.column_stack([found, np.zeros_like(found)])
    return found, np.asarray(fitted.explained_variance_ratio_, dtype=np.float64)


def _tsne(rows: npt.NDArray[np.float32], perplexity: float, seed: int) -> tuple[npt.NDArray[np.float32], float]:
    import numpy as np
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    with threadpool_limits(THREADS, user_api="openmp"):
        model = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=THREADS)
        return np.asarray(model.fit_transform(rows), dtype=np.float32), float(model.kl_divergence_)


def _umap(rows: npt.NDArray[np.float32], n_neighbors: int, seed: int) -> npt.NDArray[np.float32]:
    check_umap()
    try:
        import umap
    except ImportError as error:
        raise UserError(f"umap-learn does not load: {first_line(error)}", "pip install --upgrade umap-learn") from error

    import numpy as np

    model = umap.UMAP(n_neighbors=n_neighbors, init="pca", random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(rows), dtype=np.float32)


def check_umap() -> None:
    """Raise UserError where umap-learn is not installed; it is not imported, since that takes seconds."""
    from importlib.util import find_spec

    if find_spec("umap") is None:
        raise UserError("--method umap, but umap-learn is not installed", "pip install umap-learn")
