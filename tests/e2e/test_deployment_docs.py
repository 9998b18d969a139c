"""Every command of docs/deployment.md: run where no cluster is needed, else checked as far as that goes."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
import yaml

from services.gateway.identity.api_keys import parse_api_keys
from tests.e2e.support import ROOT
from tests.unit.k8s.manifests import Build, combination, combined, overlay

pytestmark = pytest.mark.externals

PAGE = (ROOT / "docs" / "deployment.md").read_text()
KUBECTL = shutil.which("kubectl")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def commands() -> list[str]:
    """All lines of all shell blocks."""
    blocks = re.findall(r"^ *```bash\n(.*?)^ *```", PAGE, re.S | re.M)
    return [line for block in blocks for line in textwrap.dedent(block).splitlines() if line.strip()]


def run(command: str, folder: Path = ROOT) -> str:
    """What a command prints; fails the test when it fails."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


def described(namespace: str) -> list[Build]:
    """What may run in a namespace of the page: an overlay, and for `docuquery` the embedded store, too."""
    if namespace == "docuquery-dev":
        return [overlay("dev")]
    assert namespace == "docuquery"
    return [overlay("prod"), combined(combination("embedded", "backup-embedded"))]


def check(command: str, folder: Path) -> None:
    """Runs or checks one command. Raises AssertionError for one that is not right, or not known here."""
    words = shlex.split(command)
    match words:
        case ["make", *_] if len(words) > 1:
            run(f"{command} --dry-run")
        case ["docker", "compose", *options]:
            known = {p for one in _compose()["services"].values() for p in one["profiles"]}
            named = {after for word, after in itertools.pairwise(options) if word == "--profile"}
            assert named
            assert named <= known
        case ["docker", "push", image]:
            assert image == f"{_image(overlay('prod')).rpartition(':')[0]}:{VERSION}"
        case ["kubectl", "kustomize", path, *_]:
            assert overlay(path.removeprefix("k8s/overlays/")).objects
        case ["kubectl", "apply", "-k", path]:
            assert overlay(path.removeprefix("k8s/overlays/")).objects
        case ["kubectl", "apply", "-f", path]:
            [namespaced] = yaml.safe_load_all((ROOT / path).read_text())
            assert (namespaced["kind"], namespaced["metadata"]["name"]) == ("Namespace", "docuquery")
        case ["kubectl", "-n", namespace, "create", "secret", *_]:
            _check_secret(words[6], words[7:], namespace)
            if KUBECTL:
                assert run(f"{command} --dry-run=client -o yaml", folder)
        case ["kubectl", "label", "namespace", _, label]:
            name, _, value = label.partition("=")
            policy = overlay("prod").one("NetworkPolicy", "callers-to-gateway")
            [entry] = policy["spec"]["ingress"][0]["from"]
            assert entry["namespaceSelector"]["matchLabels"] == {name: value}
        case ["kubectl", "-n", namespace, verb, *rest]:
            assert not KUBECTL or run(f"kubectl {verb} --help")
            _check_names(rest, namespace)
            if "--" in rest:
                check(shlex.join(rest[rest.index("--") + 1 :]), folder)
        case ["docuquery", *_]:
            run(f"KEY=key; {command} --help")
        case ["python", script, "restore", _]:
            assert (ROOT / script).is_file()  # run by test_k8s_components.py
        case ["sed", *_]:
            rules = ROOT / "k8s/components/monitoring/rules.yaml"
            assert yaml.safe_load(run(command)) == yaml.safe_load(rules.read_text())["spec"]
        case _:
            raise AssertionError(f"not known here: {command}")


def test_every_command_is_right(tmp_path: Path) -> None:
    found = commands()
    assert len(found) > 30
    making = [command for command in found if command.startswith(("KEY=", "printf "))]
    run("\n".join(making), tmp_path)
    [key] = parse_api_keys((tmp_path / "keys.json").read_text())
    assert key.tenant == "acme"
    for command in found:
        if command not in making:
            check(command, tmp_path)


def test_the_parts_it_lists_are_those_there_are() -> None:
    [listed] = re.findall(r"## The parts\n\n```\n(.*?)```", PAGE, re.S)
    components = set(re.findall(r"^        ([a-z-]+)  ", listed, re.M))
    assert components == {folder.name for folder in (ROOT / "k8s" / "components").iterdir()}


def test_the_page_names_the_figures_of_the_manifests() -> None:
    rows = re.findall(
        r"^\| (gateway|ingest|retrieval|answer) \|.*\| (\d+m), (\d+) MiB.*\| (\d+) (MiB|GiB)", PAGE, re.M
    )
    assert len(rows) == 4
    for name, cpu, memory, limit, unit in rows:
        resources = overlay("prod").pod(name).container["resources"]
        assert resources["requests"] | {"ephemeral-storage": ""} == {
            "cpu": cpu,
            "memory": f"{memory}Mi",
            "ephemeral-storage": "",
        }
        assert resources["limits"]["memory"] == f"{limit}{unit[:2]}"


def _compose() -> dict[str, dict[str, dict[str, list[str]]]]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text()))


def _image(build: Build) -> str:
    return str(build.pod("gateway").container["image"])


def _check_secret(name: str, options: list[str], namespace: str) -> None:
    """The Secret is one the pods of that namespace refer to, with the keys they read."""
    [build, *_] = described(namespace)
    fetched = {one["metadata"]["name"]: one["spec"]["data"] for one in build.kind("ExternalSecret")}
    keys = {
        found[1] for option in options if (found := re.match(r"--from-(?:literal|file)=([\w.-]+)", option))
    }
    assert keys == {entry["secretKey"] for entry in fetched[name]}


def _check_names(words: list[str], namespace: str) -> None:
    """Objects a command names are there, and a container it names is in them."""
    kinds = {"deployment": "Deployment", "statefulset": "StatefulSet", "cronjob": "CronJob"}
    for word in words:
        if named := re.search(r"\b(deployment|statefulset|cronjob)/([a-z]+)", word):
            assert any(build.has(kinds[named[1]], named[2]) for build in described(namespace)), word
        if image := re.fullmatch(r"(\w+)=(\S+:[\d.]+)", word):
            container = overlay("prod").pod("gateway").container
            assert (image[1], image[2]) == (container["name"], container["image"])
