"""`docuquery eval compare`: two reports side by side."""

from __future__ import annotations

from docuquery_client.cli.console import clean, one_line, output, plain_table
from docuquery_client.cli.eval_outputs import Outputs
from docuquery_client.cli.session import usage_error
from docuquery_client.evaluation.compare import Comparison, ComparisonError, compare, paired, read_reports
from docuquery_client.evaluation.report_file import ReportError


def show_comparison(a: str, b: str, outputs: Outputs) -> None:
    """Prints a table for each pair of reports in the files `a` and `b`, and writes what is wanted."""
    outputs.check()
    try:
        comparisons = [compare(*pair) for pair in paired(read_reports(a), read_reports(b))]
    except (ReportError, ComparisonError) as error:
        raise usage_error(clean(str(error))) from None
    table = plain_table("A", "B", "metric", "a", "b", "b-a", "low", "high", "p", "questions")
    for comparison in comparisons:
        for row in _rows(comparison):
            table.add_row(*row)
    output().print(table)
    outputs.write_comparison(comparisons)


def _rows(comparison: Comparison) -> list[tuple[str, ...]]:
    modes = (one_line(comparison.mode_a, 40), one_line(comparison.mode_b, 40))
    return [
        (
            *modes,
            name,
            f"{found.a:.4f}",
            f"{found.b:.4f}",
            f"{found.difference:+.4f}",
            f"{found.low:+.4f}",
            f"{found.high:+.4f}",
            f"{found.p:.4f}",
            str(found.questions),
        )
        for name, found in comparison.differences.items()
    ]
