"""The pictures of docs/ are safe to show, all in use, and say what the code says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

import grpc
import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from services.answer.citations.checker import NEWS_THRESHOLD, SUPPORT_THRESHOLD
from services.gateway.breakers.breaker import Breaker, Permit
from services.gateway.breakers.model import SUCCESS, BreakerPolicy, Outcome, OutcomeKind, Refused, State
from services.gateway.fallback.ladder import AttemptPolicy
from services.ingest.pipeline import PipelineLimits
from tests.unit.architecture.edges import LLM_SDKS, OWNERS, calls_between_services
from tools import configuration, contracts

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "docs" / "images"
DRAWN = sorted(IMAGES.glob("*.svg"))
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
_SVG = "{http://www.w3.org/2000/svg}"
_ELEMENTS = {"svg", "title", "desc", "style", "defs", "marker", "g", "rect", "path", "text", "tspan"}
_MAX_BYTES = 15_000
_BOXES = {"qdrant_edge": "edge", "qdrant_client": "qdrant", **dict.fromkeys(LLM_SDKS, "providers")}
"""Package → the box of the system picture it speaks to."""


@cache
def picture(name: str) -> ET.Element:
    return ET.fromstring((IMAGES / f"{name}.svg").read_text())


def texts(drawing: ET.Element) -> list[str]:
    """What can be read in it, line by line."""
    return ["".join(text.itertext()) for text in drawing.iter(f"{_SVG}text")]


def ids(name: str, kind: str) -> list[str]:
    """The rest of every id that begins with `kind` and a hyphen."""
    found = (element.get("id", "") for element in picture(name).iter())
    return [one.removeprefix(f"{kind}-") for one in found if one.startswith(f"{kind}-")]


def shown() -> Iterator[tuple[Path, str, str]]:
    """Page, words and file of every image that is shown."""
    for page in PAGES:
        for words, link in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", page.read_text()):
            yield page, words, link


def values(enum: str) -> set[str]:
    """The values of an enum of the contracts, as people name them."""
    [found] = [one for file in contracts.files() for one in file.enum_type if one.name == enum]
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum).upper() + "_"
    return {value.name.removeprefix(prefix) for value in found.value} - {"UNSPECIFIED"}


def test_every_image_shown_is_there() -> None:
    assert [(page.name, link) for page, _, link in shown() if not (page.parent / link).is_file()] == []


def test_every_image_of_the_folder_is_shown_and_described() -> None:
    described = {(page.parent / link).resolve() for page, words, link in shown() if len(words.split()) > 2}
    assert [path.name for path in IMAGES.iterdir() if path.resolve() not in described] == []


@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.stem)
def test_a_drawing_is_small_and_loads_and_runs_nothing(path: Path) -> None:
    text = path.read_text()
    assert len(text.encode()) <= _MAX_BYTES
    assert "<!DOCTYPE" not in text
    assert re.findall(r"url\((?!#)|@import|https?://(?!www\.w3\.org/2000/svg\")", text) == []
    for element in ET.fromstring(text).iter():
        assert element.tag.removeprefix(_SVG) in _ELEMENTS
        assert not any(name.startswith("on") or name.endswith("href") for name in element.attrib)


@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.stem)
def test_a_drawing_is_read_out_and_fits_a_page(path: Path) -> None:
    drawing = picture(path.stem)
    title, description = drawing[0], drawing[1]
    assert (title.tag, description.tag) == (f"{_SVG}title", f"{_SVG}desc")
    assert drawing.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert len((title.text or "").split()) >= 2
    assert len((description.text or "").split()) >= 15
    width, height = drawing.get("width", ""), drawing.get("height", "")
    assert drawing.get("viewBox") == f"0 0 {width} {height}"
    assert int(width) <= 900


def test_all_drawings_are_of_one_style() -> None:
    styles = {picture(path.stem).findtext(f"{_SVG}style", "") for path in DRAWN}
    assert len(styles) == 1
    style = styles.pop()
    assert min(map(int, re.findall(r"font-size: (\d+)px", style))) >= 13
    classes = set(re.findall(r"\.([a-z]+)", style))
    used = {one for p in DRAWN for e in picture(p.stem).iter() for one in e.get("class", "").split()}
    assert used == classes


def test_the_arrows_of_the_system_are_those_the_architecture_allows() -> None:
    beyond = {(service, _BOXES[package]) for service, packages in OWNERS.items() for package in packages} | {
        ("retrieval", "models")
    }  # embeddings and reranking by HTTP
    shared = {
        (service, "redis")
        for service, settings in configuration.SERVICES.items()
        if any(field.validation_alias == "STATE_URL" for field in settings.model_fields.values())
    }
    allowed = {("client", "gateway")} | calls_between_services() | beyond | shared
    lines = [one for one in picture("system").iter(f"{_SVG}path") if "arrow" in one.get("class", "")]
    assert sorted(one.get("id", "") for one in lines) == sorted(f"arrow-{a}-{b}" for a, b in allowed)


def test_the_ports_of_the_system_are_the_defaults() -> None:
    drawn = {one.get("id"): one.text for one in picture("system").iter(f"{_SVG}text") if one.get("id")}
    assert drawn == {
        f"port-{service}": f":{settings.model_fields['port'].default}"
        for service, settings in configuration.SERVICES.items()
    }


@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.stem)
def test_names_in_a_drawing_are_those_of_contracts_and_settings(path: Path) -> None:
    enums = {one.name for file in contracts.files() for one in file.enum_type}
    known = {value for enum in enums for value in values(enum)}
    known |= {one.variable for section in configuration.sections() for one in section.settings}
    known |= {code.name for code in grpc.StatusCode}
    methods = {m.name for f in contracts.files() for service in f.service for m in service.method}
    text = "\n".join(texts(picture(path.stem)))
    assert set(re.findall(r"\b[A-Z][A-Z_]{4,}\b", text)) <= known
    assert set(re.findall(r"\b[A-Z][a-z]+[A-Z][a-z]+\b", text)) <= methods


@pytest.mark.parametrize(
    ("name", "enum"),
    [
        ("question", "DegradationKind"),
        ("question", "Outcome"),
        ("citations", "CitationVerdict"),
        ("document", "DocumentStatus"),
    ],
)
def test_a_drawing_leaves_none_out(name: str, enum: str) -> None:
    words = set(re.findall(r"[A-Z_]+", "\n".join(texts(picture(name)))))
    assert values(enum) <= words


def test_the_changes_of_a_breaker_are_those_it_makes() -> None:
    made = {f"{old.value}-{new.value}" for old, new in _changes(Random(7))}
    assert sorted(ids("breaker", "change")) == sorted(made)
    assert sorted(ids("breaker", "state")) == sorted(state.value for state in State)


def test_the_numbers_of_a_breaker_are_its_defaults() -> None:
    policy, read = BreakerPolicy(), " ".join(texts(picture("breaker")))
    for words in (
        f"{policy.consecutive_failures} failures in a row",
        f"{policy.minimum_calls} calls in {policy.window_seconds:.0f} s, half failed",
        f"for {policy.open_seconds:.0f} s, {2 * policy.open_seconds:.0f}, … {policy.open_max_seconds:.0f}",
        f"± {policy.jitter:.0%}".replace("%", " %"),
    ):
        assert words in read
    assert policy.failure_rate == 0.5  # half
    assert policy.probe_successes == 2  # two successes
    assert policy.park_max_seconds == 60  # a minute at most


def test_the_numbers_of_the_other_drawings_are_what_is_set() -> None:
    settings = configuration.SERVICES["retrieval"].model_fields
    grace = settings["old_version_grace_seconds"].default
    lease = settings["ingest_lease_seconds"].default
    attempts = {1: "one attempt", 2: "two attempts", 3: "three attempts"}
    for name, words in (
        ("document", f"{grace:.0f} s later: no search reads them"),
        ("document", f"a sign of life every {PipelineLimits().renew_seconds:.0f} s"),
        ("question", f"{attempts[AttemptPolicy().max_attempts]} at most"),
        ("citations", f"{SUPPORT_THRESHOLD:.0%} of its content words, half".replace("%", " %")),
    ):
        assert words in " ".join(texts(picture(name)))
    assert PipelineLimits().announce_seconds == 1  # more than a second
    assert lease == 120  # two minutes
    assert NEWS_THRESHOLD == 0.5  # half of those it adds


def _changes(random: Random) -> set[tuple[State, State]]:
    """What a breaker goes through in some thousand calls of every kind, with time going by."""
    now, seen, open_calls = [0.0], set(), list[Permit]()
    breaker = Breaker(
        BreakerPolicy(),
        monotonic=lambda: now[0],
        random=random.random,
        on_change=lambda old, new, _: seen.add((old, new)),
    )
    reason = reasons.ERROR_REASON_PROVIDER_INTERNAL
    for _ in range(5_000):
        now[0] += random.choice((0.01, 1.0, 10.0))
        with suppress(Refused):
            open_calls.append(breaker.acquire())
        if open_calls and random.random() < 0.8:
            kind = random.choice((OutcomeKind.SUCCESS, OutcomeKind.FAILURE, OutcomeKind.PARK))
            call = open_calls.pop(random.randrange(len(open_calls)))
            call.report(SUCCESS if kind is OutcomeKind.SUCCESS else Outcome(kind, reason))
    return seen
