"""Who may call whom: code, network policies, documents and pictures are all held to this."""

CALLS: dict[str, set[str]] = {
    "gateway": {"ingest", "retrieval", "answer"},
    "ingest": {"retrieval"},
    "retrieval": set(),
    "answer": set(),
}
"""Service → the services it calls; clients call the gateway alone."""

LLM_SDKS = {"openai", "anthropic"}
STORES = {"qdrant_client", "qdrant_edge"}
OWNERS = {"answer": LLM_SDKS, "retrieval": STORES}
"""Service → the packages only it may use."""


def calls_between_services() -> set[tuple[str, str]]:
    """`CALLS` as pairs of caller and called."""
    return {(caller, called) for caller, several in CALLS.items() for called in several}
