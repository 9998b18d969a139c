"""The numbers behind a chart of an Office file: a row a category, a column a series."""

from __future__ import annotations

from lxml import etree

from services.ingest.parsers.table_rows import cell_text

_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_TEXT = "{http://schemas.openxmlformats.org/drawingml/2006/main}t"
_MAX_SERIES = 100
_MAX_POINTS = 10_000


def parse_xml(data: bytes) -> etree._Element:
    """The root of an XML part; no entity is expanded and nothing else opened. Raises etree.XMLSyntaxError."""
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))


def chart_title(chart: etree._Element) -> str:
    """The title as it was typed; empty when there is none."""
    title = chart.find(f"{_CHART}chart/{_CHART}title")
    return "" if title is None else cell_text("".join(part.text or "" for part in title.iter(_TEXT)))


def chart_rows(chart: etree._Element) -> list[list[str]]:
    """The values Office keeps beside a chart, below a row of names; empty where it keeps none."""
    series = list(chart.iter(f"{_CHART}ser"))[:_MAX_SERIES]
    names = [next(iter(_points(one, "tx").values()), "") for one in series]
    values = [_points(one, "val") or _points(one, "yVal") for one in series]
    categories: dict[int, str] = {}
    for one in series:
        categories = categories or _points(one, "cat") or _points(one, "xVal")
    places = sorted({place for points in (categories, *values) for place in points})
    rows = [[categories.get(place, ""), *(points.get(place, "") for points in values)] for place in places]
    return [["Category", *names], *rows] if rows else []


def _points(series: etree._Element, kind: str) -> dict[int, str]:
    found: dict[int, str] = {}
    holder = series.find(f"{_CHART}{kind}")
    if holder is None:
        return found
    for point in list(holder.iter(f"{_CHART}pt"))[:_MAX_POINTS]:
        place, value = str(point.get("idx", "")), point.findtext(f"{_CHART}v")
        if value and place.isascii() and place.isdecimal():
            found[int(place[:9])] = cell_text(value)
    return found
