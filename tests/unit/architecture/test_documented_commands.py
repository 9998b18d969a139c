"""Every shell command the documents show is accounted for: by the test that runs it, or by a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# Per document: how commands begin (empty: all others) → the test that runs them, or why none does.
ACCOUNTS: dict[str, dict[str, str]] = {
    "README.md": {
        "make demo": "it installs; what it runs is tests/unit/docuquery_client/test_demo.py",
        "make test": ".ci/run runs it",
        "make run": "it installs; `docuquery up` is run by tests/e2e/test_tutorial.py",
        ".venv/bin/docuquery ": "tests/e2e/test_readme.py",
        "docuquery ask": "tests/e2e/test_readme.py",
        "grpcurl ": "tests/e2e/test_readme.py",
    },
    "docs/callers.md": {"buf generate": "tests/e2e/test_callers.py"},
    # Fails for a command it does not know; checks what needs a cluster or a container engine.
    "docs/deployment.md": {"": "tests/e2e/test_deployment_docs.py"},
    "docs/evaluation.md": {"": "tests/e2e/test_evaluation_docs.py"},
    "docs/grpcurl.md": {
        "grpcurl ": "tests/e2e/test_grpcurl.py",
        "buf curl ": "tests/e2e/test_grpcurl.py",
        "docuquery ": "tests/e2e/test_grpcurl.py",
    },
    "docs/operations-gateway.md": {"": "tests/e2e/test_page_commands.py"},
    "docs/providers.md": {"docuquery admin cost": "tests/e2e/test_page_commands.py"},
    "docs/tutorial.md": {
        "make install": "it installs; .ci/run does by make dev",
        "export PATH=": "as `make install`, whose commands it finds",
        "npm install": "it installs; .ci/run does by make proto-lint",
        "": "tests/e2e/test_tutorial.py",
    },
}


def commands(text: str) -> list[str]:
    """The commands of a page: those of shell blocks, and what stands behind a `$` in any other."""
    found: list[str] = []
    for language, block in re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.S | re.M):
        if language in ("bash", "sh", "shell", "console"):
            whole = re.sub(r"<<'?(\w+)'?.*?\n\1$", "", block.replace("\\\n", " "), flags=re.S | re.M)
            lines = [line.strip() for line in whole.splitlines()]
            found += [line for line in lines if line and not line.startswith("#")]
        else:
            found += re.findall(r"^ *\$ (.+)$", block, re.M)
    return found


def account_of(page: str, command: str) -> str | None:
    """What accounts for a command: the longest beginning that fits."""
    fitting = [begin for begin in ACCOUNTS.get(page, {}) if command.startswith(begin)]
    return ACCOUNTS[page][max(fitting, key=len)] if fitting else None


PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_accounted_for(page: str) -> None:
    shown = commands((ROOT / page).read_text())
    assert [command for command in shown if account_of(page, command) is None] == []


@pytest.mark.parametrize("page", ACCOUNTS)
def test_every_account_is_of_something(page: str) -> None:
    shown = commands((ROOT / page).read_text())
    for begin, account in ACCOUNTS[page].items():
        assert any(command.startswith(begin) for command in shown), begin
        for named in re.findall(r"tests/[\w/]+\.py", account):
            assert (ROOT / named).is_file(), named
        if account.startswith("tests/"):
            assert Path(page).name in (ROOT / account).read_text(), f"{account} does not read {page}"


def test_commands_are_found() -> None:
    page = (
        "```bash\n# a comment\nKEY=x\ngrpcurl -d '{}' \\\n  host/Method\n"
        "cat > f <<'E'\n[not a command]\nE\nls\n```\n"
        "```\nnot one\n$ docuquery ask x\n```\n```python\nimport os\n```\n"
    )
    assert commands(page) == ["KEY=x", "grpcurl -d '{}'    host/Method", "cat > f", "ls", "docuquery ask x"]
