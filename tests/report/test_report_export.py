"""CSV, Markdown and LaTeX of the table: read back by what reads them, escaped, the same as the page's."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from golden import HTML, RIGHT_TO_LEFT, after, golden
from report_lab import Net, around, rows, run

from bench.errors import InputError
from bench.report.export import CSV, FORMATS, LATEX, MARKDOWN, column_names, export, page_texts
from bench.report.table import table

ROWS = rows(after())


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_all_digits_and_knobs_as_columns() -> None:
    found = {row["label"]: row for row in read(export(ROWS, CSV))}
    csr = found["csr_conv(T=4)"]
    exact = next(row for row in ROWS if row["label"] == "csr_conv(T=4)")
    assert float(csr["ratio"]) == exact["ratio"]
    assert (csr["knob.T"], csr["knob.ratio"], csr["params"], csr["verdict"]) == ("4", "", "501", "slower")
    assert found["filter_l1(ratio=0.5)"]["knob.ratio"] == "0.5"
    assert found["magnitude(density=0.1)"]["error"] == "RuntimeError in sample: out of memory"
    assert found["magnitude(density=0.1)"]["latency"] == ""
    assert csr["is_baseline"] == "false"
    assert "energy" not in csr
    assert len(read(export(ROWS, CSV))) == len(ROWS)


def test_a_number_of_nothing_is_empty_and_never_nan() -> None:
    broken = rows(run(Net(medians=[float("nan")] * 5), Net("psconv", [float("nan")] * 5)))
    for form in FORMATS:
        assert not re.search(r"\b(nan|inf|None)\b", export(broken, form))
        assert not re.search(r"\b(nan|inf|None)\b", export([], form))


def test_markdown_is_a_table_that_names_cannot_break() -> None:
    lines = export(rows(run(Net(backbone="a|b\n<b>"))), MARKDOWN).splitlines()
    assert lines[0].startswith("| backbone | method | parameters ÷ dense |")
    assert set(lines[1]) == set("|-: ")
    assert "| a\\|b &lt;b>" in lines[2]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_latex_is_booktabs_and_siunitx_and_escaped() -> None:
    text = export(ROWS, LATEX)
    assert text.startswith("% \\usepackage{booktabs, siunitx}\n\\begin{tabular}{ll")
    assert text.count("\\midrule") == 2  # below the head, and between two backbones
    assert text.endswith("\\bottomrule\n\\end{tabular}\n")
    assert "csr\\_conv(T=4)" in text
    assert "S[table-format=1.2]" in text
    body = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert len({line.count(" & ") for line in body}) == 1
    assert len(body) == len(ROWS) + 1
    for letter in "&%#_":
        bare = re.findall(rf"(?<!\\){letter}", "\n".join(line.replace(" & ", "") for line in body))
        assert not bare, letter
    assert "{---}" in text  # what is not known is no number for siunitx


def test_every_backslash_of_a_name_is_escaped() -> None:
    text = export(rows(run(Net(backbone="a\\b{c}$d~e^f"))), LATEX)
    assert "a\\textbackslash{}b\\{c\\}\\$d\\textasciitilde{}e\\textasciicircum{}f" in text


@pytest.mark.parametrize("form", FORMATS)
def test_columns_are_chosen_in_order(form: str) -> None:
    names = column_names(ROWS, form)
    text = export(ROWS, form, [names[4], names[1]])
    between = {CSV: ",", MARKDOWN: " | ", LATEX: " & "}[form]
    head = text.splitlines()[3 if form == LATEX else 0]
    assert head.count(between) == 1
    if form == CSV:
        assert head == f"{names[4]},{names[1]}"


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="--columns: 'rato' is no column here; did you mean 'ratio'"):
        export(ROWS, CSV, ["rato"])


def test_the_page_has_the_same_cells() -> None:
    every = rows(*golden())
    found = table(every)
    data = json.loads(page_texts(every, found))
    assert data["csv"]["head"] + "".join(data["csv"]["lines"]) == export(every, CSV)
    shown = [at for at, column in enumerate(found.columns) if column.shown]
    lines = [[line[at] for at in shown] for line in data["markdown"]]
    head = [[data["columns"][at][part] for at in shown] for part in ("markdown", "rule")]
    assert "".join(f"| {' | '.join(line)} |\n" for line in (*head, *lines)) == export(every, MARKDOWN)


def test_the_pages_texts_cannot_end_their_script() -> None:
    text = page_texts(ROWS, table(ROWS))
    assert "<" not in text
    assert HTML in json.loads(text)["csv"]["lines"][-1]
    assert RIGHT_TO_LEFT in text


def test_a_single_case_and_none_are_tables_too() -> None:
    one = rows(run(Net(medians=around(1e-3))))
    for form in FORMATS:
        assert export(one, form).count("\n") >= 2
        assert export([], form)
