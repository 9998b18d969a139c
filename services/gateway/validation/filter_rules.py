"""The shape of a filter. Which fields exist and what they hold is retrieval's to know."""

from __future__ import annotations

from docuquery.common.v1.filter_pb2 import Condition, Filter, NumberRange
from libs.errors import Violations

MAX_CONDITIONS = 16
MAX_ANY_OF = 100
MAX_FIELD_CHARACTERS = 256


def check_filter(faults: Violations, value: Filter, path: str) -> None:
    """Records every fault of the filter at `path`."""
    faults.require(
        len(value.conditions) <= MAX_CONDITIONS,
        f"{path}.conditions",
        f"Must have at most {MAX_CONDITIONS} conditions; this one has {len(value.conditions)}.",
    )
    for index, condition in enumerate(value.conditions[:MAX_CONDITIONS]):
        _check(faults, condition, f"{path}.conditions[{index}]")


def _check(faults: Violations, condition: Condition, path: str) -> None:
    faults.require(
        1 <= len(condition.field) <= MAX_FIELD_CHARACTERS,
        f"{path}.field",
        "Must name a field such as source, type, title, language, create_time, or metadata.<key>.",
    )
    test = condition.WhichOneof("test")
    if test is None:
        faults.add(path, "Must have a test: equals, any_of, number, time or exists.")
    elif test == "any_of":
        faults.require(
            1 <= len(condition.any_of.values) <= MAX_ANY_OF,
            f"{path}.any_of",
            f"Must have 1 to {MAX_ANY_OF} values.",
        )
    elif test == "equals":
        kind = condition.equals.WhichOneof("kind")
        faults.require(
            kind in ("string_value", "number_value", "bool_value"),
            f"{path}.equals",
            "Must be a text, a whole number, or a boolean.",
        )
    elif test == "number":
        faults.require(
            _has_bound(condition.number), f"{path}.number", "Must have a bound: gte, gt, lte or lt."
        )
    elif test == "time":
        faults.require(
            condition.time.HasField("start") or condition.time.HasField("end"),
            f"{path}.time",
            "Must have a bound: start or end.",
        )


def _has_bound(number: NumberRange) -> bool:
    return number.HasField("gte") or number.HasField("gt") or number.HasField("lte") or number.HasField("lt")
