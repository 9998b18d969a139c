"""The reasons' tables are complete and agree with the contract's comments."""

import re
from pathlib import Path

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import CODES, DOMAIN, LLM_DOMAIN, RETRYABLE, DocuQueryError, Violations, reason_from_name

PROTO = Path(__file__).parents[3] / "protos/docuquery/common/v1/error_reason.proto"

REASON_NAMES = [value.name for value in reasons.ErrorReason.DESCRIPTOR.values if value.number]


def documented_reasons() -> dict[str, str]:
    """Name of each value → its comment, white space collapsed."""
    found = {}
    for comment, name in re.findall(r"((?:  //[^\n]*\n)+)  (ERROR_REASON_\w+) = \d+;", PROTO.read_text()):
        found[name] = re.sub(r"\s*//\s*", " ", comment).strip()
    return found


def test_every_reason_has_a_code() -> None:
    assert set(CODES) == set(reasons.ErrorReason.values())


@pytest.mark.parametrize("name", REASON_NAMES)
def test_the_code_and_retryability_are_the_ones_the_contract_documents(name: str) -> None:
    comment = documented_reasons()[name]
    value = reasons.ErrorReason.Value(name)
    assert comment.startswith(CODES[value].name), comment
    assert ("Retryable" in comment) == (value in RETRYABLE), comment


def test_a_name_survives_the_wire_and_an_unknown_one_is_unspecified() -> None:
    error = DocuQueryError(reasons.ERROR_REASON_NO_TEXT, "x")
    assert error.reason_name == "NO_TEXT"
    assert reason_from_name("NO_TEXT") == reasons.ERROR_REASON_NO_TEXT
    assert reason_from_name("FROM_THE_FUTURE") == reasons.ERROR_REASON_UNSPECIFIED


def test_provider_reasons_belong_to_the_llm_domain() -> None:
    assert DocuQueryError(reasons.ERROR_REASON_PROVIDER_TIMEOUT, "x").domain == LLM_DOMAIN
    assert DocuQueryError(reasons.ERROR_REASON_INTERNAL, "x").domain == DOMAIN


def test_all_violations_are_raised_together() -> None:
    violations = Violations()
    violations.require(True, "fine", "never seen")
    for name in ("a", "b", "c", "d"):
        violations.require(False, name, "must be set")
    with pytest.raises(DocuQueryError) as caught:
        violations.raise_if_any()
    assert [v.field for v in caught.value.violations] == ["a", "b", "c", "d"]
    assert "; and 1 more." in caught.value.message


def test_of_very_many_violations_a_hundred_are_kept_and_all_are_counted() -> None:
    violations = Violations()
    for _ in range(100_003):
        violations.add("statuses", "must be known")
    with pytest.raises(DocuQueryError, match=r"; and 100000 more\."):
        violations.raise_if_any()
    with pytest.raises(DocuQueryError) as caught:
        violations.raise_if_any()
    assert len(caught.value.violations) == 100


def test_no_violation_raises_nothing() -> None:
    Violations().raise_if_any()
