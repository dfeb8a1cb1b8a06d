"""What a learner refuses for one course says nothing of him in another."""

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
