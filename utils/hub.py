"""The hub's manners: whether it can be reached, with which token, and what its errors mean to a user."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from utils.errors import UserError

REACH_SECONDS = 10
TRUE = ("1", "ON", "YES", "TRUE")
WITHOUT_A_NETWORK = (
    "without a network: --data_dir FOLDER (or MINERS_DATA_DIR) with a mirror laid out as <owner>/<name>, a folder for "
    "--model_checkpoint, or a machine whose cache already has it"
)


def hub_token() -> str | None:
    """Return HF_TOKEN; an empty one counts as none, because it would be sent as a bare header."""
    return os.environ.get("HF_TOKEN") or None


def wants_offline() -> bool:
    """Return whether HF_HUB_OFFLINE asks for no downloads at all."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in TRUE


@lru_cache
def is_offline() -> bool:
    """Return whether the hub is to be left alone: HF_HUB_OFFLINE is set, or it cannot be reached.

    Asked once, before the hub's libraries are used: they would try again for more than a minute.
    """
    if wants_offline():
        return True
    import httpx2
    from huggingface_hub import constants

    try:
        httpx2.head(constants.ENDPOINT, timeout=REACH_SECONDS)
    except httpx2.TransportError as error:
        print(f"note: the hub is not reached ({error}): only what is in its cache can be used", file=sys.stderr)
        os.environ["HF_HUB_OFFLINE"] = "1"
        constants.HF_HUB_OFFLINE = True
        return True
    return False


@contextmanager
def hub_errors(what: str, asked: str = "", *, local: bool = False) -> Iterator[None]:
    """Turn what the hub's libraries raise into a UserError that says how to go on.

    `what` names the thing wanted, `asked` the configuration or split, for errors that are about them; `local` things
    are read by the hub's libraries from a folder.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        translated = _translated(error, what, asked, local)
        if translated is None:
            raise
        raise translated from error


def _translated(error: Exception, what: str, asked: str, local: bool) -> UserError | None:
    """Return the UserError for what the hub's libraries raised, looking through their wrappers; None for a bug."""
    chain: list[BaseException] = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) is not None and inner not in chain:
        chain.append(inner)
    if not local:
        for one in chain:
            known = _known_error(one, what)
            if known is not None:
                return known
    if isinstance(error, ValueError | FileNotFoundError) or type(error).__module__.startswith(
        ("datasets.", "pyarrow.")
    ):
        if not local and is_offline():
            return UserError(f"{what}{asked} is not in the cache, and the hub is not reached", WITHOUT_A_NETWORK)
        lines = str(chain[-1] if asked and len(chain) > 1 else error).strip().splitlines() or [type(error).__name__]
        hint = "does it have this configuration and split?" if asked else "are all its files there and whole?"
        return UserError(f"{what}{asked} does not load: {lines[0]}", hint)
    if isinstance(error, ConnectionError) and not local:
        return UserError(f"{what} is not in the cache, and the hub is not reached", WITHOUT_A_NETWORK)
    return None


def _known_error(error: BaseException, what: str) -> UserError | None:
    """Return the UserError for one of the hub client's own errors, the plainest cause first."""
    import httpx2
    from huggingface_hub import errors as hub

    if isinstance(error, hub.OfflineModeIsEnabled):
        return UserError(f"{what} is not in the cache, and the hub is not reached", WITHOUT_A_NETWORK)
    text = str(error) if type(error).__name__ == "DatasetNotFoundError" else ""  # `datasets` hides what caused it
    if isinstance(error, hub.GatedRepoError) or "gated dataset" in text:
        return UserError(f"{what} is gated (403)", "accept its terms on the hub and set HF_TOKEN")
    if isinstance(error, hub.RevisionNotFoundError) or text.startswith("Revision"):
        return UserError(
            f"{what}: its pinned revision is not on the hub (404)", "was it removed? pin another one (docs/adding.md)"
        )
    if isinstance(error, hub.RepositoryNotFoundError) or "doesn't exist on the Hub" in text:
        return UserError(
            f"{what} is not on the hub, or is private (404)", "check the name; a private one needs HF_TOKEN"
        )
    if isinstance(error, hub.HFValidationError):
        return UserError(f"{what}: not a name that the hub could have", "give owner/name, or a folder")
    if isinstance(error, hub.HfHubHTTPError) and error.response is not None:
        status = error.response.status_code
        hints = {
            401: "the hub wants a login: set HF_TOKEN to a valid token",
            403: "the token may not read it: ask for access, or set another HF_TOKEN",
            429: "too many requests: wait some minutes and give the same command again",
        }
        return UserError(
            f"{what}: the hub answered {status}", hints.get(status, "try again later; what is finished is kept")
        )
    if isinstance(error, httpx2.TransportError) or "Consistency check failed" in str(error):
        reason = type(error).__name__
        return UserError(
            f"{what}: the download broke off ({reason})", "give the same command again: it goes on from there"
        )
    return None


def last_downloaded(repo: str, kind: str) -> str | None:
    """Return the commit of a repository that the hub's cache got last, or None where it has none."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = [entry for entry in scan_cache_dir().repos if entry.repo_id == repo and entry.repo_type == kind]
    except CacheNotFound:
        return None
    revisions = [revision for entry in repos for revision in entry.revisions]
    return max(revisions, key=lambda revision: revision.last_modified).commit_hash if revisions else None


def forget_downloads(repo: str, kind: str) -> None:
    """Remove what the hub's cache has of a repository, so that a broken file is downloaded again."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        cached = scan_cache_dir()
    except CacheNotFound:
        return
    commits = [
        revision.commit_hash
        for entry in cached.repos
        if entry.repo_id == repo and entry.repo_type == kind
        for revision in entry.revisions
    ]
    cached.delete_revisions(*commits).execute()
