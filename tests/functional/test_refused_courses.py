"""What a learner refuses for one course says nothing of him in another."""

import json
from pathlib import Path

import polars as pl

from tests.smallworld import run

HEADER = (
    "code_module,code_presentation,id_student,gender,region,highest_education,imd_band,age_band,"
    "num_of_prev_attempts,studied_credits,disability,final_result"
)
RIGHTS = (
    "learner_id,purpose,scope,state,legal_basis,jurisdiction,notice_version,effective_from,"
    "effective_to,source"
)
REQUEST = """
title = "t"
researcher = "a@b"
purpose = "research"
source = "o"
[release]
type = "microdata"
learners = ["region"]
enrolments = ["code_module", "final_result"]
"""


def test_quasi_identifiers_of_a_refused_course_are_not_used(tmp_path: Path):
    """Ten learners lived in Scotland when they took AAA, which they refuse, and in Wales later."""
    data = tmp_path / "data"
    data.mkdir()
    rows = [HEADER]
    rights = [RIGHTS]
    for i in range(100, 110):
        result = ["Pass", "Fail"][i % 2]
        rows.append(f"AAA,2013J,{i},F,Scotland,HE Qualification,0-10%,0-35,0,60,N,Pass")
        rows.append(f"BBB,2014J,{i},F,Wales,HE Qualification,0-10%,0-35,0,60,N,{result}")
        rights.append(f"{i},research,*,granted,consent,GB,1,2020-01-01,,form")
        rights.append(f"{i},research,course:AAA,denied,,GB,1,2021-01-01,,letter")
    (data / "studentInfo.csv").write_text("\n".join(rows))
    (tmp_path / "rights.csv").write_text("\n".join(rights))
    (tmp_path / "request.toml").write_text(REQUEST)
    workspace, package = tmp_path / "ws", tmp_path / "package"
    run("init", str(workspace), "--local", "--source", f"o=oulad:{data}")
    run("rights", "import", str(tmp_path / "rights.csv"), "--workspace", str(workspace))
    run(
        *("build", str(tmp_path / "request.toml")),
        *("--workspace", str(workspace), "--out", str(package)),
    )
    released = pl.read_parquet(package / "data" / "enrolments.parquet")
    assert released["code_module"].unique().to_list() == ["BBB"]
    assert released["region"].unique().to_list() == ["Wales"]


FAMILY = """
family = "mine"
title = "Mine"
learner = "id"
item = "course"
[tables.regs]
grain = "learner-course"
[tables.regs.columns]
id = { role = "learner-key" }
course = { role = "item" }
sex = { role = "quasi-identifier" }
[tables.results]
grain = "learner-course"
[tables.results.columns]
id = { role = "learner-key" }
course = { role = "item" }
result = { role = "sensitive" }
[views.learners]
grain = "learner"
table = "regs"
[views.learners.columns]
sex = { role = "quasi-identifier", values = ["F", "M"], description = "S." }
[views.enrolments]
grain = "learner-course"
table = "results"
[views.enrolments.columns]
course = { role = "item", description = "C." }
result = { role = "sensitive", values = ["p", "f"], description = "R." }
"""


def test_people_and_results_in_tables_of_their_own(tmp_path: Path):
    """Of twelve four refuse all, four refuse X, where their sex is unreadable; eight are released.

    Who refuses is no fault of the source: nothing of it shows in the quarantine.
    """
    (tmp_path / "mine.toml").write_text(FAMILY)
    data = tmp_path / "data"
    data.mkdir()
    regs, results, rights = ["id,course,sex"], ["id,course,result"], [RIGHTS]
    for i in range(100, 112):
        regs += [f"{i},X,{'?' if i < 104 else 'F'}", f"{i},Y,M"]
        results += [f"{i},Y,{'pf'[i % 2]}"]
        state = "denied" if i >= 108 else "granted"
        rights.append(f"{i},research,*,{state},consent,GB,1,2020-01-01,,form")
        if i < 104:
            rights.append(f"{i},research,course:X,denied,,GB,1,2021-01-01,,letter")
    (data / "regs.csv").write_text("\n".join(regs))
    (data / "results.csv").write_text("\n".join(results))
    (tmp_path / "rights.csv").write_text("\n".join(rights))
    text = REQUEST.replace('"region"', '"sex"').replace(
        '"code_module", "final_result"', '"course", "result"'
    )
    (tmp_path / "request.toml").write_text(text)
    workspace, package = tmp_path / "ws", tmp_path / "package"
    run("init", str(workspace), "--local", "--source", f"o={tmp_path / 'mine.toml'}:{data}")
    run("rights", "import", str(tmp_path / "rights.csv"), "--workspace", str(workspace))
    run(
        *("build", str(tmp_path / "request.toml")),
        *("--workspace", str(workspace), "--out", str(package)),
    )
    released = pl.read_parquet(package / "data" / "enrolments.parquet")
    assert released.height == 8
    steward = package.with_name("package.steward")
    counts = (steward / "quarantine" / "counts.csv").read_text()
    assert "no_learner_row,8" not in counts
    decided = json.loads((steward / "eligibility.json").read_text())
    assert decided["restrictions_without_effect"]["unknown_learners"] == 0
