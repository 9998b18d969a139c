"""The rules of hadolint that matter to our Dockerfile, each under its number there.

The shell inside RUN is looked at by its commands' first words only; hadolint itself reads it as a shell does.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.image.dockerfile import Instruction, expand


@dataclass(frozen=True, slots=True)
class File:
    """A Dockerfile to be judged."""

    instructions: list[Instruction]

    def named(self, *names: str) -> list[Instruction]:
        """All instructions of these names."""
        return [one for one in self.instructions if one.name in names]

    @property
    def final(self) -> list[Instruction]:
        """Those of the last stage."""
        begins = [i for i, one in enumerate(self.instructions) if one.name == "FROM"]
        return self.instructions[begins[-1] :]

    @property
    def images(self) -> list[str]:
        """What the stages begin with."""
        values = dict(one.text.split("=", 1) for one in self.named("ARG") if "=" in one.text)
        return [expand(one.text.split()[0], values) for one in self.named("FROM")]

    @property
    def stages(self) -> list[str]:
        """Names of stages."""
        return [one.text.split(" AS ")[1] for one in self.named("FROM") if " AS " in one.text]

    def commands(self, pattern: str) -> list[str]:
        """Commands of RUN that match."""
        parts = (part.strip() for one in self.named("RUN") for part in re.split(r"&&|\|\||;", one.text))
        return [part for part in parts if re.match(pattern, part)]

    def twice(self, name: str) -> bool:
        """Whether the last stage has more than one of these."""
        return sum(one.name == name for one in self.final) > 1


BROKEN: dict[str, Callable[[File], bool]] = {
    # Stages.
    "DL3006 an image has a version (ours: and a digest)": lambda file: any(
        not re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", image) for image in file.images
    ),
    "DL3007 no :latest": lambda file: any(":latest" in image for image in file.images),
    "DL3022 COPY --from names a stage": lambda file: any(
        one.flags.get("from", "") not in ("", *file.stages) for one in file.named("COPY")
    ),
    "DL3024 stages have names of their own": lambda file: len(set(file.stages)) != len(file.stages),
    # Commands.
    "DL3003 WORKDIR, not cd": lambda file: bool(file.commands(r"cd\b")),
    "DL3004 no sudo": lambda file: bool(file.commands(r"sudo\b")),
    "DL3008 packages of apt have versions": lambda file: any(
        "=" not in command for command in file.commands(r"apt-get .*\binstall\b")
    ),
    "DL3013 packages of pip have versions": lambda file: any(
        not re.search(r"--require-hashes|--no-deps|==", command) for command in file.commands(_PIP)
    ),
    "DL3042 pip keeps no cache": lambda file: (
        bool(file.commands(_PIP)) and not any("PIP_NO_CACHE_DIR=1" in one.text for one in file.named("ENV"))
    ),
    "DL3059 what belongs together is one RUN": lambda file: any(
        before.name == one.name == "RUN" for before, one in itertools.pairwise(file.instructions)
    ),
    "DL4006 no pipe hides a failure": lambda file: bool(file.commands(r"[^|]*[^|]\|[^|]")),
    # Files.
    "DL3000 WORKDIR is absolute": lambda file: any(
        not one.text.startswith("/") for one in file.named("WORKDIR")
    ),
    "DL3020 COPY, not ADD": lambda file: bool(file.named("ADD")),
    # What runs.
    "DL3002 the last user is not root": lambda file: (
        not [one for one in file.final if one.name == "USER"]
        or bool(re.match(r"(root|0)(:|$)", [one for one in file.final if one.name == "USER"][-1].text))
    ),
    "DL3011 ports are ports": lambda file: any(
        not port.isdigit() or not 0 < int(port) < 65536 for one in file.named("EXPOSE") for port in one.words
    ),
    "DL3012 one HEALTHCHECK": lambda file: file.twice("HEALTHCHECK"),
    "DL3025 CMD and ENTRYPOINT as lists": lambda file: any(
        one.exec_form is None for one in file.named("CMD", "ENTRYPOINT")
    ),
    "DL3057 a HEALTHCHECK": lambda file: not any(one.name == "HEALTHCHECK" for one in file.final),
    "DL4000 no MAINTAINER": lambda file: bool(file.named("MAINTAINER")),
    "DL4003 one CMD": lambda file: file.twice("CMD"),
    "DL4004 one ENTRYPOINT": lambda file: file.twice("ENTRYPOINT"),
}
"""Whether a rule is broken, by its number and what it asks for."""

_PIP = r"(python -m )?pip .*(?<!un)install\b"


def faults(instructions: list[Instruction]) -> list[str]:
    """The rules that are broken."""
    file = File(instructions)
    return [rule for rule, is_broken in BROKEN.items() if is_broken(file)]
