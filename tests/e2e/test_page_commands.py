"""The commands of pages that show only one or two: docs/operations-gateway.md and docs/providers.md."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from tests.e2e.commands import run
from tests.e2e.support import ROOT


def blocks_of(page: str, language: str) -> list[str]:
    """The blocks of one language in a page of docs/."""
    text = (ROOT / "docs" / page).read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.S | re.M)
    return [block for tagged, block in blocks if tagged == language]


async def test_a_key_is_made_and_its_digest_is_listed(tmp_path: Path) -> None:
    [block] = blocks_of("operations-gateway.md", "bash")
    done = await run(block, {}, tmp_path)
    key = done.out.strip()
    assert key.startswith("dq_")
    assert len(key) == 3 + 64
    [entry] = json.loads((tmp_path / "keys.json").read_text())
    assert entry["sha256"] == hashlib.sha256(key.encode()).hexdigest()
    assert (entry["tenant"], entry["name"], entry["scopes"]) == ("acme", "backend", ["read", "write"])


async def test_the_sum_of_the_usage_log_is_the_one_shown(tmp_path: Path) -> None:
    [line] = blocks_of("providers.md", "json")
    (tmp_path / "usage.jsonl").write_text(line)
    [shown] = [block for block in blocks_of("providers.md", "") if block.startswith("$ ")]
    command, _, table = shown.removeprefix("$ ").partition("\n")
    done = await run(command, {}, tmp_path)
    assert done.code == 0, done.said
    assert done.out.split() == table.split()
