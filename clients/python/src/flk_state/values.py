# SPDX-License-Identifier: Apache-2.0
"""Texts of JSON values and of times."""

from __future__ import annotations

import json
import re
import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)")


def json_text(value: Any) -> str:
    """Returns the JSON text of a value. A ``Decimal`` becomes a number with all its digits.

    Raises ``TypeError`` or ``ValueError`` for what JSON does not have, such as a set or an infinite number."""
    numbers: list[str] = []
    mark = uuid.uuid4().hex

    def encode(item: Any) -> str:
        if not isinstance(item, Decimal):
            raise TypeError(f"JSON has no {type(item).__name__}: {item!r}")
        if not item.is_finite():
            raise ValueError(f"JSON has no such number: {item}")
        numbers.append(str(item))
        return f"{mark}{len(numbers) - 1}"

    def text(ensure_ascii: bool) -> str:
        return json.dumps(
            value, allow_nan=False, default=encode, ensure_ascii=ensure_ascii, separators=(",", ":")
        )

    encoded = text(ensure_ascii=False)
    try:
        encoded.encode()
    except UnicodeEncodeError:  # half of a surrogate pair exists in JSON only as an escape
        encoded = text(ensure_ascii=True)
    return re.sub(f'"{mark}(\\d+)"', lambda number: numbers[int(number[1])], encoded) if numbers else encoded


def parse_time(text: str) -> datetime:
    """Returns the time of a text as in RFC 3339, which has a zone. Digits after microseconds are ignored."""
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(f"a time is a text such as 2026-01-31T12:00:00Z, with its zone: {text!r}")
    date, time, fraction, zone = found.groups()
    zone = "+00:00" if zone in "Zz" else zone
    return datetime.fromisoformat(f"{date}T{time}.{(fraction or '')[:6]:0<6}{zone}")
