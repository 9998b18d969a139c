"""Everything kustomize makes is valid by the schemas of Kubernetes, offline."""

from __future__ import annotations

import copy
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from tests.unit.k8s.custom_kinds import SPECS, faults, is_custom
from tests.unit.k8s.manifests import COMPONENTS, ROOT, Build, builds, combined, needs, overlay, parts

pytestmark = pytest.mark.externals

VERSIONS = ("1.30", "1.37")
"""The oldest version that has all we use (the `sleep` of preStop), and the newest there are schemas of."""


def validator() -> Path:
    """The program `make k8s-validate` installs; skips the test without it, unless REQUIRE_EXTERNALS=1."""
    found = ROOT / "build" / "tools" / "kubernetes-validate" / "bin" / "kubernetes-validate"
    if not found.exists():
        hint = "kubernetes-validate is not installed: `make k8s-validate` does that"
        if os.environ.get("REQUIRE_EXTERNALS") == "1":
            pytest.fail(hint)
        pytest.skip(hint)
    return found


def complaints(built: Sequence[Build], version: str, folder: Path) -> list[str]:
    """What the validator says of all builds together."""
    # Most objects are the same in many builds.
    texts = {
        yaml.dump(one, Dumper=yaml.CSafeDumper)
        for build in built
        for one in build.objects
        if not is_custom(one)
    }
    file = folder / "objects.yaml"
    file.write_text("---\n".join(sorted(texts)))
    done = subprocess.run(
        [str(validator()), "--strict", "--kubernetes-version", version, str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    passed = [line for line in lines if re.match(r"INFO .* passed ", line)]
    assert len(passed) + (done.returncode != 0) > 0  # it has read something
    return [line for line in lines if line and line not in passed]


@pytest.mark.parametrize("version", [pytest.param(VERSIONS[0], marks=pytest.mark.slow), *VERSIONS[1:]])
def test_builds_are_valid_for_the_oldest_and_the_newest_kubernetes(version: str, tmp_path: Path) -> None:
    assert complaints(list(builds()), version, tmp_path) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_two_components_go_together(tmp_path: Path) -> None:
    assert complaints([combined(components) for components in parts()], VERSIONS[-1], tmp_path) == []


def test_the_validator_refuses_a_misspelt_field(tmp_path: Path) -> None:
    broken = copy.deepcopy(overlay("dev").objects)
    [gateway] = [
        one for one in broken if one["kind"] == "Deployment" and one["metadata"]["name"] == "gateway"
    ]
    gateway["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}
    said = complaints([Build("broken", "", broken)], VERSIONS[-1], tmp_path)
    assert any("livenessProb" in line for line in said)


def test_kinds_of_others_have_the_fields_we_mean() -> None:
    seen = set()
    for build in builds():
        for one in filter(is_custom, build.objects):
            assert faults(one) == [], build.name
            seen.add((one["apiVersion"], one["kind"]))
    assert seen == set(SPECS)


def test_a_fault_in_a_kind_of_others_is_found() -> None:
    certificate = copy.deepcopy(overlay("prod").one("Certificate", "gateway"))
    certificate["spec"] |= {"dnsName": ["gateway"], "usages": ["server"]}
    del certificate["spec"]["secretName"]
    assert len(faults(certificate)) == 3


def test_objects_of_one_kind_have_names_of_their_own_and_one_namespace() -> None:
    for build in builds():
        names = [(one["kind"], one["metadata"]["name"]) for one in build.objects]
        assert len(set(names)) == len(names), build.name
    for name in ("dev", "staging", "prod"):
        [namespace] = overlay(name).kind("Namespace")
        inside = {one["metadata"].get("namespace") for one in overlay(name).objects if one is not namespace}
        assert inside == {namespace["metadata"]["name"]}


def test_what_a_component_needs_is_a_component() -> None:
    for component in COMPONENTS:
        assert needs(component) <= set(COMPONENTS)
    assert needs("qdrant") == {"tls"}
    assert needs("remote-embedding") == {"network-policies"}
