"""Supervision of services as processes, with small stand-ins for them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from docuquery_client import ApiError, AsyncDocuQuery
from docuquery_client.stack import Ports, service_specs, wait_until_whole
from docuquery_client.supervision import ServiceSpec, Stack, StackError

ROOT = Path(__file__).parents[2]
STANDIN = (sys.executable, str(Path(__file__).with_name("client_standin.py")))


def spec(name: str, port: int, **behaviour: str) -> ServiceSpec:
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "libs/gen"), str(ROOT / "libs/client")]),
        "STANDIN_NAME": name,
        "STANDIN_PORT": str(port),
        **{f"STANDIN_{key.upper()}": value for key, value in behaviour.items()},
    }
    return ServiceSpec(name, STANDIN, f"127.0.0.1:{port}", env)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def running(pid: int) -> bool:
    """Whether the process runs: an orphan that nobody has waited for stays as a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_services_start_are_healthy_and_stop_in_the_opposite_order() -> None:
    ports, lines = Ports.free(), []
    specs = [spec("retrieval", ports.retrieval, delay="0.3"), spec("gateway", ports.gateway, word="hello")]
    async with Stack(specs, on_line=lambda name, line: lines.append((name, line))) as stack:
        await stack.start()
        await stack.wait_healthy(20)
        assert stack.addresses == {
            "retrieval": f"127.0.0.1:{ports.retrieval}",
            "gateway": f"127.0.0.1:{ports.gateway}",
        }
        pids = [process.pid for process in stack.processes.values()]
        assert all(alive(pid) for pid in pids)
        async with AsyncDocuQuery(stack.addresses["gateway"]) as client:
            system = await wait_until_whole(client, 10)
        assert system.components[0].name == "gateway"
        codes = await stack.stop()
    assert codes == {"gateway": 0, "retrieval": 0}
    assert not any(alive(pid) for pid in pids)
    assert ("gateway", "gateway serves with hello") in lines  # standard error is shown as well
    assert [line for line in lines if line[1].endswith("stopped")] == [
        ("gateway", "gateway stopped"),
        ("retrieval", "retrieval stopped"),
    ]
    assert list(stack.processes["retrieval"].lines) == [
        "retrieval starts", "retrieval serves with nothing", "retrieval stopped",
    ]  # fmt: skip


async def test_a_service_that_dies_while_starting_ends_the_wait_with_its_last_lines() -> None:
    ports = Ports.free()
    specs = [
        spec("retrieval", ports.retrieval, delay="20"),
        spec("answer", ports.answer, dies="answer:0.1", delay="0"),
    ]
    async with Stack(specs) as stack:
        await stack.start()
        with pytest.raises(StackError) as caught:
            # Healthy for a moment, then gone, while the other is not healthy yet.
            await stack.wait_healthy(20)
    assert "The answer service ended with exit code 3" in str(caught.value)
    assert "answer gives up" in str(caught.value)
    assert not any(alive(process.pid) for process in stack.processes.values())


async def test_a_service_that_is_not_healthy_in_time_is_named() -> None:
    ports = Ports.free()
    specs = [spec("retrieval", ports.retrieval), spec("answer", ports.answer, delay="30")]
    async with Stack(specs) as stack:
        await stack.start()
        await stack.wait_healthy(20, ["retrieval"])
        with pytest.raises(StackError, match=r"Not healthy after 0\.3 s: answer\."):
            await stack.wait_healthy(0.3)


async def test_a_killed_service_is_noticed_and_can_be_started_again_at_its_address() -> None:
    port = Ports.free().ingest
    async with Stack([spec("ingest", port)]) as stack:
        await stack.start()
        await stack.wait_healthy(20)
        first = stack.processes["ingest"]
        with pytest.raises(StackError, match="running already"):
            await stack.start_service("ingest")
        first.kill()
        ended = await asyncio.wait_for(stack.wait_for_exit(), 10)
        assert (ended.name, ended.returncode) == ("ingest", -signal.SIGKILL)
        second = await stack.start_service("ingest")
        await stack.wait_healthy(20)
        assert second.pid != first.pid


async def test_a_service_that_does_not_stop_is_killed() -> None:
    port = Ports.free().ingest
    stack = Stack([spec("ingest", port, stubborn="yes")])
    await stack.start()
    await stack.wait_healthy(20)
    started = time.monotonic()
    assert await stack.stop(grace_seconds=0.5) == {"ingest": -signal.SIGKILL}
    assert time.monotonic() - started < 5
    assert stack.processes["ingest"].lines[-1] == "did not stop within 0.5 s, killed"


async def test_children_of_a_service_do_not_outlive_it() -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    lines: asyncio.Queue[str] = asyncio.Queue()
    parent = ServiceSpec("parent", (sys.executable, "-c", code), "127.0.0.1:1", dict(os.environ))
    async with Stack([parent], on_line=lambda _name, line: lines.put_nowait(line)) as stack:
        await stack.start()
        child = int(await asyncio.wait_for(lines.get(), 10))
        assert alive(child)
    end = time.monotonic() + 5
    while running(child):
        assert time.monotonic() < end, "the child is still running"
        await asyncio.sleep(0.02)


async def test_lines_of_any_length_and_encoding_are_passed_on() -> None:
    code = (
        "import sys\n"
        "sys.stdout.buffer.write(b'x' * 300_000 + b'\\r\\n' + b'caf\\xe9\\n' + b'no end of line')\n"
    )
    talker = ServiceSpec("talker", (sys.executable, "-c", code), "127.0.0.1:1", dict(os.environ))
    async with Stack([talker]) as stack:
        await stack.start()
        ended = await stack.wait_for_exit()
    assert list(ended.lines) == ["x" * 300_000, "caf\ufffd", "no end of line"]


async def test_a_command_that_cannot_be_run_is_told() -> None:
    async with Stack([ServiceSpec("ghost", ("/no/such/program",), "127.0.0.1:1")]) as stack:
        with pytest.raises(StackError, match="ghost cannot be started"):
            await stack.start()


async def test_a_gateway_that_never_answers_is_not_whole() -> None:
    async with AsyncDocuQuery("127.0.0.1:1") as client:
        with pytest.raises(ApiError, match=r"No DocuQuery server|No answer from"):
            await wait_until_whole(client, 0.3)


def test_services_get_their_ports_and_the_addresses_of_each_other() -> None:
    env = {"GATEWAY_HOST": "0.0.0.0", "INGEST_HOST": "::1", "INGEST_TARGET": "elsewhere:1", "KEPT": "yes"}
    specs = service_specs(Ports(1, 2, 3, 4), env)
    assert [spec.name for spec in specs] == ["retrieval", "answer", "ingest", "gateway"]
    assert {spec.name: spec.address for spec in specs} == {
        "gateway": "127.0.0.1:1",
        "ingest": "[::1]:2",
        "retrieval": "127.0.0.1:3",
        "answer": "127.0.0.1:4",
    }
    assert specs[3].command == (
        sys.executable, "-m", "docuquery_client.tethered", str(os.getpid()), "services.gateway",
    )  # fmt: skip
    expected = {
        "GATEWAY_PORT": "1", "INGEST_PORT": "2", "RETRIEVAL_PORT": "3", "ANSWER_PORT": "4",
        "INGEST_TARGET": "[::1]:2", "RETRIEVAL_TARGET": "127.0.0.1:3", "ANSWER_TARGET": "127.0.0.1:4",
        "GATEWAY_HOST": "0.0.0.0", "KEPT": "yes",
    }  # fmt: skip
    for made in specs:
        assert {key: made.env.get(key) for key in expected} == expected
