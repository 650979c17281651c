# SPDX-License-Identifier: Apache-2.0
"""State of agents with the names of Statehouse: transactions, versions and replay, on the state of a backend."""

from statehouse.client import (
    Event,
    Health,
    Operation,
    OperationType,
    StateResult,
    Statehouse,
    Transaction,
    Version,
    __version__,
)
from statehouse.exceptions import (
    AuthenticationError,
    ConflictError,
    ConnectionError as ConnectionError,  # not in __all__, so that an import of * never replaces Python's own
    NotFoundError,
    StatehouseError,
    TransactionError,
)

__all__ = [
    "AuthenticationError",
    "ConflictError",
    "Event",
    "Health",
    "NotFoundError",
    "Operation",
    "OperationType",
    "StateResult",
    "Statehouse",
    "StatehouseError",
    "Transaction",
    "TransactionError",
    "Version",
    "__version__",
]
