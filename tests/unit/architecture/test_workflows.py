"""What runs elsewhere (workflows, pre-commit) runs what runs here, on the Python versions claimed."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@cache
def workflow(name: str) -> dict[str, Any]:
    """A workflow; YAML 1.1 reads its key `on` as true."""
    read: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    return read


def steps(name: str) -> list[dict[str, Any]]:
    """The steps of all jobs."""
    return [step for job in workflow(name)["jobs"].values() for step in job.get("steps", ())]


def recipe(target: str) -> list[str]:
    """The commands of a target, with the tools' folder as it is."""
    [lines] = re.findall(rf"^{re.escape(target)}:[^\n]*\n((?:\t[^\n]*\n)+)", MAKEFILE, re.M)
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in lines.splitlines()]


def test_the_python_versions_claimed_are_those_tested() -> None:
    tested = workflow("ci.yml")["jobs"]["checks"]["strategy"]["matrix"]["python"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    prefix = "Programming Language :: Python :: "
    assert [one.removeprefix(prefix) for one in project["classifiers"] if one.startswith(prefix)] == tested
    assert project["requires-python"] == f">={tested[0]}"
    readme = (ROOT / "README.md").read_text()
    assert f"tested with {', '.join(tested[:-1])} and {tested[-1]}" in readme
    image = re.search(r"^ARG PYTHON_IMAGE=python:(\d+\.\d+)\.", (ROOT / "Dockerfile").read_text(), re.M)
    assert image is not None
    assert image[1] in tested


def test_the_checks_run_what_a_developer_runs_with_each_version() -> None:
    job = workflow("ci.yml")["jobs"]["checks"]
    [python] = [step for step in job["steps"] if "setup-python" in step.get("uses", "")]
    assert python["with"]["python-version"] == "${{ matrix.python }}"
    assert job["steps"][-1] == {"run": ".ci/run"}


@pytest.mark.parametrize("name", [path.name for path in WORKFLOWS])
def test_a_workflow_calls_what_there_is_and_may_no_more_than_it_needs(name: str) -> None:
    assert workflow(name)["permissions"] == {"contents": "read"}
    for step in steps(name):
        for target in re.findall(r"\bmake ([\w-]+)", step.get("run", "")):
            assert re.search(rf"^{target}:", MAKEFILE, re.M), target
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]), step["uses"]


def test_a_release_waits_for_the_checks_and_holds_the_contracts() -> None:
    jobs = workflow("release.yml")["jobs"]
    assert jobs["checks"] == {"uses": "./.github/workflows/ci.yml"}
    assert "workflow_call" in workflow("ci.yml")[True]  # type: ignore[index]
    assert jobs["release"]["needs"] == "checks"
    commands = [step["run"] for step in steps("release.yml") if "run" in step]
    assert any(command.startswith("make release-files ") for command in commands)
    assert any("gh release create" in command and "build/release/*" in command for command in commands)
    assert any("docuquery-protos-$(VERSION).tar.gz" in line for line in recipe("release-files"))


def test_pre_commit_runs_what_make_lint_runs() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    [local] = config["repos"]
    assert local["repo"] == "local", "nothing is fetched"
    for hook in local["hooks"]:
        assert hook.keys() >= {"id", "name", "entry", "language"}
        assert (hook["language"], hook["pass_filenames"]) == ("system", False)
    assert [hook["entry"] for hook in local["hooks"]] == recipe("lint")
