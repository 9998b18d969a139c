"""Writes what docs/callers.md says of each call, and the service config of callers: `make docs`.

Numbers come from the code and the settings; what a repetition does is said here, once, and tried by
tests/rpc/test_callers.py and tests/e2e/test_callers.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from benchmarks.documents import with_section
from libs.errors import CODES, RETRYABLE, reason_name
from libs.settings import ServiceSettings
from services.gateway import budget
from services.gateway.identity.scopes import REQUIRED_SCOPE
from services.gateway.settings import Settings as GatewaySettings
from services.gateway.validation import requests as rules
from services.ingest.convert import MAX_DATA_BYTES
from services.ingest.settings import Settings as IngestSettings

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs" / "callers.md"
SERVICE_CONFIGS = (
    ROOT / "examples" / "service-config.json",
    ROOT / "libs" / "client" / "docuquery_client" / "service-config.json",
)
"""For callers of other languages, and the one of the Python client."""
EXAMPLES = {
    "python": ROOT / "examples" / "python" / "ask.py",
    "go": ROOT / "examples" / "go" / "main.go",
    "java": ROOT / "examples" / "java" / "src" / "main" / "java" / "example" / "Ask.java",
}

_PUBLIC = "docuquery.gateway.v1.DocuQueryService"


class Repeat(Enum):
    """Who may send a call again whose end is not known."""

    GRPC = "gRPC, by the service config; you"
    """It changes nothing."""
    CALLER = "you"
    """The second leaves things as the first did."""
    CALLER_AFTER_A_LOOK = "you; in a conversation look at `GetConversation` first"
    """The second does the work anew."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a caller must know of one method."""

    repeat: Repeat
    again: str
    """What the second of two equal calls does."""
    request: str
    """The largest request."""
    reply: str
    """The largest reply."""
    limit: str
    """How long the server works on it when the caller sets no deadline."""
    seconds: float | None = None
    """The same as a number, where it is one."""


def _size(count: int) -> str:
    return f"{count // 2**20} MiB" if count >= 2**20 else f"{count // 2**10} KiB"


def _default(settings: type[ServiceSettings], name: str) -> tuple[str, float]:
    field = settings.model_fields[name]
    return f"`{field.validation_alias}`", field.default


def _seconds(settings: type[ServiceSettings], name: str) -> str:
    variable, default = _default(settings, name)
    return f"{default:g} s ({variable})"


def _bytes(settings: type[ServiceSettings], name: str) -> str:
    variable, default = _default(settings, name)
    return f"{_size(int(default))} ({variable})"


def _question() -> str:
    variable, default = _default(GatewaySettings, "question_max_characters")
    return f"{default} characters ({variable})"


def _read(request: str, reply: str) -> Call:
    limit = f"{budget.READ_SECONDS:g} s"
    return Call(Repeat.GRPC, "the same reply", request, reply, limit, budget.READ_SECONDS)


def _deletion(again: str) -> Call:
    limit = f"{budget.READ_SECONDS:g} s"
    return Call(Repeat.CALLER, again, "an id", "a count", limit, budget.READ_SECONDS)


def _query() -> Call:
    _, seconds = _default(GatewaySettings, "query_max_seconds")
    return Call(
        repeat=Repeat.CALLER_AFTER_A_LOOK,
        again="another answer, which costs again; with a `conversation_id` another turn",
        request=f"a question of {_question()}",
        reply=f"an answer and {rules.MAX_TOP_K} passages",
        limit=_seconds(GatewaySettings, "query_max_seconds"),
        seconds=seconds,
    )


_SILENT_INGEST = f"when ingest is silent for {_seconds(GatewaySettings, 'upload_stall_seconds')}"

CALLS: dict[str, Call] = {
    "UploadDocument": Call(
        Repeat.CALLER,
        "`UNCHANGED`; with `if_exists` FAIL, `DOCUMENT_ALREADY_EXISTS`",
        f"a document of {_bytes(GatewaySettings, 'unary_upload_max_bytes')}",
        "a document's record",
        f"none; ends {_SILENT_INGEST}",
    ),
    "UploadDocuments": Call(
        Repeat.CALLER,
        "the same, for each document; send those without a final acknowledgement",
        f"pieces of {_size(MAX_DATA_BYTES)}, documents of {_bytes(IngestSettings, 'max_document_bytes')}, "
        "any number",
        "an acknowledgement a document and stage",
        "none; ends when you are silent, or read nothing, for "
        f"{_seconds(GatewaySettings, 'upload_idle_seconds')}, or {_SILENT_INGEST}",
    ),
    "GetDocument": _read("an id", "a document's record"),
    "ListDocuments": _read(
        "a filter", f"{rules.MAX_PAGE_SIZE} records, each with {_size(rules.MAX_METADATA_BYTES)} of metadata"
    ),
    "DeleteDocument": _deletion("NOT_FOUND (`DOCUMENT_NOT_FOUND`): take it as done"),
    "GetStats": _read("nothing", "counts"),
    "Search": Call(
        Repeat.GRPC,
        "the same passages",
        f"a query of {_question()}, a filter",
        f"{rules.MAX_LIMIT} passages, with {rules.MAX_EXPAND_CHUNKS} chunks around each",
        f"{budget.SEARCH_SECONDS:g} s",
        budget.SEARCH_SECONDS,
    ),
    "GetPassage": _read("a span", f"the span and {rules.MAX_CONTEXT_CHARACTERS} characters on each side"),
    "Query": _query(),
    "StreamQuery": _query(),
    "GetConversation": _read("an id", "the kept turns"),
    "DeleteConversation": _deletion("NOT_FOUND (`CONVERSATION_NOT_FOUND`): take it as done"),
    "GetSystemStatus": Call(
        Repeat.GRPC,
        "the state as it is then",
        "nothing",
        "every component, provider and breaker",
        f"about {budget.STATUS_SECONDS:g} s, whatever is dead",
    ),
    "ListPrompts": _read("nothing", "the versions"),
    "OverrideBreaker": Call(
        Repeat.CALLER,
        "the same state",
        "a target",
        "a breaker",
        "none: it asks nobody",
    ),
}
"""Every public method. A test holds it complete."""


def service_config() -> str:
    """The service config that callers give their channel, as JSON."""
    reads = [name for name, call in CALLS.items() if call.repeat is Repeat.GRPC]
    config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {
                "name": [{"service": _PUBLIC, "method": name} for name in reads],
                "retryPolicy": {
                    "maxAttempts": 3,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
        "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.2},
    }
    return json.dumps(config, indent=2) + "\n"


def _calls() -> str:
    scopes = {method.rpartition("/")[2]: scope for method, scope in REQUIRED_SCOPE.items()}
    rows = [
        (f"`{name}`", scopes[name], one.again, one.repeat.value, one.request, one.reply, one.limit)
        for name, one in CALLS.items()
    ]
    columns = (
        "call", "scope", "the same call again gives", "who may repeat it", "request, at most",
        "reply, at most", "without a deadline of yours",
    )  # fmt: skip
    return _table(columns, rows)


def _codes() -> str:
    """The reasons of each code that callers meet, those apart after which the same call may succeed."""
    rows = []
    for code in dict.fromkeys(CODES.values()):
        own = [reason for reason, its in CODES.items() if its is code and reason]
        if own:
            later = [f"`{reason_name(reason)}`" for reason in own if reason in RETRYABLE]
            never = [f"`{reason_name(reason)}`" for reason in own if reason not in RETRYABLE]
            rows.append((f"`{code.name}`", ", ".join(later), ", ".join(never)))
    return _table(("code", "the same call may succeed later", "it will not"), rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (columns, *rows)]
    return "\n".join([lines[0], "|---" * len(columns) + "|", *lines[1:]])


def _source(language: str, path: Path) -> str:
    return f"```{language}\n{path.read_text(encoding='utf-8').rstrip()}\n```"


def parts() -> dict[str, str]:
    """What stands between `<!-- name -->` and `<!-- end of name -->`, by name."""
    made = {"calls": _calls(), "codes": _codes()}
    made["service config"] = f"```json\n{service_config().rstrip()}\n```"
    return made | {language: _source(language, path) for language, path in EXAMPLES.items()}


def document(text: str) -> str:
    """The page with every part as it is now. Raises ValueError when it has no place for one."""
    for name, part in parts().items():
        text = with_section(text, name, part)
    return text


def main() -> None:
    """Writes all files."""
    for path in SERVICE_CONFIGS:
        path.write_text(service_config(), encoding="utf-8")
    FILE.write_text(document(FILE.read_text(encoding="utf-8")), encoding="utf-8")
    for path in (*SERVICE_CONFIGS, FILE):
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
