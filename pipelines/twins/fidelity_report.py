"""The fidelity of a twin as the steward reads it: for programs, and as a page.

Exact figures about real learners stand in both: neither may lie in a package.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from schemas.roles import Grain
from synth.fidelity import Fidelity, StatisticError, WayError, Ways
from synth.fidelity_prediction import MOST_LABELS, Auc, Prediction

WARNING: Final = "Exact figures about real learners: steward-side, not to be released."

_DIGITS: Final = 4
_WORST: Final = 10
_ROWS: Final = {Grain.LEARNER: "learners", Grain.LEARNER_COURSE: "enrolments"}
_REASONS: Final = {
    "no-features": "none: there is no other column to predict from",
    "one-class-held-out": "none: all held-out rows are positive, or none is",
    "too-many-labels": f"none: the other columns have more than {MOST_LABELS:,} labels",
    "one-class-trained-on": "none: all rows to learn from are positive, or none is",
}


def fidelity_document(fidelity: Fidelity) -> dict[str, object]:
    """All figures, ready for JSON; shares and distances rounded to four decimals."""
    return {
        "warning": WARNING,
        "learners": {"real": fidelity.real_learners, "twin": fidelity.twin_learners},
        "enrolments": {"real": fidelity.real_rows, "twin": fidelity.twin_rows},
        "one_way": _ways(fidelity.one_way),
        "two_way": _ways(fidelity.two_way),
        "statistics": [_statistic(found) for found in fidelity.statistics],
        "prediction": None if fidelity.prediction is None else _prediction(fidelity.prediction),
    }


def fidelity_text(fidelity: Fidelity) -> str:
    """The same as a page in Markdown, of the pairs of columns the ten worst."""
    one_way, two_way = fidelity.one_way, fidelity.two_way
    worst = two_way.worst(_WORST)
    return "\n".join(
        [
            WARNING,
            "",
            "# Fidelity of the twin",
            "",
            *_table(
                ["", "real", "twin"],
                [
                    ["learners", str(fidelity.real_learners), str(fidelity.twin_learners)],
                    ["enrolments", _whole(fidelity.real_rows), _whole(fidelity.twin_rows)],
                ],
            ),
            "",
            "Distances are total variation distances: the share of rows that would have to change,",
            "0 for equal distributions, 1 where nothing is shared. Differences are twin less real.",
            "",
            "## Single columns",
            "",
            f"{len(one_way.errors)} columns: {_mean_and_largest(one_way)}.",
            "",
            *_table(["column", "counted", "distance"], map(_way_row, one_way.errors)),
            "",
            "## Pairs of columns",
            "",
            f"{len(two_way.errors)} pairs: {_mean_and_largest(two_way)}. The worst {len(worst)}:",
            "",
            *_table(["columns", "counted", "distance"], map(_way_row, worst)),
            *_statistics_lines(fidelity.statistics),
            *_prediction_lines(fidelity.prediction),
            "",
        ]
    )


def _ways(ways: Ways) -> dict[str, object]:
    return {
        "mean": _rounded(ways.mean),
        "largest": _rounded(ways.largest),
        "errors": [
            {
                "columns": list(error.columns),
                "grain": str(error.grain),
                "tvd": _rounded(error.tvd),
            }
            for error in ways.errors
        ],
    }


def _statistic(found: StatisticError) -> dict[str, object]:
    statistic = found.statistic
    return {
        "column": statistic.column,
        "values": list(statistic.values),
        "by": statistic.by,
        "absent": list(found.absent),
        "shares": [
            {
                "group": share.group,
                "real_rows": share.real_rows,
                "twin_rows": share.twin_rows,
                "real": _rounded(share.real),
                "twin": _rounded(share.twin),
                "difference": _rounded(share.difference),
            }
            for share in found.shares
        ],
    }


def _prediction(found: Prediction) -> dict[str, object]:
    return {
        "column": found.target.column,
        "positive": list(found.target.positive),
        "grain": str(found.grain),
        "features": list(found.features),
        "held_out_rows": found.held_out,
        "trained_on_real": {"rows": found.real_rows, **_auc(found.real)},
        "trained_on_twin": {"rows": found.twin_rows, **_auc(found.twin)},
        "difference": _rounded(found.difference),
    }


def _auc(auc: Auc) -> dict[str, Any]:
    return {"auc": _rounded(auc.value), "reason": auc.reason}


def _statistics_lines(statistics: Sequence[StatisticError]) -> list[str]:
    lines = ["", "## Declared statistics", ""]
    if not statistics:
        return [*lines, "None were declared."]
    head = ["share", "rows", "real rows", "twin rows", "real", "twin", "difference"]
    rows = [row for found in statistics for row in _share_rows(found)]
    absent = [line for found in statistics if found.absent for line in ("", _absent_text(found))]
    return [*lines, *_table(head, rows), *absent]


def _share_rows(found: StatisticError) -> list[list[str]]:
    return [
        [
            _name(found),
            "all" if share.group is None else f"{found.statistic.by}: {share.group}",
            str(share.real_rows),
            str(share.twin_rows),
            _number(share.real),
            _number(share.twin),
            _number(share.difference, sign="+"),
        ]
        for share in found.shares
    ]


def _absent_text(found: StatisticError) -> str:
    return (
        f"{_cell(_name(found))}: no row of either side has {_cell(', '.join(found.absent))}. If the"
        " labels of these tables are coarser, these shares are not what was declared."
    )


def _name(found: StatisticError) -> str:
    return f"{found.statistic.column} in {', '.join(found.statistic.values)}"


def _prediction_lines(found: Prediction | None) -> list[str]:
    lines = ["", "## Train on the twin, test on real learners", ""]
    if found is None:
        return [*lines, "No target was declared."]
    rows = [
        ["the other real half", str(found.real_rows), _auc_text(found.real)],
        ["the twin", str(found.twin_rows), _auc_text(found.twin)],
        ["difference", "", _number(found.difference, sign="+")],
    ]
    return [*lines, _tested_text(found), "", *_table(["trained on", "rows", "AUC"], rows)]


def _tested_text(found: Prediction) -> str:
    positive, features = ", ".join(found.target.positive), ", ".join(found.features)
    return (
        f"A logistic regression predicts {found.target.column} in {_cell(positive)} from"
        f" {_cell(features) or 'nothing'}; it is tested on {found.held_out} rows of real learners,"
        " a random half, whom the model trained on real ones has not seen."
    )


def _mean_and_largest(ways: Ways) -> str:
    return f"mean {_number(ways.mean)}, largest {_number(ways.largest)}"


def _way_row(error: WayError) -> list[str]:
    return [" x ".join(error.columns), _ROWS[error.grain], _number(error.tvd)]


def _auc_text(auc: Auc) -> str:
    return _number(auc.value) if auc.reason is None else _REASONS[auc.reason]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines]


def _cell(text: str) -> str:
    """Labels may hold what ends a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def _rounded(value: float | None) -> float | None:
    # Nothing is added to 0.0 but the sign: a tiny negative difference is no `-0.0`.
    return None if value is None else round(value, _DIGITS) + 0.0


def _number(value: float | None, *, sign: str = "") -> str:
    """Four decimals; `-` for a division by zero."""
    rounded = _rounded(value)
    return "-" if rounded is None else f"{rounded:{sign}.{_DIGITS}f}"


def _whole(value: int | None) -> str:
    return "-" if value is None else str(value)
