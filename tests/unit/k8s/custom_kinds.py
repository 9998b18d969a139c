"""Shapes of the kinds others bring to a cluster: cert-manager, two operators, the Gateway API.

Their schemas are not in the package that holds those of Kubernetes. What stands here is ours, written from
their documentation: the fields we use, which of them must be there, and of what type. It finds a misspelt or
missing field; it does not stand for the controllers' own validation.
"""

from __future__ import annotations

from typing import Any

Shape = Any
"""A type; a tuple of allowed values; [shape] for a list with at least one; {"field": shape} for an object,
where a name that ends in "?" may be missing."""

_ISSUER = {"name": str, "kind?": ("Issuer", "ClusterIssuer")}

SPECS: dict[tuple[str, str], Shape] = {
    ("cert-manager.io/v1", "Issuer"): {"selfSigned?": {}, "ca?": {"secretName": str}},
    ("cert-manager.io/v1", "Certificate"): {
        "secretName": str,
        "issuerRef": _ISSUER,
        "dnsNames?": [str],
        "commonName?": str,
        "isCA?": bool,
        "duration?": str,
        "renewBefore?": str,
        "usages?": [("server auth", "client auth")],
        "privateKey?": {"algorithm": ("RSA", "ECDSA", "Ed25519"), "rotationPolicy": ("Always", "Never")},
    },
    ("monitoring.coreos.com/v1", "ServiceMonitor"): {
        "selector": {"matchLabels": dict},
        "endpoints": [{"port": str, "interval?": str}],
    },
    ("monitoring.coreos.com/v1", "PrometheusRule"): {
        "groups": [
            {
                "name": str,
                "rules": [
                    {"alert": str, "expr": str, "for?": str, "labels": dict, "annotations": dict},
                ],
            }
        ]
    },
    ("gateway.networking.k8s.io/v1", "GRPCRoute"): {
        "parentRefs": [{"name": str, "namespace?": str}],
        "hostnames": [str],
        "rules": [{"backendRefs": [{"name": str, "port": int}]}],
    },
    ("gateway.networking.k8s.io/v1", "BackendTLSPolicy"): {
        "targetRefs": [{"group": str, "kind": str, "name": str}],
        "validation": {"hostname": str, "wellKnownCACertificates": ("System",)},
    },
    ("external-secrets.io/v1", "ExternalSecret"): {
        "secretStoreRef": {"kind": ("SecretStore", "ClusterSecretStore"), "name": str},
        "refreshInterval": str,
        "data": [{"secretKey": str, "remoteRef": {"key": str, "property": str}}],
    },
}


def is_custom(found: dict[str, Any]) -> bool:
    """Whether the object's kind is one of those."""
    return (found["apiVersion"], found["kind"]) in SPECS


def faults(found: dict[str, Any]) -> list[str]:
    """What is wrong with an object of such a kind; a line each."""
    shape = {
        "apiVersion": str,
        "kind": str,
        "metadata": {"name": str, "namespace?": str, "labels?": dict, "annotations?": dict},
        "spec": SPECS[found["apiVersion"], found["kind"]],
    }
    return _faults(found, shape, found["kind"])


def _faults(value: Any, shape: Shape, where: str) -> list[str]:
    match shape:
        case type():
            return [] if isinstance(value, shape) else [f"{where}: {value!r} is no {shape.__name__}"]
        case tuple():
            return [] if value in shape else [f"{where}: {value!r} is none of {', '.join(shape)}"]
        case [inner]:
            if not isinstance(value, list) or not value:
                return [f"{where}: must be a list with something in it"]
            return [line for i, one in enumerate(value) for line in _faults(one, inner, f"{where}.{i}")]
        case dict():
            if not isinstance(value, dict):
                return [f"{where}: {value!r} is no object"]
            known = {name.rstrip("?"): inner for name, inner in shape.items()}
            missing = [name for name in shape if not name.endswith("?") and name not in value]
            lines = [f"{where}: {name} is missing" for name in missing]
            lines += [f"{where}: {name} is not known" for name in value if name not in known]
            for name in value.keys() & known.keys():
                lines += _faults(value[name], known[name], f"{where}.{name}")
            return lines
    raise TypeError(shape)
