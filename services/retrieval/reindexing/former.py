"""The embedder a store was filled by, where it can be had without further settings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import structlog

from libs.errors import DocuQueryError
from services.retrieval.embedders.local import MODEL as LOCAL_MODEL
from services.retrieval.embedders.protocol import Embedder
from services.retrieval.settings import Settings
from services.retrieval.store.spaces import VectorSpace

log = structlog.get_logger()


async def open_former(
    stack: AsyncExitStack,
    space: VectorSpace,
    settings: Settings,
    open_embedder: Callable[[Settings], AbstractAsyncContextManager[Embedder]],
) -> Embedder | None:
    """The embedder of `space`, open as long as `stack`; None when it cannot be had.

    The local one always; another one by the settings of the present one, if it is of the same provider: a
    model of the same server or folder.
    """
    provider, _, model = space.embedder.partition("/")
    if provider not in ("local", settings.embedding_provider):
        return None
    if provider == "local" and model != LOCAL_MODEL:
        return None
    # As the model gives them, and cut to this length, where it can.
    for dimensions in (None, space.dimensions):
        there = settings.model_copy(
            update={
                "embedding_provider": provider,
                "embedding_model": model,
                "embedding_dimensions": dimensions,
                "embedding_model_path": "",
                "embedding_download": False,
            }
        )
        try:
            embedder = await stack.enter_async_context(open_embedder(there))
        except DocuQueryError as error:
            log.info("former_embedder_not_there", embedder=space.embedder, message=error.message)
            return None
        if (embedder.name, embedder.dimensions) == (space.embedder, space.dimensions):
            return embedder
    return None
