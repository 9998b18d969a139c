"""The environment a container gets, and whether a service accepts it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.settings import ServiceSettings
from tests.certificates import Authority
from tests.unit.k8s.manifests import Build, Pod

FOREIGN = re.compile(r"OTEL_[A-Z_]+|GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
"""Variables that other programs' code inside a service reads."""

_STANDS_FOR = {"OPENAI_API_KEY": "sk-secret", "ANTHROPIC_API_KEY": "sk-ant-secret"}


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables of one container, by where they come from."""

    plain: dict[str, str]
    secret: dict[str, str]
    """From Secrets, each with a value that stands for the real one."""

    @property
    def everything(self) -> dict[str, str]:
        """All of them, with `$(NAME)` put in as the kubelet does."""
        values = self.plain | self.secret
        return {
            name: re.sub(r"\$\(([A-Z_]+)\)", lambda found: values[found[1]], value)
            for name, value in values.items()
        }

    @property
    def helpers(self) -> set[str]:
        """Variables that are there to be put into others."""
        return {name for value in self.plain.values() for name in re.findall(r"\$\(([A-Z_]+)\)", value)}


def environment_of(build: Build, pod: Pod) -> Environment:
    """What the container of `pod` finds in its environment."""
    plain: dict[str, str] = {}
    secret: dict[str, str] = {}
    for source in pod.container.get("envFrom", ()):
        assert set(source) == {"configMapRef"}, "Secrets are named variable by variable"
        plain |= build.one("ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in pod.container.get("env", ()):
        match variable:
            case {"name": name, "value": value}:
                plain[name] = value
            case {"name": name, "valueFrom": {"secretKeyRef": _}}:
                secret[name] = _STANDS_FOR.get(name, "secret")
            case {"name": name, "valueFrom": {"fieldRef": _}}:
                plain[name] = "pod-0"
            case _:
                raise AssertionError(variable)
    return Environment(plain, secret)


def accepted(settings: type[ServiceSettings], values: Mapping[str, str]) -> ServiceSettings:
    """The settings a service makes of these variables. Raises ValidationError with all that is wrong."""
    known = {str(field.validation_alias or name) for name, field in settings.model_fields.items()}
    return settings(_env_file=None, **{name: value for name, value in values.items() if name in known})


def mount_of(pod: Pod, path: str) -> dict[str, Any]:
    """The mount a path of the container lies in. Raises AssertionError: in none."""
    mounts: list[dict[str, Any]] = pod.container["volumeMounts"]
    found = [mount for mount in mounts if path.startswith(mount["mountPath"] + "/")]
    assert found, f"{path} lies in no volume of {pod.name}"
    return found[0]


def with_files(pod: Pod, values: Mapping[str, str], root: Path) -> dict[str, str]:
    """The same variables with the files of Secrets made below `root`, as the volumes would hold them."""
    found = dict(values)
    for name, value in values.items():
        if value.startswith("/"):
            mount = mount_of(pod, value)
            path = root / value.lstrip("/")
            if mount.get("readOnly"):
                _make_secret(path.parent)
                assert path.exists(), f"{value}: no Secret has this key"
            found[name] = str(path)
    return found


def _make_secret(folder: Path) -> None:
    """What there is in a Secret of certificates, or in that of the API keys."""
    if folder.exists():
        return
    folder.mkdir(parents=True)
    if folder.name == "api-keys":
        key = {"tenant": "acme", "name": "backend", "sha256": "0" * 64, "scopes": ["read"]}
        (folder / "keys.json").write_text(json.dumps([key]))
        return
    authority = Authority(folder)
    pair = authority.issue("any")
    pair.cert.rename(folder / "tls.crt")
    pair.key.rename(folder / "tls.key")
    authority.ca.rename(folder / "ca.crt")
