"""Writes docs/metrics.md from the instruments of the services: `make docs`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from libs.telemetry.metrics import Counter, Gauge, Histogram, Instrument, declared

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docs" / "metrics.md"
MODULES = {
    "All services": ("libs.telemetry.rpc_metrics", "libs.telemetry.loop_lag", "libs.telemetry.setup"),
    "Gateway": ("services.gateway.telemetry",),
    "Ingest": ("services.ingest.telemetry",),
    "Retrieval": ("services.retrieval.telemetry",),
    "Answer": ("services.answer.telemetry",),
}

_HEAD = """\
# Metrics

Made by `make docs` from the instruments in the code; a test fails when it is out of date. How to turn them
on, and what they cost: [telemetry.md](telemetry.md). Besides these each process shows `process_*` (CPU,
memory, file descriptors) and `python_gc_*`.

No label ever holds a tenant, a document, a question or anything else a caller chose.
"""


def instruments() -> dict[str, Sequence[Instrument]]:
    """Everything that is measured, by the heading it stands under."""
    found: dict[str, Sequence[Instrument]] = {}
    for title, modules in MODULES.items():
        loaded = [importlib.import_module(name) for name in modules]
        own = [value for module in loaded for value in vars(module).values() if isinstance(value, Instrument)]
        found[title] = own
    return found


def shown_name(instrument: Instrument) -> str:
    """Its name as Prometheus knows it."""
    return f"{instrument.name}_total" if isinstance(instrument, Counter) else instrument.name


def document() -> str:
    """The text of docs/metrics.md."""
    kinds = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}
    parts = [_HEAD]
    for title, own in instruments().items():
        parts.append(f"\n## {title}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n")
        for one in own:
            labels = ", ".join(f"`{label}`" for label in one.labels)
            parts.append(f"| `{shown_name(one)}` | {kinds[type(one)]} | {labels} | {one.description} |\n")
    return "".join(parts)


def main() -> None:
    """Writes the file. Raises RuntimeError when an instrument stands in no listed module."""
    listed = {one for own in instruments().values() for one in own}
    if missing := [one.name for one in declared() if one not in listed]:
        raise RuntimeError(f"not in MODULES: {', '.join(missing)}")
    FILE.write_text(document(), encoding="utf-8")
    sys.stdout.write(f"{FILE.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
