"""The setting STATE_URL: the Redis in which replicas keep what they share."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, SecretStr

_SHAPE = re.compile(r"rediss?://[^\s/]+(/[0-9]*)?(\?\S*)?|unix://\S+")


def _sound(value: SecretStr) -> SecretStr:
    """Raises ValueError without showing the URL: it may hold a password."""
    url = value.get_secret_value()
    if url and not _SHAPE.fullmatch(url):
        raise ValueError("must be redis://HOST:PORT/DATABASE, or rediss:// for TLS")
    return value


StateUrl: TypeAlias = Annotated[SecretStr, AfterValidator(_sound)]
"""`redis://[[user]:password@]host:port/database`, `rediss://` for TLS, `unix://path`; empty: none."""
