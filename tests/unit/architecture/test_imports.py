"""The only edges are those of the architecture: services meet in the contracts, never in code."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.unit.architecture.edges import CALLS, OWNERS

ROOT = Path(__file__).parents[3]
SERVICES = tuple(CALLS)
SIX_FILES = ("__init__.py", "__main__.py", "settings.py", "app.py", "servicer.py", "convert.py")

EMBEDDERS = ROOT / "services/retrieval/embedders"
"""Speak OpenAI's embeddings, and so use its SDK too."""


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_below(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*.py")):
        yield from ((path, module) for module in imports_of(path))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_no_other_service(service: str) -> None:
    others = tuple(f"services.{name}" for name in SERVICES if name != service)
    found = [(p.name, m) for p, m in imports_below(ROOT / "services" / service) if m.startswith(others)]
    assert found == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_speaks_only_the_contracts_of_its_edges(service: str) -> None:
    modules = {m for _, m in imports_below(ROOT / "services" / service) if m.startswith("docuquery.")}
    assert modules, "a service without a contract is not one"
    assert {m.split(".")[1] for m in modules} <= CALLS[service] | {service, "common"}


def test_the_shared_runtime_knows_no_service() -> None:
    folders = ("libs", "libs/rpc", "libs/telemetry", "libs/doctor")
    files = [path for folder in folders for path in (ROOT / folder).glob("*.py")]
    assert files
    for path in files:
        for module in imports_of(path):
            assert not module.startswith("services"), path
            # The one thing both ends of a stream need, and callers install only the client.
            assert not module.startswith("docuquery_client") or "final_status" in module, path
            assert not module.startswith("docuquery.") or module.split(".")[1] == "common", path


def test_the_client_stands_alone() -> None:
    for path, module in imports_below(ROOT / "libs/client"):
        assert not module.startswith(("services", "libs")), path


@pytest.mark.parametrize(("owner", "packages"), OWNERS.items())
def test_sdks_stay_with_their_owner(owner: str, packages: set[str]) -> None:
    for service in set(SERVICES) - {owner}:
        for path, module in imports_below(ROOT / "services" / service):
            embeds = path.is_relative_to(EMBEDDERS) and module.split(".")[0] == "openai"
            assert embeds or module.split(".")[0] not in packages, path


@pytest.mark.parametrize("service", SERVICES)
def test_the_same_six_files_open_every_service(service: str) -> None:
    assert [name for name in SIX_FILES if not (ROOT / "services" / service / name).is_file()] == []


@pytest.mark.parametrize("service", SERVICES)
def test_only_the_composition_root_builds_the_servicer(service: str) -> None:
    importers = {
        path.name
        for path, module in imports_below(ROOT / "services" / service)
        if module == f"services.{service}.servicer"
    }
    assert importers == {"app.py"}


@pytest.mark.parametrize("service", SERVICES)
def test_the_packages_of_a_service_depend_on_each_other_in_one_direction(service: str) -> None:
    folder = ROOT / "services" / service
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    needs = {
        package: {
            module.split(".")[2]
            for _, module in imports_below(folder / package)
            if module.startswith(f"services.{service}.")
        }
        & (packages - {package})
        for package in packages
    }
    TopologicalSorter(needs).prepare()  # raises CycleError, which names the packages
