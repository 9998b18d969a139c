"""Files made to break parsers: bombs, cycles, truncations, entities, depth. Made here, small on disk."""

from __future__ import annotations

import io
import random
import zlib

from fpdf import FPDF


def good_pdf(pages: int = 3) -> bytes:
    """An honest PDF."""
    pdf = FPDF()
    pdf.set_font("Helvetica")
    for number in range(1, pages + 1):
        pdf.add_page()
        pdf.multi_cell(0, text=f"Page {number} holds an honest sentence about gauges.")
    return bytes(pdf.output())


def raw_pdf(*objects: bytes, trailer: bytes = b"/Root 1 0 R") -> bytes:
    """A PDF of these objects, numbered from 1, with a true cross-reference table."""
    out = io.BytesIO()
    out.write(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    for offset in offsets:
        out.write(b"%010d 00000 n \n" % offset)
    out.write(b"trailer << /Size %d %s >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, start))
    return out.getvalue()


def stream(data: bytes, extra: bytes = b"") -> bytes:
    """A stream object."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), extra, data)


def content_bomb(megabytes: int) -> bytes:
    """One page whose content stream inflates to `megabytes` of text operators."""
    text = b"BT /F1 12 Tf (bomb) Tj ET\n"
    inflated = text * (megabytes * 1024 * 1024 // len(text))
    return raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        stream(zlib.compress(inflated, 9), b"/Filter /FlateDecode"),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )


def page_tree_cycle() -> bytes:
    """A page tree that is its own child."""
    return raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 /Parent 2 0 R >>"
    )


def million_pages() -> bytes:
    """One page that stands in the tree very many times."""
    kids = b"3 0 R " * 200_000
    return raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count 200000 >>" % kids,
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] >>",
    )


def form_cycle() -> bytes:
    """A form that draws itself."""
    return raw_pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /XObject << /X 5 0 R >> >> >>",
        stream(b"/X Do /X Do"),
        stream(
            b"/X Do /X Do",
            b"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>",
        ),
    )


def xref_loop() -> bytes:
    """A cross-reference table whose predecessor is itself."""
    body = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
    start = len(body)
    return (
        body
        + b"xref\n0 2\n0000000000 65535 f \n0000000009 00000 n \n"
        + b"trailer << /Size 2 /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF" % (start, start)
    )


def nested_arrays() -> bytes:
    """An object of very deep arrays."""
    return raw_pdf(b"<< /Type /Catalog /Pages 2 0 R >>", b"[" * 100_000 + b"]" * 100_000)


def entity_bomb() -> bytes:
    """Ten levels of entities, and one that reads a file."""
    levels = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
    return (
        f'<!DOCTYPE html [<!ENTITY e0 "boom"><!ENTITY file SYSTEM "file:///etc/passwd">{levels}]>'
        "<html><body><p>Honest words about gauges. &e9; &file;</p></body></html>"
    ).encode()


def noise(size: int) -> bytes:
    """Random bytes, always the same."""
    return random.Random(7).randbytes(size)


def hostile_files() -> dict[str, bytes]:
    """Name → bytes."""
    pdf = good_pdf()
    files = {f"cut-{share}.pdf": pdf[: len(pdf) * share // 100] for share in (1, 20, 50, 80, 99)}
    flipped = bytearray(pdf)
    for at in range(100, len(flipped), 37):
        flipped[at] ^= 0x55
    return {
        **files,
        "flipped.pdf": bytes(flipped),
        "header-only.pdf": b"%PDF-1.7",
        "content-bomb.pdf": content_bomb(200),
        "page-tree-cycle.pdf": page_tree_cycle(),
        "million-pages.pdf": million_pages(),
        "form-cycle.pdf": form_cycle(),
        "xref-loop.pdf": xref_loop(),
        "nested-arrays.pdf": nested_arrays(),
        "entities.html": entity_bomb(),
        "deep.html": b"<div>" * 100_000 + b"words" + b"</div>" * 100_000,
        "unclosed.html": b"<html><body><table><tr><td>" * 20_000 + b"words",
        "attributes.html": b"<html><body><p " + b"a='b' " * 200_000 + b">words</p></body></html>",
        "quotes.md": b">" * 100_000 + b" words",
        "lists.md": b"\n".join(b"  " * depth + b"- item" for depth in range(2_000)),
        "brackets.md": b"[" * 100_000 + b"words" + b"]" * 100_000,
        "emphasis.md": b"*a_ " * 100_000,
        "one-line.txt": b"word" * 1_000_000,
        "no-full-stop.txt": "\u6587".encode() * 400_000,
        "combining.txt": ("e" + "\u0301" * 50_000).encode(),
        "blank-lines.txt": b"\n" * 3_000_000 + b"words",
        "odd-utf16.txt": "gauge".encode("utf-16") + b"\x00",
        "noise.txt": noise(200_000),
        "noise.pdf": b"%PDF-1.4\n" + noise(200_000),
        "nul.txt": b"\x00" * 100_000,
    }
