"""compose.yaml: settings there are, with values the services accept; every profile is whole."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.image.dockerfile import DOCKERFILE, ROOT, parse
from tests.unit.k8s.environments import FOREIGN, accepted
from tools.configuration import SERVICES

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = {
    name: found
    for name, found in COMPOSE["services"].items()
    if str(found.get("image", "")).startswith("docuquery:")
}


def service_of(name: str) -> str:
    """Which of the four services a container runs."""
    [command] = COMPOSE["services"][name]["command"]
    return str(command).removeprefix("services.")


def environment_of(name: str) -> dict[str, str]:
    """The variables of a container: the image's, then its own, with the defaults of `${NAME:-default}`."""
    image: dict[str, str] = {}
    for one in parse(DOCKERFILE.read_text()):
        if one.name == "ENV":
            image |= dict(word.split("=", 1) for word in one.words)
    own = COMPOSE["services"][name]["environment"]
    return image | {key: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)) for key, value in own.items()}


def running(profile: str) -> dict[str, str]:
    """The containers of a profile, by the name others find them under."""
    found = {}
    for name, service in COMPOSE["services"].items():
        if profile in service["profiles"]:
            aliases = service.get("networks", {}).get("default", {}).get("aliases", [])
            found |= dict.fromkeys([name, *aliases], name)
    return found


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_container_of_ours_has_settings_its_service_accepts(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SERVICES[service_of(name)]
    for field in settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    known = {str(field.validation_alias) for field in settings.model_fields.values()}
    own = {key for key in COMPOSE["services"][name]["environment"] if not FOREIGN.fullmatch(key)}
    assert own <= known
    values = {key: value for key, value in environment_of(name).items() if value}
    made = accepted(settings, values)
    assert made.port == settings.model_fields["port"].default
    assert made.health_port == 8081
    assert made.metrics_port == 9464
    drain = made.drain_seconds + made.drain_notice_seconds
    assert int(OURS[name]["stop_grace_period"].removesuffix("s")) > drain + 5


@pytest.mark.parametrize("profile", ["embedded", "full"])
def test_a_profile_runs_the_four_services_and_all_they_dial(profile: str) -> None:
    found = running(profile)
    ours = sorted(service_of(name) for name in set(found.values()) if name in OURS)
    assert ours == sorted(SERVICES)
    for name in found.values():
        if name in OURS:
            for key, value in environment_of(name).items():
                if dialled := re.match(r"(?:dns:///|https?://|redis://)([a-z-]+):\d+", value):
                    assert dialled[1] in found, f"{name}: {key}"
    assert {"qdrant", "redis"} <= set(found) if profile == "full" else not {"qdrant", "redis"} & set(found)


def test_only_loopback_is_published_and_ours_are_locked_down() -> None:
    for name, service in COMPOSE["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
    published = [name for name in OURS if "ports" in OURS[name]]
    assert {service_of(name) for name in published} == {"gateway"}
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_what_is_stored_lies_in_a_volume() -> None:
    for name in OURS:
        mounted = [volume.split(":")[1] for volume in OURS[name].get("volumes", [])]
        if service_of(name) in ("retrieval", "ingest"):
            variable = {"retrieval": "DATA_DIR", "ingest": "INGEST_SPOOL_DIR"}[service_of(name)]
            assert environment_of(name)[variable].startswith(tuple(f"{path}/" for path in mounted))


def test_images_of_others_are_pinned() -> None:
    for name, service in COMPOSE["services"].items():
        if name not in OURS:
            assert re.search(r":v?\d+\.\d+\.\d+", service["image"]), name


def test_prometheus_scrapes_all_four_and_gets_the_alerts_there_are(tmp_path: Path) -> None:
    config = yaml.safe_load(COMPOSE["configs"]["prometheus"]["content"])
    [job] = config["scrape_configs"]
    assert sorted(job["static_configs"][0]["targets"]) == sorted(f"{name}:9464" for name in SERVICES)
    [script] = COMPOSE["services"]["prometheus"]["command"]
    command = script.partition("&&")[0].replace("/rules.yaml", str(tmp_path / "rules.yaml"), 1)
    rules = ROOT / "k8s/components/monitoring/rules.yaml"
    (tmp_path / "rules.yaml").write_text(rules.read_text())
    target = tmp_path / "plain.yaml"
    subprocess.run(["sh", "-c", command.replace("/tmp/rules.yaml", str(target))], check=True)
    found: dict[str, Any] = yaml.safe_load(target.read_text())
    assert found == yaml.safe_load(rules.read_text())["spec"]


def test_files_that_are_mounted_exist_and_configs_are_yaml() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]
        for config in service.get("configs", []):
            assert yaml.safe_load(COMPOSE["configs"][config["source"]]["content"])
