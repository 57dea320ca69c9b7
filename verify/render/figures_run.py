"""Figures of a run as a whole: the power of its checks, and the evidence by theorem."""

from __future__ import annotations

from collections import Counter

from verify.render.plot import Bars, Description, Matrix
from verify.render.power import COLUMNS, power_matrix
from verify.render.summary import GRADES
from verify.results import Results


def power(results: Results) -> Description | None:
    """How many wrong predictions were refuted, of those tried: theorems by kinds."""
    matrix = power_matrix(results)
    cells = tuple(tuple((cell.refuted, cell.tried) for cell in row) for row in matrix.values())
    tried = sum(whole for row in cells for _, whole in row)
    if not tried:
        return None
    refuted = sum(part for row in cells for part, _ in row)
    return Description(
        "power",
        "",
        "Power: wrong predictions that the checks refuted, of those tried, by theorem and kind. A dash: the kind does "
        "not apply.",
        f"A matrix of theorems and kinds of wrong predictions; {refuted} of {tried} were refuted.",
        (Matrix(tuple(matrix), COLUMNS, cells),),
        0.9 + 0.24 * len(matrix),
    )


def evidence(results: Results) -> Description | None:
    """How many cases of each theorem have which grade of evidence."""
    counts = Counter((result.theorem, result.evidence) for result in results.results if result.evidence in GRADES)
    theorems = tuple(dict.fromkeys(result.theorem for result in results.results))
    if not counts:
        return None
    # Grades that no case has would be colours without a bar.
    grades = tuple(grade for grade in GRADES if any(counts[theorem, grade] for theorem in theorems))
    table = tuple(tuple(counts[theorem, grade] for grade in grades) for theorem in theorems)
    totals = ", ".join(f"{sum(column)} {grade}" for grade, column in zip(grades, zip(*table, strict=True), strict=True))
    return Description(
        "evidence",
        "",
        "Evidence by theorem: cases by the grade of what decided them, the strongest first.",
        f"Stacked bars, one a theorem. Cases in all: {totals}.",
        (Bars("cases", theorems, grades, table),),
        0.9 + 0.22 * len(theorems),
    )
