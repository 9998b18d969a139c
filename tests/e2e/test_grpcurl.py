"""Every command of docs/grpcurl.md works as printed, and together they show every public call, both ways."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from docuquery.gateway.v1 import admin_service_pb2, docuquery_service_pb2
from docuquery_client import Tls
from docuquery_client.stack import Ports, start_stack
from tests.certificates import Authority
from tests.e2e.commands import commands_of, method_of, run
from tests.e2e.support import ROOT, require, running_system

PAGE = (ROOT / "docs" / "grpcurl.md").read_text()
PLAIN, WITH_TLS = PAGE.split("## With TLS")
NAME = "docuquery.example.com"


@pytest.mark.parametrize("program", ["grpcurl", "buf curl"])
def test_the_page_shows_every_public_call(program: str) -> None:
    public = {
        f"{service.name}/{method.name}"
        for module in (docuquery_service_pb2, admin_service_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert {method_of(command) for command in commands_of(PLAIN, program)} - {""} == public


@pytest.mark.externals
async def test_every_command_works(tmp_path: Path) -> None:
    programs = [name for name in ("grpcurl", "buf") if require(name)]
    async with running_system(tmp_path) as system:
        addresses = {
            f"localhost:{port}": system.stack.addresses[name]
            for name, port in (("gateway", 50051), ("retrieval", 50053), ("answer", 50054))
        }
        ids: dict[str, str] = {}
        for command in commands_of(PLAIN, "grpcurl", "buf curl"):
            assert command.split()[0] in programs
            done = await run(command, {**addresses, **ids})
            assert done.code == 0, f"{command}\n{done.said}"
            assert done.out.strip(), command
            if method_of(command).endswith("/UploadDocument"):
                ids["$DOCUMENT_ID"] = json.loads(done.out)["document"]["documentId"]
            if command.startswith("buf") and "UploadDocuments" in command:
                ids["$OTHER_DOCUMENT_ID"] = done.out.rpartition('"documentId": "')[2][:36]
        # An error arrives with its details, in words.
        wrong = 'grpcurl -plaintext -d \'{"documentId": "x"}\' localhost:50051 '
        done = await run(wrong + "docuquery.gateway.v1.DocuQueryService/GetDocument", addresses)
        assert done.code != 0
        assert "INVALID_REQUEST" in done.said
        assert "document_id" in done.said


@pytest.mark.externals
async def test_four_services_and_their_callers_prove_themselves_to_each_other(tmp_path: Path) -> None:
    """MTLS everywhere; the page's commands get through, strangers and plain text do not."""
    for name in ("grpcurl", "buf"):
        require(name)
    internal, public = Authority(tmp_path / "internal"), Authority(tmp_path / "public", "public")
    service = internal.issue("service", hosts=("services.internal",))
    gateway = public.issue("gateway", hosts=(NAME,))
    me, stranger = public.issue("me"), internal.issue("stranger")
    settings = {
        "PROFILE": "staging",
        "DATA_DIR": str(tmp_path / "data"),
        "INGEST_SPOOL_DIR": str(tmp_path / "spool"),
        "TLS_CERT_FILE": str(service.cert),
        "TLS_KEY_FILE": str(service.key),
        "TLS_CA_FILE": str(internal.ca),
        "TLS_SERVER_NAME": "services.internal",
        "GATEWAY_TLS_CERT_FILE": str(gateway.cert),
        "GATEWAY_TLS_KEY_FILE": str(gateway.key),
        "GATEWAY_TLS_CLIENT_CA_FILE": str(public.ca),
        "OPENAI_API_KEY": "",
        "ANTHROPIC_API_KEY": "",
    }
    tls = Tls(public.ca, me.cert, me.key, NAME)
    for link, target in (("ca.pem", public.ca), ("me.pem", me.cert), ("me.key", me.key)):
        (tmp_path / link).symlink_to(target)
    async with await start_stack(settings, Ports.free(), tls=tls) as stack:
        there = {"localhost:50051": stack.addresses["gateway"]}
        for command in commands_of(WITH_TLS, "grpcurl", "buf curl", "docuquery"):
            done = await run(command, there, tmp_path)
            assert done.code == 0, f"{command}\n{done.said}"
            assert done.said.count("SERVING") == 5 or "retrieval" in done.said, done.said
        status = commands_of(WITH_TLS, "docuquery")[0]
        for refused in (
            status.replace("--cert me.pem --key me.key ", ""),
            status.replace("me.", str(stranger.cert.with_suffix("")) + "."),
            status.replace("--ca ca.pem", f"--ca {internal.ca}"),
            f"docuquery --address {stack.addresses['gateway']} status",
        ):
            assert (await run(refused, there, tmp_path)).code == 1, refused
        # A caller of the gateway's is a stranger to the services behind it.
        for name in ("retrieval", "answer", "ingest"):
            call = (
                f"grpcurl -cacert {internal.ca} -authority services.internal {{}} {stack.addresses[name]} "
                "grpc.health.v1.Health/Check"
            )
            ours, *others = await asyncio.gather(
                run(call.format(f"-cert {service.cert} -key {service.key}"), {}),
                run(call.format(f"-connect-timeout 2 -cert {me.cert} -key {me.key}"), {}),
                run(call.format("-connect-timeout 2"), {}),
            )
            assert ours.code == 0, ours.said
            assert all(other.code != 0 for other in others), name
