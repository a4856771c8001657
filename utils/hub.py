"""Access to the Hugging Face hub: reachability, the token, and what its errors mean."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from utils.errors import UserError, causes, is_disk_full
from utils.proxies import proxy_of

REACH_SECONDS = 10
TRUE = ("1", "ON", "YES", "TRUE")
DOWNLOADED = "or download it first with python -m utils.prefetch"
DATA_WITHOUT_A_NETWORK = (
    "without a network, give --data_dir FOLDER (or MINERS_DATA_DIR) with a mirror laid out as <owner>/<name>, "
    f"{DOWNLOADED}"
)
MODEL_WITHOUT_A_NETWORK = f"without a network, give the folder of a checkpoint instead of its name, {DOWNLOADED}"


def hub_token() -> str | None:
    """Return HF_TOKEN, or None where it is empty, because an empty token would be sent as an invalid header."""
    return os.environ.get("HF_TOKEN") or None


def wants_offline() -> bool:
    """Return whether HF_HUB_OFFLINE forbids downloads."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in TRUE


@lru_cache
def is_offline() -> bool:
    """Return whether the hub is not used: HF_HUB_OFFLINE is set, or the hub cannot be reached.

    Checked once, before the hub's libraries are used, because they would retry for more than a minute.
    """
    if wants_offline():
        return True
    import httpx2
    from huggingface_hub import constants

    proxy_of(constants.ENDPOINT)  # an error where the libraries could not use it
    try:
        httpx2.head(constants.ENDPOINT, timeout=REACH_SECONDS)
    except httpx2.TransportError as error:
        print(f"note: the hub cannot be reached ({error}); only files in its cache can be used", file=sys.stderr)
        os.environ["HF_HUB_OFFLINE"] = "1"
        constants.HF_HUB_OFFLINE = True
        return True
    return False


@contextmanager
def hub_errors(
    what: str, asked: str = "", *, local: bool = False, without_network: str = MODEL_WITHOUT_A_NETWORK
) -> Iterator[None]:
    """Raise the errors of the hub's libraries as UserErrors with a hint.

    `what` names the data set or checkpoint, and `asked` the configuration or split, for errors about them. `local` says
    that the libraries read a folder, and `without_network` is the hint where the hub cannot be reached.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        translated = _translated(error, what, asked, local, without_network)
        if translated is None:
            raise
        raise translated from error


def _translated(error: Exception, what: str, asked: str, local: bool, without_network: str) -> UserError | None:
    """Return the UserError for an error of the hub's libraries or its causes; None for any other error."""
    unreachable = "is not in the cache, and the hub cannot be reached"
    if is_disk_full(error):
        return UserError(f"{what}{asked}: no space is left on the disk", "free some, or choose another --cache_dir")
    chain = causes(error)
    if not local:
        for one in chain:
            if _is_offline_error(one):
                return UserError(f"{what} {unreachable}", without_network)
            known = _known_error(one, what)
            if known is not None:
                return known
    if isinstance(error, ValueError | FileNotFoundError) or type(error).__module__.startswith(
        ("datasets.", "pyarrow.")
    ):
        if not local and is_offline():
            return UserError(f"{what}{asked} {unreachable}", without_network)
        lines = str(chain[-1] if asked and len(chain) > 1 else error).strip().splitlines() or [type(error).__name__]
        return UserError(f"{what}{asked} does not load: {lines[0]}", _hint_of(lines[0], asked))
    if isinstance(error, ConnectionError) and not local:
        return UserError(f"{what} {unreachable}", without_network)
    return None


def _hint_of(line: str, asked: str) -> str:
    """Return what to do about a data set or checkpoint that does not load, by the first line of its error."""
    if "Unknown split" in line and "'validation'" in line.partition("one of")[2]:  # what `datasets` lists
        return "complete it, or give --split validation where the script has this flag"
    return "check that it has this configuration and split" if asked else "check that its files are there and complete"


def _is_offline_error(error: BaseException) -> bool:
    """Return whether the hub's client says that it may not ask the hub."""
    from huggingface_hub import errors as hub

    return isinstance(error, hub.OfflineModeIsEnabled)


def _known_error(error: BaseException, what: str) -> UserError | None:
    """Return the UserError for an error of the hub's client; None for any other error."""
    import httpx2
    from huggingface_hub import errors as hub

    text = str(error) if type(error).__name__ == "DatasetNotFoundError" else ""  # `datasets` does not keep the cause
    if isinstance(error, hub.GatedRepoError) or "gated dataset" in text:
        return UserError(f"{what} is gated (403)", "accept its terms on the hub and set HF_TOKEN")
    if isinstance(error, hub.RevisionNotFoundError) or text.startswith("Revision"):
        return UserError(
            f"{what}: its pinned revision is not on the hub (404)",
            "if it was removed, pin another revision (docs/adding.md)",
        )
    if isinstance(error, hub.RepositoryNotFoundError) or "doesn't exist on the Hub" in text:
        return UserError(
            f"{what} is not on the hub, or is private (404)", "check the name; a private repository needs HF_TOKEN"
        )
    if isinstance(error, hub.HFValidationError):
        return UserError(f"{what}: not a valid name on the hub", "give owner/name, or a folder")
    if isinstance(error, hub.HfHubHTTPError) and error.response is not None:
        status = error.response.status_code
        hints = {
            401: "the hub requires a login: set HF_TOKEN to a valid token",
            403: "the token has no access to it: request access, or set another HF_TOKEN",
            429: "too many requests: wait some minutes, then give the same command again",
        }
        return UserError(
            f"{what}: the hub answered with status {status}",
            hints.get(status, "try again later; finished downloads are kept"),
        )
    if isinstance(error, httpx2.TransportError) or "Consistency check failed" in str(error):
        reason = type(error).__name__
        return UserError(
            f"{what}: the download was interrupted ({reason})", "give the same command again; it continues from there"
        )
    return None


def last_downloaded(repo: str, kind: str) -> str | None:
    """Return the commit of a repository that was downloaded last, or None where the hub's cache has none."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = [entry for entry in scan_cache_dir().repos if entry.repo_id == repo and entry.repo_type == kind]
    except CacheNotFound:
        return None
    revisions = [revision for entry in repos for revision in entry.revisions]
    return max(revisions, key=lambda revision: revision.last_modified).commit_hash if revisions else None


def forget_downloads(repo: str, kind: str) -> None:
    """Delete a repository from the hub's cache, so that a broken file is downloaded again."""
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
