"""What to check where retrieval runs: `python -m services.retrieval.doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from libs.clock import Clock
from libs.doctor import machine, network
from libs.doctor.finding import Finding, Level, error, ok, warning
from libs.doctor.run import main
from libs.errors import DocuQueryError
from services.retrieval.app import EMBEDDERS
from services.retrieval.settings import Settings
from services.retrieval.store.edge.manifest import exclusive, read_manifest
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.terms.bm25 import Bm25Encoder


async def checks(settings: Settings, clock: Clock) -> Sequence[Finding]:
    """The store, whether it fits the embedder that is set, and what is asked over the network."""
    embedder, space = await _embedder(settings, clock)
    found = [embedder]
    if settings.vector_store == "edge":
        found += await _embedded(settings, space, clock)
    else:
        found += await _qdrant(settings)
    if settings.reranker == "http":
        advice = "Start the reranker, or correct RERANK_URL. Searches go on without it."
        found.append(await network.address("the reranker", settings.rerank_url, advice))
    return found


async def _embedder(settings: Settings, clock: Clock) -> tuple[Finding, VectorSpace | None]:
    """Whether the embedder can be opened, and the space its vectors are in."""
    provider = settings.embedding_provider
    async with AsyncExitStack() as stack:
        try:
            embedder = await stack.enter_async_context(EMBEDDERS[provider](settings, clock))
            await embedder.embed_query("doctor")
        except DocuQueryError as failure:
            advice = "Correct the EMBEDDING_* settings, or start the endpoint. Words are searched meanwhile."
            return error("embedder", f"{provider}: {failure.message}", advice), None
        except (ValueError, OSError, ImportError) as failure:
            return error("embedder", f"{provider}: {failure}", "Correct the EMBEDDING_* settings."), None
        space = VectorSpace(embedder.name, embedder.dimensions, Bm25Encoder(settings.bm25_language).name)
        return ok("embedder", f"{embedder.name}, {embedder.dimensions} dimensions"), space


async def _embedded(settings: Settings, space: VectorSpace | None, clock: Clock) -> list[Finding]:
    folder = settings.data_dir
    found = [machine.disk(folder, "the store")]
    writable = machine.writable(folder, "the store", "DATA_DIR")
    if writable.level is not Level.OK:
        return [*found, writable]
    try:
        manifest = read_manifest(folder)
    except DocuQueryError as failure:
        return [*found, error("store", failure.message, "Run the version it was written by, or upgrade.")]
    if manifest is None:
        found.append(ok("store", f"{folder} is empty: the first start makes a store"))
    elif space is not None and not manifest.spaces.is_whole(space):
        found.append(_other_vectors(settings, manifest.space, space))
    else:
        found.append(ok("store", f"{folder} fits the embedder and the word index"))
    found.append(await _lock(settings, clock))
    return found


def _other_vectors(settings: Settings, stored: VectorSpace, wanted: VectorSpace) -> Finding:
    told = f"{settings.data_dir} is searched by {stored}, the settings ask for {wanted}"
    if settings.reindex == "background":
        return warning(
            "store", f"{told}, and it changes over to them", "`docuquery status` shows how far it is."
        )
    return error(
        "store",
        told,
        "Set EMBEDDING_PROVIDER, EMBEDDING_MODEL and BM25_LANGUAGE back, set REINDEX=background, or run "
        "`docuquery admin reindex`.",
    )


async def _lock(settings: Settings, clock: Clock) -> Finding:
    """Who has the store: nobody, the retrieval service of these settings, or somebody else."""
    if not settings.data_dir.exists():
        return ok("lock", "there is no store yet")
    try:
        with exclusive(settings.data_dir):
            return ok("lock", "no process has the store open")
    except DocuQueryError:
        variable = settings.variable("port")
        tls = settings.client_tls
        there = await network.port(settings.host, settings.port, "retrieval", variable, tls, clock)
        if "is running" in there.message:
            return ok("lock", "the running retrieval service has the store")
    return error(
        "lock",
        f"a process has the store in {settings.data_dir}, and no retrieval service answers here",
        "Find it (`fuser` on the file `lock` in that folder) and stop it: a store serves one process.",
    )


async def _qdrant(settings: Settings) -> list[Finding]:
    advice = "Start the node, or correct QDRANT_URL (its gRPC port) and what lies between."
    found = [
        await network.address("Qdrant", f"http://{node.target}", advice) for node in settings.qdrant_nodes
    ]
    down = [finding for finding in found if finding.level is Level.ERROR]
    if down and len(down) < len(found):
        # A cluster goes on without one of its nodes.
        found = [warning(one.check, one.message, one.advice) if one in down else one for one in found]
    return found


if __name__ == "__main__":
    main("retrieval", Settings, checks)
