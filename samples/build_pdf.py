"""Build handbook/annual-report.pdf, the multi-page PDF among the sample documents.

Usage: python build_pdf.py  (needs the fpdf2 package)
"""

from datetime import UTC, datetime
from pathlib import Path

from fpdf import FPDF

# The report in a tiny markup: "# " title, "## " heading, "| " table row,
# "---" new page, blank line between paragraphs. Amounts say "EUR" because the
# built-in PDF fonts, which spare us a font file, are limited to Latin-1.
REPORT = """
# Annual Report 2024
## Letter from the Chief Executive Officer
Dear shareholders, colleagues and friends,

In 2024 Tarnquill Instruments turned fifty. On 9 June 1974 Edda Marrowby and Josef
Tarn opened a repair shop for ship's barometers on Windlass Quay in Aldermouth. Half
a century later our instruments measure wind, rain and pressure in 61 countries.

The year was a good one. Revenue rose by 10.5 % to EUR 68.4 million, and operating
profit reached EUR 7.2 million. We shipped 23,150 instruments, more than ever before.
The order book stood at EUR 19.7 million at the end of December.

Two products made the difference. StationLink 4.0 was released in June 2024, and the
Petrel 7 weather station went on sale on 2 September 2024. By the end of the year we
had delivered 1,840 stations of the new type.

Not everything succeeded. A faulty batch of bearings forced us to call back 312 cup
anemometers of the type Gannet C2 in March. The recall cost EUR 0.4 million, and we
have since changed the supplier.

I thank our 412 employees. The profit share for 2024 amounts to EUR 432,000, which is
6 % of the operating profit.

Ingrid Vasstrand, Chief Executive Officer. Aldermouth, 14 March 2025
---
# Key Figures
The figures below follow the consolidated accounts, which were audited by Pellworth
& Dane. The auditors gave an unqualified opinion on 28 February 2025.
| Key figure | 2024 | 2023
| Revenue (EUR m) | 68.4 | 61.9
| Operating profit (EUR m) | 7.2 | 5.8
| Operating margin | 10.5 % | 9.4 %
| Research and development (EUR m) | 8.9 | 7.6
| Capital expenditure (EUR m) | 5.3 | 4.1
| Equity ratio | 54.6 % | 52.8 %
| Employees at year end | 412 | 389
| Instruments shipped | 23,150 | 20,480
| Delivered on time | 94.2 % | 91.7 %
| Warranty returns | 1.3 % | 1.8 %
## Five-year review
Profit means operating profit. Amounts marked EUR m are in millions of euros.
| Year | Revenue (EUR m) | Profit (EUR m)
| 2020 | 49.7 | 3.1
| 2021 | 52.3 | 4.0
| 2022 | 57.6 | 5.1
| 2023 | 61.9 | 5.8
| 2024 | 68.4 | 7.2
## Dividend
The board proposes a dividend of EUR 1.60 per share, after EUR 1.35 in the previous
year. The general meeting will vote on it on 22 May 2025.
---
# Product Lines
The table shows the revenue of 2024 by product line.
| Product line | Revenue (EUR m) | Share
| Gannet anemometers | 24.6 | 36.0 %
| Petrel weather stations | 21.2 | 31.0 %
| Curlew rain gauges | 9.6 | 14.0 %
| Merlin barometers | 6.8 | 9.9 %
| Service and calibration | 6.2 | 9.1 %
## Gannet
Anemometers remain our largest line. The ultrasonic Gannet U3 measures wind of up to
75 metres per second and now makes up two thirds of the unit sales of the line.
## Petrel
Revenue from weather stations grew by 19 %, the fastest growth of all lines. A Petrel
7 runs for 16 days without sun and weighs 11.5 kg.
## Curlew and Merlin
Curlew rain gauges were certified for airports in April 2024. Sales of Merlin
barometers were flat; a new generation is planned for 2026.
## Service and calibration
The station at Skarholm calibrated 8,960 instruments. The average turnaround fell from
12 to 9 working days.
## Revenue by region
| Region in 2024 | Revenue (EUR m)
| Europe | 41.0
| North America | 15.1
| Asia-Pacific | 8.9
| Other regions | 3.4
---
# People and Environment
At the end of 2024 we employed 286 people in Aldermouth, 58 in Lyon, 41 in Skarholm
and 27 in Porto. Women held 37 % of the management positions. Staff turnover was 6.4 %.
We trained 23 apprentices. There were 7 accidents with lost working time, after 11 in
the previous year.
## Energy and emissions
A solar roof of 1.1 megawatts on Building B was commissioned on 18 September 2024. Our
sites used 5,940 megawatt-hours of energy. Direct and purchased emissions fell by 18 %
to 1,270 tonnes of carbon dioxide.
# Outlook for 2025
We expect revenue between EUR 72 million and EUR 75 million and an operating margin of
at least 11 %. The number of employees should grow to about 435.

Our largest project is a second wind tunnel at Skarholm. It costs EUR 4.5 million and
is due to open in October 2025. It will reach wind speeds of 90 metres per second.

In Porto we are enlarging the software group by 12 people. Spending on research and
development is planned at EUR 9.6 million.

By 2030 we want to cut direct and purchased emissions by half compared with 2022.
---
# Risks
The board reviews the main risks twice a year, in April and in October.
## Supply
One supplier provides 38 % of our ultrasonic transducers. We have raised our stock to
5 months of demand and expect to approve a second source by the end of 2025.
## Currency
About 22 % of revenue is earned in US dollars. If the dollar lost 10 % of its value,
operating profit would fall by about EUR 0.6 million before hedging.
## Information security
In 2024 there were two incidents of the highest priority, P1. Neither of them led to
the loss of customer data. The longest interruption of production lasted 9 hours.
## Product liability
Wrong readings can have serious consequences. Product liability is insured up to
EUR 15 million per case.
## Flooding
The factory in Aldermouth stands 3.2 metres above sea level. A flood wall on the quay
side was completed in November 2024 at a cost of EUR 0.7 million.
"""


class Report(FPDF):
    """A4 report whose running header and footer repeat on every page."""

    def header(self) -> None:
        """Print the running title; fpdf2 calls this at the top of each page."""
        self.set_font("Helvetica", "I", 9)
        self.cell(0, 8, "Tarnquill Instruments | Annual Report 2024", align="R")
        self.ln(14)

    def footer(self) -> None:
        """Print the page number; fpdf2 calls this at the bottom of each page."""
        self.set_y(-15)
        self.set_font("Helvetica", "", 8)
        self.cell(0, 8, f"Page {self.page_no()} of {{nb}}", align="C")


def flush(pdf: Report, words: list[str], rows: list[list[str]]) -> None:
    """Write the collected paragraph or table, if any, and empty the lists."""
    pdf.set_font("Helvetica", "", 11)
    if words:
        pdf.multi_cell(0, 6, " ".join(words), align="L", new_x="LMARGIN", new_y="NEXT")
        pdf.ln(3)
    if rows:
        widths = (2, *(1 for _ in rows[0][1:]))
        with pdf.table(col_widths=widths, line_height=7, text_align="LEFT") as table:
            for row in rows:
                table.row(row)
        pdf.ln(3)
    words.clear()
    rows.clear()


def build(target: Path) -> None:
    """Write the report to *target*; the same source gives the same bytes."""
    pdf = Report(format="A4")
    # The clock, the fpdf2 version and the zlib build would leak into the file.
    pdf.set_creation_date(datetime(2025, 3, 14, 9, 0, tzinfo=UTC))
    pdf.set_producer("Tarnquill Instruments")
    pdf.set_compression(False)
    pdf.set_title("Tarnquill Instruments: Annual Report 2024")
    pdf.set_margins(22, 14)
    pdf.set_auto_page_break(auto=True, margin=22)
    pdf.add_page()
    words: list[str] = []
    rows: list[list[str]] = []
    for line in REPORT.strip().splitlines():
        if line.startswith("| "):
            if words:
                flush(pdf, words, rows)
            rows.append([cell.strip() for cell in line[2:].split("|")])
        elif line and line != "---" and not line.startswith("#"):
            if rows:
                flush(pdf, words, rows)
            words.append(line)
        else:
            flush(pdf, words, rows)
            if line == "---":
                pdf.add_page()
            elif line:
                pdf.set_font("Helvetica", "B", 18 if line.startswith("# ") else 13)
                pdf.cell(0, 10, line.lstrip("# "), new_x="LMARGIN", new_y="NEXT")
    flush(pdf, words, rows)
    pdf.output(str(target))


if __name__ == "__main__":
    build(Path(__file__).parent / "handbook" / "annual-report.pdf")
