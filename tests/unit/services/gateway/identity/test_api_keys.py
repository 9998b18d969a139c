"""Reading API keys from configuration."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from services.gateway.identity.api_keys import load_api_keys, parse_api_keys

SECRET = "dq_k3y-that-must-not-be-shown"
DIGEST = hashlib.sha256(SECRET.encode()).hexdigest()


def entry(**changes: Any) -> dict[str, Any]:
    return {"tenant": "acme", "name": "backend", "sha256": DIGEST, "scopes": ["read"], **changes}


def parse(*entries: dict[str, Any]) -> Any:
    return parse_api_keys(json.dumps(list(entries)))


def test_a_key_is_its_owner_its_digest_and_its_scopes() -> None:
    (key,) = parse(entry(sha256=DIGEST.upper(), scopes=["read", "write"]))
    assert (key.tenant, key.name, key.scopes) == ("acme", "backend", {"read", "write"})
    assert key.digest == hashlib.sha256(SECRET.encode()).digest()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tenant": "a/b"}, "tenant"),
        ({"tenant": ""}, "tenant"),
        ({"name": "two words"}, "name"),
        ({"sha256": SECRET}, "sha256"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["read", "root"]}, "unknown: root; known: admin, read, write"),
        ({"key": SECRET}, "key"),
    ],
)
def test_faults_are_named_and_secrets_are_not(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        parse(entry(**changes))
    assert SECRET not in str(error.value)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"0\.tenant.*1\.name"):
        parse(entry(tenant="/"), entry(name="/"))


def test_what_is_no_json_is_said_without_showing_it() -> None:
    with pytest.raises(ValueError, match="not valid JSON") as error:
        parse_api_keys(f"[{SECRET}")
    assert SECRET not in str(error.value)


def test_a_name_or_a_digest_stands_only_once() -> None:
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(ValueError, match="name may stand only once: backend"):
        parse(entry(), entry(sha256=other))
    with pytest.raises(ValueError, match="sha256 may stand only once"):
        parse(entry(), entry(name="other"))


def test_keys_come_from_the_setting_and_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps([entry(name="filed", sha256=hashlib.sha256(b"f").hexdigest())]))
    keys = load_api_keys(json.dumps([entry()]), file)
    assert [key.name for key in keys] == ["backend", "filed"]
    assert load_api_keys(" ", None) == ()


def test_a_name_in_both_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps([entry(sha256=hashlib.sha256(b"f").hexdigest())]))
    with pytest.raises(ValueError, match="backend"):
        load_api_keys(json.dumps([entry()]), file)


def test_one_key_in_both_under_two_names_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps([entry(name="filed", tenant="other")]))
    with pytest.raises(ValueError, match="sha256 may stand only once"):
        load_api_keys(json.dumps([entry()]), file)


def test_an_empty_file_is_no_list_and_an_empty_list_is_one(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text("\n")
    with pytest.raises(ValueError, match=r"is empty; a list without keys is \[\]"):
        load_api_keys("", file)
    file.write_text("[]")
    assert load_api_keys("", file) == ()


def test_a_file_nested_without_end_is_a_fault_like_any_other() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_api_keys("[" * 100_000)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no-such-file"):
        load_api_keys("", tmp_path / "no-such-file")
