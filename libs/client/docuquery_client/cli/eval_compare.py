"""`docuquery eval compare`: two reports side by side."""

from __future__ import annotations

from rich.table import Table

from docuquery_client.cli.console import clean, messages, one_line, output, plain_table
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
    for number, comparison in enumerate(comparisons):
        if number:
            output().print()
        names = (comparison.dataset, comparison.mode_a, comparison.mode_b)
        dataset, mode_a, mode_b = (one_line(name, 60) for name in names)
        messages().print(f"{dataset}: a is {mode_a}, b is {mode_b}; n questions.", soft_wrap=True)
        output().print(_table(comparison))
    outputs.write_comparison(comparisons)


def _table(comparison: Comparison) -> Table:
    # Narrow enough for a terminal of 80 columns.
    table = plain_table("metric", "a", "b", "b-a", "low", "high", "p", "n")
    for name, found in comparison.differences.items():
        table.add_row(
            name,
            f"{found.a:.4f}",
            f"{found.b:.4f}",
            f"{found.difference:+.4f}",
            f"{found.low:+.4f}",
            f"{found.high:+.4f}",
            f"{found.p:.4f}",
            str(found.questions),
        )
    return table
