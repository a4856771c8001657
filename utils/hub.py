"""The hub's manners: whether it can be reached, with which token, and what its errors mean to a user."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from utils.schema import UserError

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
    import httpx2
    from huggingface_hub import errors as hub

    try:
        yield
    except UserError:
        raise
    except hub.GatedRepoError as error:
        raise UserError(f"{what} is gated", "accept its terms on the hub and set HF_TOKEN") from error
    except hub.RevisionNotFoundError as error:
        raise UserError(
            f"{what}: its pinned revision is not on the hub", "has it been removed? see docs/adding.md"
        ) from error
    except (hub.OfflineModeIsEnabled, hub.LocalEntryNotFoundError, httpx2.TransportError, ConnectionError) as error:
        raise UserError(f"{what} is not in the cache, and the hub is not reached", WITHOUT_A_NETWORK) from error
    except hub.RepositoryNotFoundError as error:
        raise UserError(
            f"{what} is not on the hub, or is private", "check the name; a private one needs HF_TOKEN"
        ) from error
    except hub.HFValidationError as error:
        raise UserError(f"{what}: not a name that the hub could have", "give owner/name, or a folder") from error
    except hub.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "nothing"
        raise UserError(f"{what}: the hub answered {status}", "try again later; what is finished is kept") from error
    except (ValueError, FileNotFoundError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        if not local and is_offline():
            raise UserError(
                f"{what}{asked} is not in the cache, and the hub is not reached", WITHOUT_A_NETWORK
            ) from error
        raise UserError(
            f"{what}{asked} does not load: {lines[0]}", "does it have this configuration and split?"
        ) from error
