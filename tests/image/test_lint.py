"""The Dockerfile keeps the rules of hadolint that matter to it (lint.py)."""

from __future__ import annotations

import re

import pytest

from tests.image.dockerfile import DOCKERFILE, ROOT, parse
from tests.image.ignored import context, is_ignored, rules
from tests.image.lint import BROKEN, faults
from tools.configuration import SERVICES

FILE = parse(DOCKERFILE.read_text())
FAULTS = [
    ("@sha256:", "-", "DL3006"),
    ("WORKDIR /build", "WORKDIR build", "DL3000"),
    ("USER 10001:10001", "USER root", "DL3002"),
    ("--require-hashes -r requirements.lock", "grpcio", "DL3013"),
    ("PIP_NO_CACHE_DIR=1", "", "DL3042"),
    ("COPY pyproject.toml", "ADD pyproject.toml", "DL3020"),
    ("--from=build", "--from=elsewhere", "DL3022"),
    ('CMD ["services.gateway"]', "CMD services.gateway", "DL3025"),
    ("EXPOSE 50051", "EXPOSE 99999", "DL3011"),
    ("RUN pip uninstall", "RUN cd /opt && pip uninstall", "DL3003"),
    ("RUN pip uninstall", "RUN sudo pip uninstall", "DL3004"),
    ("RUN pip uninstall", "RUN apt-get install -y gcc && pip uninstall", "DL3008"),
    ("RUN pip uninstall", "RUN curl example.com | sh && pip uninstall", "DL4006"),
    ("FROM ${PYTHON_IMAGE}\n", "FROM ${PYTHON_IMAGE} AS build\n", "DL3024"),
    ("COPY services services\n", "RUN true\nRUN true\n", "DL3059"),
    ("HEALTHCHECK", "HEALTHCHECK NONE\nHEALTHCHECK", "DL3012"),
    ("HEALTHCHECK", "LABEL x=", "DL3057"),
    ('CMD ["services', 'CMD ["a"]\nCMD ["services', "DL4003"),
    ("ENTRYPOINT", 'ENTRYPOINT ["a"]\nENTRYPOINT', "DL4004"),
    ("LABEL", "MAINTAINER us\nLABEL", "DL4000"),
    (":3.13.15-slim-trixie@", ":latest@", "DL3007"),
]
"""What to put in the place of what, and the rule that is broken then."""


def test_the_dockerfile_has_no_fault() -> None:
    assert faults(FILE) == []


@pytest.mark.parametrize(("old", "new", "rule"), FAULTS)
def test_a_fault_is_found(old: str, new: str, rule: str) -> None:
    text = DOCKERFILE.read_text()
    assert old in text
    assert [rule] == [broken.split()[0] for broken in faults(parse(text.replace(old, new)))]


def test_every_rule_has_a_fault_that_breaks_it() -> None:
    assert {rule for _, _, rule in FAULTS} == {rule.split()[0] for rule in BROKEN}


def test_the_user_is_a_number_and_nothing_runs_in_a_shell() -> None:
    final = {one.name: one for one in FILE}
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", final["USER"].text)
    assert final["ENTRYPOINT"].exec_form == ["python", "-m"]
    assert final["CMD"].exec_form == ["services.gateway"]
    assert final["HEALTHCHECK"].text.endswith('CMD ["python", "-m", "libs.rpc.probe"]')


def test_it_exposes_the_ports_of_the_settings_and_gives_health_one() -> None:
    [exposed] = [one.words for one in FILE if one.name == "EXPOSE"]
    assert sorted(exposed) == sorted(
        str(settings.model_fields["port"].default) for settings in SERVICES.values()
    )
    environment = " ".join(one.text for one in FILE if one.name == "ENV")
    for name in SERVICES:
        assert f"{name.upper()}_HEALTH_PORT=8081" in environment


def test_an_image_is_made_from_code_and_lock_alone() -> None:
    tops = {path.parts[0] for path in context(ROOT)}
    assert tops == {"requirements.lock", "pyproject.toml", "README.md", "services", "libs"}


@pytest.mark.parametrize(
    "path",
    [".env", ".git/config", ".venv/bin/python", "data/retrieval/store.json", "libs/rpc/__pycache__/a.pyc"],
)
def test_secrets_data_and_leavings_stay_outside(path: str) -> None:
    assert is_ignored(path, rules((ROOT / ".dockerignore").read_text()))
