# SPDX-License-Identifier: Apache-2.0
"""The reasons why a call failed."""

from __future__ import annotations

import builtins

# ConnectionError is not among them, so that an import of * never replaces Python's own
__all__ = ["AuthenticationError", "ConflictError", "NotFoundError", "StatehouseError", "TransactionError"]


class StatehouseError(Exception):
    """A call failed. ``__cause__`` is the exception of ``flk_state``, if the backend gave a reason."""


class ConnectionError(StatehouseError, builtins.ConnectionError):
    """The backend can't be reached. It is unknown whether a commit that raises this took effect: call ``commit`` of
    the same transaction again."""


class TransactionError(StatehouseError):
    """A transaction can't be begun or committed. Unless its text says otherwise, it had no effect."""


class ConflictError(TransactionError):
    """A key has another version than the one that ``if_version`` names."""


class NotFoundError(StatehouseError):
    """What was asked for does not exist, or no longer."""


class TransactionNotFoundError(TransactionError, NotFoundError):
    """The transaction was aborted, or its commit was rejected."""


class AuthenticationError(StatehouseError):
    """The token is missing, unknown, or does not grant the right."""
