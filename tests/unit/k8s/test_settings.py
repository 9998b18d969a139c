"""ConfigMaps hold settings there are, with values the services accept, and nothing secret."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from libs.settings import ServiceSettings
from services.gateway.settings import Settings as GatewaySettings
from services.ingest.settings import Settings as IngestSettings
from tests.unit.k8s.environments import FOREIGN, accepted, environment_of, mount_of, with_files
from tests.unit.k8s.manifests import ROOT, Build, Pod, builds, overlay
from tools.configuration import SERVICES

pytestmark = pytest.mark.externals

_FLUSH_SECONDS = 10.0
"""Closing a store and sending the last spans: 3 s at most for the spans (libs/telemetry/otel.py)."""


@pytest.fixture(scope="module")
def built() -> list[Build]:
    return list(builds())


@pytest.fixture(autouse=True)
def nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for settings in SERVICES.values():
        for field in settings.model_fields.values():
            monkeypatch.delenv(str(field.validation_alias), raising=False)


def services(build: Build) -> list[Pod]:
    return [build.pod(name) for name in SERVICES]


def settings_of(build: Build, name: str, root: Path) -> ServiceSettings:
    """What a service makes of its environment, with files in the place of Secrets."""
    pod = build.pod(name)
    values = environment_of(build, pod).everything
    return accepted(SERVICES[name], with_files(pod, values, root / build.name / name))


def test_every_variable_is_a_setting_of_its_service(built: list[Build]) -> None:
    for build in built:
        for pod in services(build):
            found = environment_of(build, pod)
            known = {str(field.validation_alias) for field in SERVICES[pod.name].model_fields.values()}
            names = {name for name in found.everything if not FOREIGN.fullmatch(name)} - found.helpers
            assert names <= known, f"{build.name}: {pod.name}"


def test_what_all_services_read_is_known_to_all(built: list[Build]) -> None:
    shared = {str(field.validation_alias) for field in ServiceSettings.model_fields.values()}
    for build in built:
        [config] = [
            one
            for one in build.kind("ConfigMap")
            if re.fullmatch(r"docuquery-[a-z0-9]{10}", one["metadata"]["name"])
        ]
        assert {name for name in config["data"] if not FOREIGN.fullmatch(name)} <= shared


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_a_service_accepts_its_whole_environment(name: str, tmp_path: Path) -> None:
    build = overlay(name)
    for service in SERVICES:
        settings = settings_of(build, service, tmp_path)
        assert settings.profile == name
        if name != "dev":
            assert settings.server_tls is not None
            assert settings.client_tls is not None


def test_every_value_is_one_its_setting_takes(built: list[Build], tmp_path: Path) -> None:
    for build in built:
        for service in SERVICES:
            pod = build.pod(service)
            values = environment_of(build, pod).everything
            if "TLS_CERT_FILE" not in values:
                values["ALLOW_PLAINTEXT"] = "true"  # the base alone leaves that to whoever builds on it
            if "API_KEYS_FILE" not in values:
                values["ALLOW_ANONYMOUS"] = "true"
            accepted(SERVICES[service], with_files(pod, values, tmp_path / build.name / service))


def test_ports_are_those_the_settings_name(tmp_path: Path) -> None:
    for build in map(overlay, ("dev", "staging", "prod")):
        for name in SERVICES:
            settings, container = settings_of(build, name, tmp_path), build.pod(name).container
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            assert ports == {
                "grpc": settings.port,
                "metrics": settings.metrics_port,
                "health": settings.health_port,
            }
            probes = [
                container[f"{kind}Probe"]["grpc"]["port"] for kind in ("startup", "liveness", "readiness")
            ]
            assert set(probes) == {settings.health_port}
            assert {settings.host, settings.health_host, settings.metrics_host} == {"0.0.0.0"}
            assert container["args"] == [f"services.{name}"]


def test_services_are_dialled_where_they_listen_by_names_their_certificates_hold(
    built: list[Build], tmp_path: Path
) -> None:
    for build in built:
        certificates = {one["spec"]["secretName"]: one["spec"] for one in build.kind("Certificate")}
        for pod in services(build):
            for variable, value in environment_of(build, pod).everything.items():
                if variable.endswith("_TARGET"):
                    name, port = re.fullmatch(r"dns:///([a-z]+):(\d+)", value).groups()  # type: ignore[union-attr]
                    [listed] = [
                        one["port"]
                        for one in build.one("Service", name)["spec"]["ports"]
                        if one["name"] == "grpc"
                    ]
                    assert listed == int(port), build.name
                    if certificates:
                        assert name in certificates[f"{name}-tls"]["dnsNames"], build.name


def test_the_end_of_a_pod_waits_for_the_drain(tmp_path: Path) -> None:
    for build in map(overlay, ("dev", "staging", "prod")):
        for name in SERVICES:
            settings, pod = settings_of(build, name, tmp_path), build.pod(name)
            before = pod.container["lifecycle"]["preStop"]["sleep"]["seconds"]
            longest = before + settings.drain_notice_seconds + settings.drain_seconds + _FLUSH_SECONDS
            assert pod.spec["terminationGracePeriodSeconds"] >= longest, f"{build.name}: {name}"
        gateway = settings_of(build, "gateway", tmp_path)
        assert isinstance(gateway, GatewaySettings)
        assert gateway.drain_seconds >= gateway.query_max_seconds


def test_the_spool_refuses_before_its_volume_is_full_and_memory_holds_the_workers(tmp_path: Path) -> None:
    for build in map(overlay, ("dev", "staging", "prod")):
        settings, pod = settings_of(build, "ingest", tmp_path), build.pod("ingest")
        assert isinstance(settings, IngestSettings)
        mount = mount_of(pod, environment_of(build, pod).plain["INGEST_SPOOL_DIR"])
        [volume] = [one for one in pod.spec["volumes"] if one["name"] == mount["name"]]
        size = _bytes(volume["emptyDir"]["sizeLimit"])
        assert size >= 2 * settings.spool_max_bytes
        limits = pod.container["resources"]["limits"]
        assert _bytes(limits["ephemeral-storage"]) > size
        assert _bytes(limits["memory"]) > settings.workers * settings.worker_memory_bytes


def test_a_replica_grants_its_share_of_a_limit(tmp_path: Path) -> None:
    for build in map(overlay, ("dev", "staging", "prod")):
        settings = settings_of(build, "gateway", tmp_path)
        assert isinstance(settings, GatewaySettings)
        scalers = [one["spec"] for one in build.kind("HorizontalPodAutoscaler")]
        least = [one["minReplicas"] for one in scalers if one["scaleTargetRef"]["name"] == "gateway"]
        assert settings.gateway_replicas == (least or [1])[0]


def test_replicas_that_an_autoscaler_adds_are_found(built: list[Build]) -> None:
    for build in built:
        if build.kind("HorizontalPodAutoscaler"):
            for pod in services(build):
                assert float(environment_of(build, pod).plain["MAX_CONNECTION_AGE_SECONDS"]) > 0


def test_what_replicas_share_is_given_to_all_who_can_use_it(built: list[Build]) -> None:
    with_redis = [build for build in built if build.has("StatefulSet", "redis")]
    assert with_redis
    sharing = {name for name, settings in SERVICES.items() if "state_url" in settings.model_fields}
    for build in with_redis:
        assert {
            pod.name for pod in services(build) if "STATE_URL" in environment_of(build, pod).plain
        } == sharing


def test_nothing_secret_stands_in_a_manifest(built: list[Build]) -> None:
    secret = {
        str(field.validation_alias)
        for settings in SERVICES.values()
        for field in settings.model_fields.values()
        if field.annotation is SecretStr
    }
    for build in built:
        assert build.kind("Secret") == []
        for config in build.kind("ConfigMap"):
            assert not secret & set(config["data"]), build.name
        for pod in build.pods():
            for variable in pod.container.get("env", ()):
                if variable["name"] in secret | {"REDIS_PASSWORD", "QDRANT__SERVICE__API_KEY"}:
                    value = variable.get("value", "")
                    assert "valueFrom" in variable or "$(" in value, f"{build.name}: {variable['name']}"


def test_every_secret_is_named_in_the_example_of_external_secrets() -> None:
    build = overlay("prod")
    fetched = {
        one["metadata"]["name"]: {entry["secretKey"] for entry in one["spec"]["data"]}
        for one in build.kind("ExternalSecret")
    }
    made = {one["spec"]["secretName"] for one in build.kind("Certificate")}
    for pod in build.pods():
        for name, key in _secrets(pod):
            assert name in made or key in fetched[name] or not key, f"{pod.name}: {name}/{key}"
            assert name in made or name in fetched


def test_the_version_is_one() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for build in builds():
        own = {pod.container["image"] for pod in build.pods() if "docuquery" in pod.container["image"]}
        assert {image.rpartition(":")[2] for image in own} == {version}, build.name


def _secrets(pod: Pod) -> list[tuple[str, str]]:
    """The Secrets a pod refers to, with the key where it names one."""
    references: list[dict[str, Any]] = [
        variable["valueFrom"]["secretKeyRef"]
        for variable in pod.container.get("env", ())
        if "secretKeyRef" in variable.get("valueFrom", {})
    ]
    found = [(reference["name"], reference["key"]) for reference in references]
    return found + [(one["secret"]["secretName"], "") for one in pod.spec["volumes"] if "secret" in one]


def _bytes(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * 1024 ** (["Ki", "Mi", "Gi"].index(unit) + 1)
