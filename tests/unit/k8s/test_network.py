"""The network policies draw the edges of the architecture, and no others."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unit.architecture.edges import calls_between_services
from tests.unit.k8s.manifests import K8S, Build, builds, combination, combined, overlay
from tools.configuration import SERVICES

pytestmark = pytest.mark.externals

_PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"]
INTERNET, CALLERS, MONITORING, DNS = "the internet", "callers", "monitoring", "dns"


@dataclass(frozen=True, slots=True)
class Edge:
    """Who may open connections to whom, and where."""

    source: str
    target: str
    port: int


def guarded() -> list[Build]:
    """Builds with policies."""
    found = [build for build in builds() if build.has("NetworkPolicy", "default-deny")]
    assert found
    return found


def egress(build: Build) -> set[Edge]:
    """What pods may open by the policies of those who open it."""
    edges = set()
    for policy, names in _policies(build, "Egress"):
        for rule in policy["spec"].get("egress", ()):
            edges |= {
                Edge(name, peer, int(port["port"]))
                for name in names
                for entry in rule["to"]
                for peer in _peers(build, entry)
                for port in rule["ports"]
            }
    return edges


def ingress(build: Build) -> set[Edge]:
    """What pods may be sent by the policies of those who are called."""
    edges = set()
    for policy, names in _policies(build, "Ingress"):
        for rule in policy["spec"].get("ingress", ()):
            edges |= {
                Edge(peer, name, _number(build, name, port["port"]))
                for name in names
                for entry in rule["from"]
                for peer in _peers(build, entry)
                for port in rule["ports"]
            }
    return edges


def test_services_call_each_other_as_the_architecture_says_and_both_ends_allow_it() -> None:
    for build in guarded():
        for edges in (egress(build), ingress(build)):
            between = {edge for edge in edges if {edge.source, edge.target} <= set(SERVICES)}
            assert {(edge.source, edge.target) for edge in between} == calls_between_services(), build.name
            for edge in between:
                assert edge.port == _number(build, edge.target, "grpc"), edge


def test_every_edge_inside_is_allowed_at_both_ends() -> None:
    for build in guarded():
        inside = {pod.name for pod in build.pods()}
        opened = {edge for edge in egress(build) if edge.target in inside}
        taken = {edge for edge in ingress(build) if edge.source in inside}
        assert opened == taken, build.name


def test_stores_are_called_by_those_who_use_them_only() -> None:
    for build in guarded():
        edges = egress(build) | ingress(build)
        to_store = {(edge.source, edge.target) for edge in edges if edge.target in ("qdrant", "redis")}
        expected = set()
        if build.has("StatefulSet", "qdrant"):
            expected |= {("retrieval", "qdrant"), ("qdrant", "qdrant")}
            expected |= {("backup", "qdrant") for _ in build.kind("CronJob")}
        if build.has("StatefulSet", "redis"):
            expected |= {(pod.name, "redis") for pod in build.pods() if _uses_redis(pod.container)}
        assert to_store == expected, build.name


def test_only_those_who_call_models_get_out() -> None:
    for build in guarded():
        out = {edge for edge in egress(build) if edge.target == INTERNET}
        embeds = any(
            config["data"].get("EMBEDDING_PROVIDER") == "openai" for config in build.kind("ConfigMap")
        )
        assert {edge.source for edge in out} == ({"answer", "retrieval"} if embeds else {"answer"}), (
            build.name
        )
        assert {edge.port for edge in out} == {443}


def test_from_outside_only_the_gateway_is_called_and_metrics_are_read() -> None:
    for build in guarded():
        inside = {pod.name for pod in build.pods()}
        entering = {edge for edge in ingress(build) if edge.source not in inside}
        assert entering == {Edge(CALLERS, "gateway", _number(build, "gateway", "grpc"))} | {
            Edge(MONITORING, name, _number(build, name, "metrics")) for name in SERVICES
        }, build.name


def test_everything_resolves_names_and_services_send_traces() -> None:
    for build in guarded():
        edges = egress(build)
        assert {edge.source for edge in edges if edge.target == DNS} == {pod.name for pod in build.pods()}
        assert {edge.source for edge in edges if edge.target == MONITORING} == set(SERVICES)
        for config in build.kind("ConfigMap"):
            endpoint = config["data"].get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
            if endpoint:
                assert {f":{edge.port}" for edge in edges if edge.target == MONITORING} == {
                    endpoint[endpoint.rindex(":") :]
                }
                assert f".{MONITORING}:" in endpoint


def test_ports_of_others_are_set_in_one_place(tmp_path: Path) -> None:
    shutil.copytree(K8S, tmp_path / "k8s")
    ports = tmp_path / "k8s/components/network-policies/ports.yaml"
    ports.write_text(ports.read_text().replace('"443"', '"8443"').replace('"4318"', '"14318"'))
    build = combined(combination("embedded", "remote-embedding"), tmp_path / "k8s")
    edges = {(edge.source, edge.port) for edge in egress(build) if edge.target == INTERNET}
    assert edges == {("answer", 8443), ("retrieval", 8443)}
    assert {edge.port for edge in egress(build) if edge.target == MONITORING} == {14318}


def test_a_call_from_outside_arrives_under_a_name_the_gateway_can_prove() -> None:
    entries = 0
    for build in [overlay("prod"), combined(combination("qdrant", "gateway-ingress"))]:
        names = build.one("Certificate", "gateway-public")["spec"]["dnsNames"]
        service = build.one("Service", "gateway")["spec"]["ports"]
        ports = {port["port"] for port in service} | {port["name"] for port in service}
        for route in build.kind("GRPCRoute"):
            [backend] = route["spec"]["rules"][0]["backendRefs"]
            assert backend["name"] == "gateway"
            assert backend["port"] == _number(build, "gateway", "grpc")
            assert set(route["spec"]["hostnames"]) <= set(names)
            entries += 1
        for policy in build.kind("BackendTLSPolicy"):
            assert policy["spec"]["validation"]["hostname"] in names
        for rule in (rule for ingress in build.kind("Ingress") for rule in ingress["spec"]["rules"]):
            [path] = rule["http"]["paths"]
            assert path["backend"]["service"]["name"] == "gateway"
            assert path["backend"]["service"]["port"]["name"] in ports
            entries += 1
    assert entries == 2


def test_a_public_authority_is_asked_for_names_it_can_sign() -> None:
    """One that is of the cluster alone would be refused, and the others with it."""
    certificate = overlay("prod").one("Certificate", "gateway-public")["spec"]
    assert certificate["issuerRef"]["kind"] == "ClusterIssuer"
    assert [name for name in certificate["dnsNames"] if not name.endswith(".com")] == []


def test_programs_that_read_their_certificate_once_have_one_that_lasts() -> None:
    """Qdrant and Redis; ours read theirs again, so they keep what cert-manager gives by itself."""
    build = overlay("prod")
    for certificate in build.kind("Certificate"):
        name, spec = certificate["metadata"]["name"], certificate["spec"]
        assert ("renewBefore" in spec) == (name in ("qdrant", "redis")), name
        if "renewBefore" in spec:
            hours = [int(spec[key].removesuffix("h")) for key in ("duration", "renewBefore")]
            assert hours == [5 * 365 * 24, 5 * 365 * 12]


def test_whatever_no_policy_allows_is_denied() -> None:
    for build in guarded():
        assert build.one("NetworkPolicy", "default-deny")["spec"] == {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
        }


def _policies(build: Build, direction: str) -> list[tuple[dict[str, Any], list[str]]]:
    """The policies of a direction with the names of the pods they select."""
    return [
        (policy, _selected(build, policy["spec"]["podSelector"]))
        for policy in build.kind("NetworkPolicy")
        if direction in policy["spec"]["policyTypes"]
    ]


def _selected(build: Build, selector: dict[str, Any]) -> list[str]:
    wanted = set(selector.get("matchLabels", {}).items())
    assert set(selector) <= {"matchLabels"}
    return [pod.name for pod in build.pods() if wanted <= set(pod.labels.items())]


def _peers(build: Build, entry: dict[str, Any]) -> list[str]:
    match entry:
        case {"ipBlock": {"cidr": "0.0.0.0/0", "except": private}}:
            assert private == _PRIVATE
            return [INTERNET]
        case {"ipBlock": {"cidr": "169.254.20.10/32"}} if len(entry["ipBlock"]) == 1:
            return [DNS]  # NodeLocal DNSCache
        case {"namespaceSelector": {"matchLabels": labels}, "podSelector": {"matchLabels": pods}}:
            assert labels == {"kubernetes.io/metadata.name": "kube-system"}
            assert pods == {"k8s-app": "kube-dns"}
            return [DNS]
        case {"namespaceSelector": {"matchLabels": {"docuquery.io/calls-gateway": "true"}}}:
            return [CALLERS]
        case {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}:
            return [MONITORING]
        case {"podSelector": selector} if len(entry) == 1 and selector:
            return _selected(build, selector)
    raise AssertionError(entry)


def _number(build: Build, name: str, port: str | int) -> int:
    ports = {one["name"]: one["containerPort"] for one in build.pod(name).container["ports"]}
    return port if isinstance(port, int) else int(ports[port])


def _uses_redis(container: dict[str, Any]) -> bool:
    return any(variable["name"] == "STATE_URL" for variable in container.get("env", ()))
