"""Builds an image without a container engine: the Dockerfile's own commands, in a clean folder.

A folder stands for the file system of a stage, and every absolute path of the Dockerfile is put below it;
the base image is a fresh virtual environment with nothing but pip, at its `/usr/local`. A stage's folder is
moved away when the next one begins, so that what is not copied is missing, as it would be. What this cannot
show: the base image itself, and the isolation of a container.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.image.dockerfile import Instruction, expand
from tests.image.ignored import context

UID = 10001
_PATH = re.compile(r"(?<![\w./=-])/(?=(?:build|opt|tmp|usr|var)\b)|(?<=[=:])/(?=(?:build|opt|tmp|usr|var)\b)")
_INHERITED = re.compile(r"PIP_.*|.*_PROXY|.*_proxy|SSL_CERT_FILE|REQUESTS_CA_BUNDLE|HOME")
"""What a build takes from outside: how packages are reached."""


@dataclass(slots=True)
class Workshop:
    """One build."""

    root: Path
    """An empty folder."""
    project: Path
    python: str
    """The interpreter that stands for the base image's."""
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    folder: Path = Path("/")
    """Of the present WORKDIR, where it really is."""
    user: str = ""
    healthcheck: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    _stage: str = ""

    @property
    def fs(self) -> Path:
        """Stands for `/`."""
        return self.root / "fs"

    def real(self, text: str) -> str:
        """The text with its absolute paths where they really are."""
        return _PATH.sub(f"{self.fs}/", text)

    def follow(self, instruction: Instruction) -> None:
        """Does what one instruction says."""
        text = instruction.text if instruction.name == "RUN" else expand(instruction.text, self.arguments)
        match instruction.name:
            case "ARG":
                name, _, value = text.partition("=")
                self.arguments[name] = value
            case "FROM":
                self._begin(text)
            case "ENV":
                for word in instruction.words:
                    name, _, value = word.partition("=")
                    self.environment[name] = expand(self.real(value), self.environment)
            case "WORKDIR":
                self.folder = Path(self.real(text))
                self.folder.mkdir(parents=True, exist_ok=True)
            case "COPY":
                *sources, target = text.split()
                self._copy(sources, target, instruction.flags.get("from", ""))
            case "RUN":
                self.run(
                    self.real(text)
                    if os.getuid() == 0
                    else self.real(text).replace(str(UID), str(os.getuid()))
                )
            case "USER":
                self.user = text
            case "HEALTHCHECK":
                self.healthcheck = _words(text.removeprefix("CMD").strip())
            case "ENTRYPOINT":
                self.entrypoint = instruction.exec_form or []
            case "CMD":
                self.command = instruction.exec_form or []
            case "LABEL" | "EXPOSE":
                pass  # said to people and tools; nothing happens
            case unknown:
                raise ValueError(f"line {instruction.line}: {unknown} is not known here")

    def run(self, command: str) -> None:
        """Runs a shell command as a build does. Fails the test with its output."""
        inherited = {name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)}
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=inherited | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    def _begin(self, text: str) -> None:
        if self.fs.exists():
            (self.root / "stages").mkdir(exist_ok=True)
            self.fs.rename(self.root / "stages" / self._stage)
        _, _, self._stage = text.partition(" AS ")
        self.fs.mkdir()
        (self.fs / "tmp").mkdir()
        subprocess.run([self.python, "-m", "venv", str(self.fs / "usr/local")], check=True)
        self.environment = {"PATH": f"{self.fs}/usr/local/bin:/usr/bin:/bin"}
        self.folder = self.fs

    def _copy(self, sources: list[str], target: str, stage: str) -> None:
        into = Path(self.real(target)) if target.startswith("/") else self.folder / target
        for source in sources:
            if stage:
                found = self.root / "stages" / stage / source.lstrip("/")
                shutil.copytree(found, into, symlinks=True)
                continue
            files = [file for file in context(self.project) if file.parts[0] == source]
            assert files, f"{source}: .dockerignore lets nothing of it in"
            for file in files:
                whole = len(file.parts) == 1
                place = into / file.name if whole else into.joinpath(*file.parts[1:])
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.project / file, place)


def _words(text: str) -> list[str]:
    return Instruction(0, "CMD", {}, text).exec_form or []
