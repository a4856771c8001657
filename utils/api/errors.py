"""The error of one request to an API, and its kinds."""

from __future__ import annotations

import re

from utils.errors import UserError

AGAIN, GARBLED, REFUSED, FATAL = "again", "garbled", "refused", "fatal"
TOO_LONG = re.compile(
    r"context.?length|maximum (context|input|sequence|length|number of tokens)|too long|too many tokens"
    r"|reduce the length|string_above_max_length|exceeds? [^.]*tokens|must have less than \d+ tokens|longer than",
    re.IGNORECASE,
)
FILTERED = re.compile(r"content.?(filter|policy|management)|responsible.?ai|moderation|flagged", re.IGNORECASE)


class ApiError(Exception):
    """A request that failed.

    kind: AGAIN for a passing error, which is retried; GARBLED for a response that does not fit the request, which is
    retried a few times; REFUSED for content that the provider does not take; FATAL for an error that every request
    would meet.
    wait: seconds that the provider asks to wait. provider_message: the provider's own message, without ours.
    unreachable: whether the server gave no answer at all: there was no connection, or no response in time. not_found:
    whether the server does not have what was asked for.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        wait: float | None = None,
        hint: str = "",
        provider_message: str | None = None,
        unreachable: bool = False,
        not_found: bool = False,
    ) -> None:
        super().__init__(message)
        self.unreachable, self.not_found = unreachable, not_found
        self.kind, self.message, self.wait, self.hint = kind, message, wait, hint
        self.provider_message = message if provider_message is None else provider_message

    @property
    def too_long(self) -> bool:
        """Whether the content is refused for its length."""
        return self.kind == REFUSED and bool(TOO_LONG.search(self.provider_message))

    @property
    def filtered(self) -> bool:
        """Whether the content is refused by a content filter."""
        return self.kind == REFUSED and bool(FILTERED.search(self.provider_message))


def as_user_error(error: ApiError) -> UserError:
    """Return the error that ends the run."""
    kept = "the responses received so far are kept; the same command requests the rest"
    return UserError(error.message, f"{error.hint}; {kept}" if error.hint else kept)
