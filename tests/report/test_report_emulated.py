"""The page of a run on an emulated core: instructions, and not a word about speed."""

from __future__ import annotations

from dataclasses import replace

from made_trials import CSR_CASE, DENSE_CASE, made_count, made_emulated, made_end, made_results
from report_lab import Net, Parsed, run

from bench.analysis.frame import make_frame
from bench.analysis.store import Results
from bench.report import page
from bench.report.answer import answer
from bench.report.cautions import cautions
from bench.report.details import details
from bench.report.forest import forest
from bench.report.outcome import BASELINE, NOT_TIMED
from bench.report.palette import Palette
from bench.report.rows import Row, records
from bench.report.table import table
from bench.report.table_columns import instructions_of
from bench.report.words import findings

HEADER = "instructions (emulated Cortex-A72)"


def emulated() -> Results:
    """Dense and CSR-Conv, once each, on an emulated core."""
    dense, csr = (replace(case, target="a72") for case in (DENSE_CASE, CSR_CASE))
    trials = [
        made_emulated(dense, 4000, multiply_add=250, load=3000, other=750),
        made_emulated(csr, 3000, multiply_add=200, load=2500, other=300),
    ]
    targets = [{"name": "a72", "device": "cpu", "prefix": [], "emulates": "cortex-a72"}]
    return made_results(
        [dense, csr], trials, [made_count(dense), made_count(csr)], [made_end()], targets=targets
    )


def found() -> list[Row]:
    return records(make_frame([emulated()]))


def test_the_core_is_named_as_its_maker_does() -> None:
    assert instructions_of("cortex-a72") == HEADER
    assert instructions_of("neoverse-n1") == "instructions (emulated Neoverse-N1)"


def test_the_column_has_totals_and_ratios_to_dense() -> None:
    drawn = table(found())
    at = [column.header for column in drawn.columns].index(f"{HEADER}, k")
    dense, csr = (line.cells[at : at + 2] for line in drawn.lines)
    assert [cell.text for cell in dense] == ["4.00", "1.00"]
    assert [cell.text for cell in csr] == ["3.00", "0.75"]
    assert csr[0].sort == 3000
    assert [line.verdict for line in drawn.lines] == [BASELINE, NOT_TIMED]


def test_a_run_without_such_a_core_has_no_such_column() -> None:
    headers = [column.header for column in table(records(make_frame([run(Net(), Net("psconv"))]))).columns]
    assert not any("instructions" in header for header in headers)


def test_the_details_split_them_by_kind() -> None:
    facts = dict(details(found()).cases[1].facts)
    assert facts[HEADER] == "3,000"
    assert "200 multiply-adds" in facts["of them"]
    assert "2,500 loads" in facts["of them"]
    assert facts["executed MACs per multiply-add instruction"] == "5.00"


def test_the_words_speak_of_instructions_and_of_no_speed() -> None:
    assert "instructions are counted there, and no time is taken" in " ".join(findings(found()))
    answered = answer(found(), [emulated()], ())
    assert answered.headline.startswith(
        "No time was taken. Instructions over dense on an emulated cortex-a72: "
    )
    (takeaway,) = answered.takeaways
    assert takeaway.verdict == ""
    assert takeaway.sentence == (
        "Not timed. Fewest instructions on the emulated cortex-a72: csr_conv(T=4) 0.750\xa0× those of dense."
    )


def test_the_forest_has_instructions_where_no_time_was_taken() -> None:
    (panel,) = forest(found(), [emulated()], Palette.of(found())).panels
    drawn = str(panel.drawing)
    assert "instructions ÷ dense (log scale)" in drawn
    assert "0.750\xa0×" in drawn
    assert "latency" not in drawn


def test_bug_an_emulated_case_was_said_to_need_more_rounds() -> None:
    assert not any("could not be told from dense" in one.text for one in cautions(found(), [emulated()]))


def test_the_page_can_be_drawn() -> None:
    text = Parsed(page.render(make_frame([emulated()]), [emulated()])).text
    assert HEADER in text
    assert "ran on an emulated processor" in text
