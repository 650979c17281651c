# SPDX-License-Identifier: Apache-2.0
"""A client of the state of agents, and functions that sign and send certificates."""

from flk_state.certificates import Outcome, Refused, canonical, pcs_id, sign_ed25519, sign_hmac, submit
from flk_state.client import Change, Commit, Event, Info, Match, Replay, StateClient, Transaction, Version
from flk_state.errors import (
    Compacted,
    DiskFull,
    Forbidden,
    HistoryChanged,
    Invalid,
    Starting,
    StateError,
    StoreDown,
    TooManyTransactions,
    TransactionTooLarge,
    Unauthenticated,
    Unreachable,
    ValueTooLarge,
    VersionConflict,
)

__all__ = [
    "Change",
    "Commit",
    "Compacted",
    "DiskFull",
    "Event",
    "Forbidden",
    "HistoryChanged",
    "Info",
    "Invalid",
    "Match",
    "Outcome",
    "Refused",
    "Replay",
    "Starting",
    "StateClient",
    "StateError",
    "StoreDown",
    "TooManyTransactions",
    "Transaction",
    "TransactionTooLarge",
    "Unauthenticated",
    "Unreachable",
    "ValueTooLarge",
    "Version",
    "VersionConflict",
    "canonical",
    "pcs_id",
    "sign_ed25519",
    "sign_hmac",
    "submit",
]
