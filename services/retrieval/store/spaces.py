"""The vector spaces a store keeps its chunks in: one, and more than one while it changes over to another.

Records and text are the same in every space. Chunks are kept once a space, under the same keys.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError

FIRST_PLACE = "chunks"
"""Where a store keeps the chunks of its first space."""

SPACE_FIELDS = ("embedder", "dimensions", "sparse", "chunks", "others")
"""The names of all fields `spaces_to_fields` may give."""

_PLACE = re.compile(r"chunks(-[0-9a-f]{8})?")


@dataclass(frozen=True, slots=True)
class VectorSpace:
    """What the vectors of a store mean. Two spaces never mix."""

    embedder: str
    dimensions: int
    sparse: str
    """Term scheme and parameters: `bm25/english/...`."""

    def __str__(self) -> str:
        return f"{self.embedder} ({self.dimensions} dimensions) and {self.sparse}"

    def has_same_dense(self, other: VectorSpace) -> bool:
        """Whether a dense vector means the same in both."""
        return (self.embedder, self.dimensions) == (other.embedder, other.dimensions)

    @property
    def place(self) -> str:
        """The name of the folder or collection of its chunks, unless it is a store's first space.

        The same each time, so that what a killed process had begun is found again.
        """
        digest = hashlib.sha256(f"{self.embedder}\0{self.dimensions}\0{self.sparse}".encode())
        return f"{FIRST_PLACE}-{digest.hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class KeptSpace:
    """A space, and where its chunks are."""

    space: VectorSpace
    place: str
    is_whole: bool = True
    """Whether it may be searched: all documents are in it. False while it is first filled."""

    def __post_init__(self) -> None:
        if not _PLACE.fullmatch(self.place):
            raise ValueError(f"not a place of chunks: {self.place}")


@dataclass(frozen=True, slots=True)
class KeptSpaces:
    """Every space of a store."""

    current: KeptSpace
    """What a process that starts today should be set to."""
    others: tuple[KeptSpace, ...] = ()
    """The one being filled to take its place, and those that processes may still search."""

    @classmethod
    def first(cls, space: VectorSpace) -> KeptSpaces:
        """Those of a new store."""
        return cls(KeptSpace(space, FIRST_PLACE))

    @property
    def all(self) -> tuple[KeptSpace, ...]:
        """The current one first."""
        return (self.current, *self.others)

    def find(self, space: VectorSpace) -> KeptSpace | None:
        """The entry of `space`; None when there is none."""
        return next((kept for kept in self.all if kept.space == space), None)

    def is_whole(self, space: VectorSpace) -> bool:
        """Whether `space` may be searched."""
        found = self.find(space)
        return found is not None and found.is_whole

    @property
    def being_filled(self) -> KeptSpace | None:
        """The one that is not whole yet; None when there is none."""
        return next((kept for kept in self.others if not kept.is_whole), None)

    def with_begun(self, space: VectorSpace) -> KeptSpaces:
        """With `space` to be filled, in the place of any other that was begun.

        Raises STORE_MISMATCH while a former space is still kept: first all processes must have left it.
        """
        if self.find(space) is not None:
            return self
        if any(kept.is_whole for kept in self.others):
            raise DocuQueryError(
                reasons.ERROR_REASON_STORE_MISMATCH,
                "The store has not finished changing to "
                f"{self.current.space}. Restart every retrieval process with those settings, run "
                "`docuquery admin reindex --finish`, then this again.",
            )
        return replace(self, others=(KeptSpace(space, space.place, is_whole=False),))

    def switched_to(self, space: VectorSpace, *, keeps_former: bool) -> KeptSpaces:
        """With `space`, now whole, as the current one. `keeps_former`: the one until now stays beside it."""
        found = self.find(space)
        if found is None:
            raise ValueError(f"not kept: {space}")
        former = [kept for kept in self.all if kept.space != space]
        return KeptSpaces(replace(found, is_whole=True), tuple(former) if keeps_former else ())

    def alone(self) -> KeptSpaces:
        """With the current one only."""
        return KeptSpaces(self.current)


def spaces_to_fields(spaces: KeptSpaces) -> dict[str, Any]:
    """As JSON values; the fields of a store that never had another space are those there always were."""
    current = spaces.current
    fields: dict[str, Any] = asdict(current.space)
    if current.place != FIRST_PLACE or spaces.others:
        fields["chunks"] = current.place
        fields["others"] = [
            {**asdict(kept.space), "chunks": kept.place, "is_whole": kept.is_whole} for kept in spaces.others
        ]
    return fields


def spaces_from_fields(fields: Mapping[str, Any]) -> KeptSpaces:
    """What `spaces_to_fields` was given. Raises KeyError, TypeError or ValueError for anything else."""
    others: Sequence[Mapping[str, Any]] = fields.get("others", ())
    return KeptSpaces(
        KeptSpace(_space_from(fields), fields.get("chunks", FIRST_PLACE)),
        tuple(KeptSpace(_space_from(other), other["chunks"], bool(other["is_whole"])) for other in others),
    )


def _space_from(fields: Mapping[str, Any]) -> VectorSpace:
    return VectorSpace(str(fields["embedder"]), int(fields["dimensions"]), str(fields["sparse"]))


def require_space(spaces: KeptSpaces, wanted: VectorSpace, place: str, ways: str) -> None:
    """Raises STORE_MISMATCH unless `wanted` is whole in the store at `place` (for people).

    `ways` ends the sentence "Set ... back, or ...": how to embed the store anew.
    """
    if spaces.is_whole(wanted):
        return
    present = spaces.current.space
    if spaces.find(wanted) is not None:
        raise _mismatch(
            f"{place} is not whole yet for the embedder {wanted.embedder} and the word index "
            f"{wanted.sparse}. Keep the former settings ({present.embedder}, {present.sparse}) until it has "
            f"switched over, or {ways}"
        )
    if not present.has_same_dense(wanted):
        raise _mismatch(
            f"{place} was filled by the embedder {present.embedder} ({present.dimensions} dimensions), the "
            f"settings ask for {wanted.embedder} ({wanted.dimensions}). Set EMBEDDING_PROVIDER and "
            f"EMBEDDING_MODEL back, or {ways}"
        )
    raise _mismatch(
        f"{place} was filled with the word index {present.sparse}, the settings ask for {wanted.sparse}. "
        f"Set BM25_LANGUAGE back, or {ways}"
    )


def _mismatch(message: str) -> DocuQueryError:
    return DocuQueryError(reasons.ERROR_REASON_STORE_MISMATCH, message + ".")
