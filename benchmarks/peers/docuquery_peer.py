"""DocuQuery on the same job: four services over the same server, through the public API."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.gateway_processes import QUIET
from benchmarks.peers.job import RANKED, Job, Outcome, Way
from benchmarks.processes import resident_mib
from docuquery.common.v1.passage_pb2 import SEARCH_MODE_DENSE, SEARCH_MODE_HYBRID
from docuquery_client.client import AsyncDocuQuery
from docuquery_client.evaluation.beir import CorpusDocument, RetrievalDataset
from docuquery_client.evaluation.upload import source_of, upload, write_files
from docuquery_client.stack import start_stack, wait_until_whole
from libs.version import program_version

_NAME = "peers"
_MODES = {"hybrid": SEARCH_MODE_HYBRID, "dense": SEARCH_MODE_DENSE}


async def run(job: Job, work: Path) -> Outcome:
    """Uploads, asks. Raises SystemExit when a document was refused."""
    dataset = RetrievalDataset(_NAME, tuple(CorpusDocument(*document) for document in job.documents), ())
    ids = {source_of(_NAME, document.id): document.id for document in dataset.documents}
    (work / "files").mkdir()
    env = QUIET | {
        "VECTOR_STORE": "qdrant",
        "QDRANT_URL": f"http://127.0.0.1:{job.grpc_port}",
        "DATA_DIR": f"{work}/data",
        "INGEST_SPOOL_DIR": f"{work}/spool",
        "CHUNK_SIZE": str(job.chunk_characters),
        "CHUNK_OVERLAP": str(job.overlap_characters),
        "QUESTION_MAX_CHARACTERS": "4000",
        "LLM_PROVIDER": "extractive",
        "LOG_LEVEL": "WARNING",
    }
    stack = await start_stack(env, cwd=work)
    async with stack, AsyncDocuQuery(stack.addresses["gateway"]) as client:
        await wait_until_whole(client)
        began = time.perf_counter()
        files = write_files(dataset, work / "files")
        uploaded = await upload(client, files, max_in_flight=16, on_finished=lambda: None)
        seconds = time.perf_counter() - began
        if uploaded.failures:
            raise SystemExit(f"{len(uploaded.failures)} documents were refused")
        chunks = (await client.get_stats()).chunk_count
        ways = {}
        for name, mode in _MODES.items():
            rankings, latencies = {}, []
            for key, text in job.queries:
                found = await client.search(text, limit=RANKED, mode=mode, rerank=False, max_per_document=1)
                rankings[key] = [ids[passage.source] for passage in found.passages]
            for _, text in job.queries:
                began = time.perf_counter()
                await client.search(text, limit=RANKED, mode=mode, rerank=False)
                latencies.append((time.perf_counter() - began) * 1e3)
            ways[name] = Way(latencies, rankings)
        memory = sum(resident_mib(process.pid) for process in stack.processes.values())
    return Outcome({"docuquery": program_version()}, seconds, chunks, memory, ways)


def main() -> None:
    """Reads the job, writes the outcome."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Job.read(Path(sys.argv[1])), Path(folder))).write(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
