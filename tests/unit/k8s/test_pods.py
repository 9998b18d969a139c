"""What every pod must be, in every overlay and with every component."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from libs.rpc.health import LIVENESS, READINESS
from tests.unit.k8s.manifests import ROOT, Build, Pod, builds, overlay
from tools.configuration import SERVICES

pytestmark = pytest.mark.externals

_PINNED = re.compile(r".+:v?\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$")
_SERVING = ("Deployment", "StatefulSet")


@pytest.fixture(scope="module")
def built() -> list[Build]:
    return list(builds())


def all_pods(built: list[Build], *kinds: str) -> Iterator[tuple[str, Pod, Build]]:
    found = [(f"{build.name}: {pod.name}", pod, build) for build in built for pod in build.pods(*kinds)]
    assert found
    yield from found


def test_a_pod_keeps_to_the_restricted_standard(built: list[Build]) -> None:
    for where, pod, _ in all_pods(built):
        whole, own = pod.spec["securityContext"], pod.container["securityContext"]
        assert whole["runAsNonRoot"] is True, where
        assert whole["runAsUser"] > 0, where
        assert whole["runAsGroup"] > 0, where
        assert whole["seccompProfile"] == {"type": "RuntimeDefault"}, where
        assert own == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, where
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod.spec), where
        allowed = {"name", "emptyDir", "secret", "configMap", "ephemeral", "persistentVolumeClaim"}
        assert all(set(volume) <= allowed for volume in pod.spec.get("volumes", ())), where
    for build in built:
        [namespace] = build.kind("Namespace")
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_no_pod_has_a_token_or_variables_of_services(built: list[Build]) -> None:
    for where, pod, build in all_pods(built):
        assert pod.spec["automountServiceAccountToken"] is False, where
        assert pod.spec["enableServiceLinks"] is False, where
        account = build.one("ServiceAccount", pod.spec["serviceAccountName"])
        assert account["automountServiceAccountToken"] is False, where


def test_images_are_pinned_to_a_version_and_others_by_digest(built: list[Build]) -> None:
    for where, pod, _ in all_pods(built):
        image = pod.container["image"]
        assert _PINNED.match(image), where
        assert "@sha256:" in image or image.split(":")[0].endswith("docuquery"), where


def test_every_service_is_probed_by_the_names_its_code_answers_to(built: list[Build]) -> None:
    for where, pod, _ in all_pods(built, *_SERVING):
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert kind in pod.container, where
        if pod.name in SERVICES:
            container = pod.container
            assert container["startupProbe"]["grpc"]["service"] == LIVENESS
            assert container["livenessProbe"]["grpc"]["service"] == LIVENESS
            assert container["readinessProbe"]["grpc"]["service"] == READINESS


def test_a_pod_may_use_what_it_needs_and_no_more(built: list[Build]) -> None:
    for where, pod, _ in all_pods(built):
        resources = pod.container["resources"]
        assert {"cpu", "memory"} <= set(resources["requests"]), where
        # Memory over the limit ends the pod; processor time is shared by requests, and a limit only delays.
        assert "memory" in resources["limits"], where
        assert "cpu" not in resources["limits"], where
        for volume in pod.spec["volumes"]:
            if "emptyDir" in volume:
                assert "sizeLimit" in volume["emptyDir"], f"{where}: {volume['name']}"


def test_mounts_and_volumes_belong_together(built: list[Build]) -> None:
    for where, pod, _ in all_pods(built):
        claims = pod.owner["spec"].get("volumeClaimTemplates", ())
        volumes = [volume["name"] for volume in pod.spec["volumes"]]
        volumes += [claim["metadata"]["name"] for claim in claims]
        mounts = [mount["name"] for mount in pod.container["volumeMounts"]]
        assert sorted(volumes) == sorted(mounts), where
        assert len(set(volumes)) == len(volumes), where


def test_replicas_of_a_service_are_spread(built: list[Build]) -> None:
    for where, pod, build in all_pods(built, *_SERVING):
        if build.has("HorizontalPodAutoscaler", pod.name) or pod.owner["spec"].get("replicas", 1) > 1:
            keys = {one["topologyKey"] for one in pod.spec["topologySpreadConstraints"]}
            assert "kubernetes.io/hostname" in keys, where
            for one in pod.spec["topologySpreadConstraints"]:
                assert _selects(one["labelSelector"], pod.labels), where


def test_everything_that_serves_has_a_disruption_budget(built: list[Build]) -> None:
    for where, pod, build in all_pods(built, *_SERVING):
        budgets = [
            budget
            for budget in build.kind("PodDisruptionBudget")
            if _selects(budget["spec"]["selector"], pod.labels)
        ]
        assert [budget["spec"]["maxUnavailable"] for budget in budgets] == [1], where


def test_selectors_match_the_labels_of_one_pod(built: list[Build]) -> None:
    for build in built:
        pods = build.pods(*_SERVING)
        for pod in pods:
            assert _selects(pod.owner["spec"]["selector"], pod.labels), build.name
        for service in build.kind("Service"):
            chosen = [
                pod for pod in pods if _selects({"matchLabels": service["spec"]["selector"]}, pod.labels)
            ]
            assert [pod.name for pod in chosen] == [service["metadata"]["name"]], build.name
            assert service["spec"]["clusterIP"] == "None", build.name
            [pod] = chosen
            ports = {port["name"]: port["containerPort"] for port in pod.container["ports"]}
            for port in service["spec"]["ports"]:
                assert ports[port["targetPort"]] == port["port"], build.name


def test_an_autoscaler_has_its_target_to_itself(built: list[Build]) -> None:
    for build in built:
        for scaler in build.kind("HorizontalPodAutoscaler"):
            reference, spec = scaler["spec"]["scaleTargetRef"], scaler["spec"]
            target = build.one(reference["kind"], reference["name"])
            assert target["apiVersion"] == reference["apiVersion"]
            # Applying a number of replicas would undo what the autoscaler found right.
            assert "replicas" not in target["spec"], build.name
            assert 2 <= spec["minReplicas"] <= spec["maxReplicas"], build.name


def test_the_embedded_store_is_one_pod_with_a_volume(built: list[Build]) -> None:
    embedded = [build for build in built if build.has("StatefulSet", "retrieval")]
    assert embedded
    for build in embedded:
        spec = build.one("StatefulSet", "retrieval")["spec"]
        assert spec["replicas"] == 1
        assert build.has("Service", spec["serviceName"])
        assert not build.has("HorizontalPodAutoscaler", "retrieval")
        assert not build.has("Deployment", "retrieval")
        [claim] = spec["volumeClaimTemplates"]
        assert claim["spec"]["resources"]["requests"]["storage"]
    others = [build for build in built if build not in embedded]
    assert others
    assert all(build.has("Deployment", "retrieval") for build in others)


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    assert set(selector) == {"matchLabels"}
    return set(selector["matchLabels"].items()) <= set(labels.items())


def test_the_picture_of_a_cluster_shows_as_many_pods_as_production_has() -> None:
    cluster = (ROOT / "docs" / "images" / "growth.svg").read_text().partition("<!-- a cluster -->")[2]
    drawn = dict(re.findall(r">(gateway|ingest|retrieval|answer)</text>\s*<text[^>]*>(\d+ to \d+)", cluster))
    scalers = {name: overlay("prod").one("HorizontalPodAutoscaler", name)["spec"] for name in SERVICES}
    assert drawn == {name: f"{one['minReplicas']} to {one['maxReplicas']}" for name, one in scalers.items()}
    assert f"{overlay('prod').one('StatefulSet', 'qdrant')['spec']['replicas']} nodes" in cluster
