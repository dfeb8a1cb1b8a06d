#!/usr/bin/env bash
# An anonymized extract of a Coursera research data export.
# Usage: bash examples/coursera.sh EXPORT_ZIP OUT_DIR
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: bash examples/coursera.sh EXPORT_ZIP OUT_DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")/.." && pwd)
kohort="$here/.venv/bin/kohort"
[ -x "$kohort" ] || { echo "run make demo first" >&2; exit 2; }
export=$1 out=$2

"$kohort" init "$out/workspace" --local --source "export=coursera:$export"
"$kohort" source check export --workspace "$out/workspace"

# The sample export holds scrambled test data. For a real one import the learners' own rights:
#   kohort rights import rights.csv --workspace ...
"$kohort" rights import --workspace "$out/workspace" --all-in export --state granted \
  --legal-basis published-dataset --note "sample export of the R package crsra: scrambled test data"

cat > "$out/request.toml" <<'TOML'
title = "Passing by education and country"
researcher = "r.lee@uni.example"
purpose = "research"
source = "export"

[release]
type = "microdata"
access = "controlled"
pseudonyms = "course"
learners = ["country_cd", "educational_attainment", "reported_or_inferred_gender"]
enrolments = ["course_id", "passing_state", "grade", "active_weeks", "items_completed"]
csv = true

[release.privacy]
k = 5
suppression_limit = 0.1
TOML
"$kohort" request check "$out/request.toml" --workspace "$out/workspace"
"$kohort" build "$out/request.toml" --workspace "$out/workspace" --out "$out/package"
"$kohort" verify "$out/package" --approval "$out/package.steward/approval.json"
