# SPDX-License-Identifier: Apache-2.0
"""The reasons why a call of the state was rejected or failed."""

from __future__ import annotations

from typing import Any

import grpc

from flk_state import protocol as pb


class StateError(Exception):
    """A call that was rejected or failed. ``details`` has the details of the reason by their names in the protocol."""

    def __init__(self, message: str, details: dict[str, str] | None = None):
        super().__init__(message)
        self.details = details or {}


class Unreachable(StateError):
    """The backend could not be reached, or did not answer in time. ``Transaction.commit`` may be called again."""


class Unauthenticated(StateError):
    """The backend requires a token, or does not accept the one that was sent."""


class Forbidden(StateError):
    """The token does not grant the required right."""


class VersionConflict(StateError):
    """A condition does not hold because another client committed first. Read again and retry."""

    @property
    def expected(self) -> int:
        """The version that the condition required; 0 if the key had to be missing."""
        return int(self.details.get("expected", "0"))

    @property
    def actual(self) -> int:
        """The current version; 0 if the key was never written."""
        return int(self.details.get("actual", "0"))


class Invalid(StateError):
    """A name, value or request is invalid."""


class ValueTooLarge(StateError):
    """The value is too large."""


class TransactionTooLarge(StateError):
    """The transaction has too many operations or too many bytes."""


class TooManyTransactions(StateError):
    """The backend has too many open transactions or waiting requests. Retry later."""


class Compacted(StateError):
    """The request concerns history that has been removed by compaction."""

    @property
    def oldest_revision(self) -> int:
        """The oldest revision that is kept."""
        return int(self.details.get("oldest_revision", "0"))


class HistoryChanged(StateError):
    """The backend's state was restored from a copy or replaced by another one. Start again from the beginning."""


class DiskFull(StateError):
    """The backend's disk is full."""


class StoreDown(StateError):
    """The backend's storage failed. ``Transaction.commit`` may be called again."""


class Starting(StateError):
    """The backend is starting."""


TRANSIENT = (Unreachable, Starting, StoreDown)
"""The same call may soon succeed."""

REJECTIONS = (VersionConflict, Invalid, ValueTooLarge, TransactionTooLarge)
"""A commit was rejected for its contents. It had no effect and will have none."""

_BY_REASON: dict[str, type[StateError]] = {
    "VERSION_CONFLICT": VersionConflict,
    "INVALID": Invalid,
    "VALUE_TOO_LARGE": ValueTooLarge,
    "TX_TOO_LARGE": TransactionTooLarge,
    "TOO_MANY_TX": TooManyTransactions,
    "COMPACTED": Compacted,
    "HISTORY_CHANGED": HistoryChanged,
    "DISK_FULL": DiskFull,
    "STORE_DOWN": StoreDown,
    "STARTING": Starting,
}

_BY_STATUS: dict[grpc.StatusCode, type[StateError]] = {
    grpc.StatusCode.UNAVAILABLE: Unreachable,
    grpc.StatusCode.DEADLINE_EXCEEDED: Unreachable,
    # a server that shuts down resets its calls, which is reported as CANCELLED
    grpc.StatusCode.CANCELLED: Unreachable,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: Forbidden,
}


def error(failure: grpc.RpcError) -> StateError:
    """Returns the exception for the status with which a call ended."""
    info = _info(failure)
    details = dict(info.metadata)
    by_reason = _BY_REASON.get(info.reason)
    if by_reason:
        return by_reason(failure.details(), details)
    by_status = _BY_STATUS.get(failure.code(), StateError)
    return by_status(f"{failure.code().name}: {failure.details()}", details)


def _info(failure: grpc.RpcError) -> Any:
    for name, value in failure.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            for detail in pb.Status.FromString(value).details:
                if detail.type_url.endswith("/google.rpc.ErrorInfo"):
                    return pb.ErrorInfo.FromString(detail.value)
    return pb.ErrorInfo()
