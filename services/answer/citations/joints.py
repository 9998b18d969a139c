"""Takes out what held markers together and means nothing without them: `([1])`, `[1], [2]`, `(see [1])`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from services.answer.citations.markers import Marker, MarkerEvent, MarkerParser, Piece, VisibleText

_CLOSING = (")", "）")
_LEAD = re.compile(
    r"\s*[(（]\s*(?:(?:see|sources?|refs?|cf\.?|siehe|quellen?|vgl\.?|voir|见|来源)\s*[:：]?)?\s*"
)
_MAY_BE_LEAD = re.compile(r"\s*[(（]\s*(?:[^\W\d_]{1,7}\.?\s*[:：]?\s*)?$")
_JOINER = re.compile(r"\s*[,;，；、]?\s*(?:(?:and|und|et|y)(?!\w)|&|和|及)?\s*")
_MAY_BE_JOINER = re.compile(r"\s*[,;，；、]?\s*(?:a(?:nd?)?|u(?:nd?)?|et?|y|&|和|及)?\s*")


class JoinedMarkers:
    """A MarkerParser whose text has no empty brackets and no commas between markers that vanished.

    It drops round brackets around nothing but markers, and what joins markers at the end of what they cite: a
    word behind them could need it ("rose [1], and [2] costs fell"). At most a dozen letters are held back for
    it. Where a provider itself puts a citation, nothing is dropped.
    """

    def __init__(self) -> None:
        self._parser = MarkerParser()
        self._events: list[MarkerEvent] = []
        self._length = 0  # of the text passed on
        self._held = ""  # may belong to markers
        self._lead: str | None = None  # a round bracket dropped before a marker, until it is closed
        self._joiner = ""  # dropped before or behind the last marker; shown when a word follows
        self._is_behind_marker = False

    def feed(self, delta: str) -> list[MarkerEvent]:
        """See MarkerParser."""
        return self._tidy(self._parser.feed(delta))

    def mark(self, piece: Piece | None, raw: str) -> list[MarkerEvent]:
        """See MarkerParser."""
        marks = self._parser.mark(piece, raw)
        events = self._tidy(marks[:-1])
        self._release()
        self._lead, self._joiner, self._is_behind_marker = None, "", False
        self._events.append(replace(_marker(marks[-1]), at=self._length))
        return events + self._take()

    def finish(self) -> list[MarkerEvent]:
        """See MarkerParser."""
        events = self._tidy(self._parser.finish())
        self._lead = None
        self._release()
        return events + self._take()

    def _tidy(self, events: Iterable[MarkerEvent]) -> list[MarkerEvent]:
        for event in events:
            if isinstance(event, VisibleText):
                self._take_text(self._held + event.text)
            else:
                self._take_marker(event)
        return self._take()

    def _take_marker(self, marker: Marker) -> None:
        held, self._held = self._held, ""
        if self._is_behind_marker and _JOINER.fullmatch(held):
            self._joiner = held or self._joiner
        elif self._lead is None and _LEAD.fullmatch(held):
            self._lead = held
        else:
            self._show(held)
        self._events.append(replace(marker, at=self._length))
        self._is_behind_marker = True

    def _take_text(self, text: str) -> None:
        self._held = ""
        if self._is_behind_marker:
            if self._lead is not None and text.lstrip().startswith(_CLOSING):
                text = text.lstrip()[1:]
                self._joiner = self._lead[: len(self._lead) - len(self._lead.lstrip())]
                self._lead = None
            if _MAY_BE_JOINER.fullmatch(text):
                self._held = text
                return
            needed = text[:1].isalnum() or (self._joiner.strip() and text.lstrip()[:1].isalnum())
            text = self._joiner + text if needed else text
        lead = _MAY_BE_LEAD.search(text)
        self._held = text[lead.start() :] if lead else ""
        self._show(text[: lead.start()] if lead else text)

    def _release(self) -> None:
        held, self._held = self._held, ""
        self._show(held)

    def _show(self, text: str) -> None:
        if not text:
            return
        text = (self._lead or "") + text
        if not self._length:
            text = text.lstrip()
        self._lead, self._joiner = None, ""
        self._events.append(VisibleText(text))
        self._length += len(text)
        self._is_behind_marker = False

    def _take(self) -> list[MarkerEvent]:
        events, self._events = self._events, []
        return events


def _marker(event: MarkerEvent) -> Marker:
    assert isinstance(event, Marker)
    return event
