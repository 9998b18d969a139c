"""Reads a Dockerfile into its instructions."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction."""

    line: int
    """Where it begins, from 1."""
    name: str
    """Upper case."""
    flags: dict[str, str]
    """Of `--name=value`."""
    text: str
    """The rest, continued lines joined."""

    @property
    def words(self) -> list[str]:
        """The rest as a shell would split it."""
        return shlex.split(self.text)

    @property
    def exec_form(self) -> list[str] | None:
        """The words of `["a", "b"]`; None when it is written for a shell."""
        try:
            found = json.loads(self.text)
        except json.JSONDecodeError:
            return None
        return [str(word) for word in found]


def parse(text: str) -> list[Instruction]:
    """All instructions, in order; comments are left out, also those between continued lines."""
    found: list[Instruction] = []
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        begun = begun or number
        parts.append(stripped.removesuffix("\\").strip())
        if not stripped.endswith("\\"):
            found.append(_instruction(begun, " ".join(parts)))
            begun, parts = 0, []
    assert not parts, "the last line goes on"
    return found


def _instruction(line: int, text: str) -> Instruction:
    name, _, rest = text.partition(" ")
    flags = {}
    while found := re.match(r"--([a-z-]+)=(\S+)\s*", rest):
        flags[found[1]] = found[2]
        rest = rest[found.end() :]
    return Instruction(line, name.upper(), flags, rest.strip())


def expand(text: str, values: Mapping[str, str]) -> str:
    """`$NAME` and `${NAME}` put in; a name there is not is left as it is."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], found[0]), text)
