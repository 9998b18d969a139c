"""What kustomize makes of k8s/: the overlays, and the components in combination."""

from __future__ import annotations

import functools
import itertools
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.support import require

ROOT = Path(__file__).parents[3]
K8S = ROOT / "k8s"
OVERLAYS = sorted(folder.name for folder in (K8S / "overlays").iterdir())
COMPONENTS = sorted(folder.name for folder in (K8S / "components").iterdir())
STORES = ("embedded", "qdrant")
_ONLY_WITH = {"backup-embedded": "embedded", "backup-qdrant": "qdrant"}
"""Components that make sense with one store only."""

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod template and what holds it."""

    owner: Object
    spec: Object
    labels: dict[str, str]

    @property
    def name(self) -> str:
        """The owner's name."""
        return str(self.owner["metadata"]["name"])

    @property
    def container(self) -> Object:
        """Its one container."""
        [container] = self.spec["containers"]
        return dict(container)


@dataclass(frozen=True, slots=True)
class Build:
    """One result of kustomize."""

    name: str
    text: str
    objects: tuple[Object, ...]

    def kind(self, *kinds: str) -> list[Object]:
        """All objects of these kinds."""
        return [found for found in self.objects if found["kind"] in kinds]

    def has(self, kind: str, name: str) -> bool:
        """Whether there is such an object."""
        return any(found["metadata"]["name"] == name for found in self.kind(kind))

    def one(self, kind: str, name: str) -> Object:
        """The object of that kind and name."""
        [found] = [found for found in self.kind(kind) if found["metadata"]["name"] == name]
        return found

    def pods(self, *kinds: str) -> list[Pod]:
        """Templates of these kinds; by default of all that make pods."""
        found = []
        for owner in self.kind(*(kinds or ("Deployment", "StatefulSet", "CronJob"))):
            spec = owner["spec"]
            template = (spec["jobTemplate"]["spec"] if owner["kind"] == "CronJob" else spec)["template"]
            found.append(Pod(owner, template["spec"], template["metadata"]["labels"]))
        return found

    def pod(self, name: str) -> Pod:
        """The template of that name."""
        [found] = [pod for pod in self.pods() if pod.name == name]
        return found


def needs(component: str) -> set[str]:
    """The components this one says it needs, and what those need."""
    text = (K8S / "components" / component / "kustomization.yaml").read_text()
    said = set(re.findall(r"Needs the component ([\w-]+)", text)) - set(STORES)
    return said.union(*(needs(other) for other in said))


def combination(store: str, *wanted: str) -> tuple[str, ...]:
    """A store with these components and what they need, in an order in which each finds what it needs."""
    chosen = {one for name in (store, *wanted) for one in (name, *needs(name))}
    return tuple(sorted(chosen, key=lambda name: (len(needs(name)), name not in STORES, name)))


def optional(store: str) -> list[str]:
    """The components that go with a store."""
    return [name for name in COMPONENTS if name not in STORES and _ONLY_WITH.get(name, store) == store]


def wholes() -> list[tuple[str, ...]]:
    """Each store alone, and with all the components there are."""
    return [combination(store, *chosen) for store in STORES for chosen in ((), optional(store))]


def parts() -> list[tuple[str, ...]]:
    """Each store with every component, and with every two."""
    found = [
        combination(store, *chosen)
        for store in STORES
        for count in (1, 2)
        for chosen in itertools.combinations(optional(store), count)
    ]
    return list(dict.fromkeys(found))


@functools.cache
def overlay(name: str) -> Build:
    """An overlay, built."""
    return _build(name, K8S / "overlays" / name)


@functools.cache
def combined(components: Sequence[str], k8s: Path = K8S) -> Build:
    """The base with these components, built; `k8s`: another folder like ours."""
    with tempfile.TemporaryDirectory() as folder:
        up = os.path.relpath(k8s, Path(folder).resolve())
        kustomization = {
            "resources": [f"{up}/base"],
            "components": [f"{up}/components/{name}" for name in components],
        }
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return _build("+".join(components), Path(folder))


def builds() -> Iterator[Build]:
    """Everything the policies are checked on."""
    yield from map(overlay, OVERLAYS)
    yield from map(combined, wholes())


def kustomize() -> list[str]:
    """The command: kustomize of its own, or kubectl's."""
    own = ROOT / "build" / "bin" / "kustomize"
    return [str(own), "build"] if own.exists() else [require("kubectl"), "kustomize"]


def _build(name: str, folder: Path) -> Build:
    done = subprocess.run([*kustomize(), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{name}: {done.stderr}"
    assert not done.stderr, done.stderr  # deprecations
    return Build(name, done.stdout, tuple(yaml.load_all(done.stdout, yaml.CSafeLoader)))
