#!/usr/bin/env bash
# Noisy figures about groups, of a Coursera research data export.
# Usage: bash examples/coursera-aggregate.sh EXPORT_ZIP OUT_DIR
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: bash examples/coursera-aggregate.sh EXPORT_ZIP OUT_DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")/.." && pwd)
kohort="$here/.venv/bin/kohort"
[ -x "$kohort" ] || { echo "run make demo first" >&2; exit 2; }
export=$1 out=$2

"$kohort" init "$out/workspace" --local --source "export=coursera:$export"

# The sample export holds scrambled test data. For a real one import the learners' own rights:
#   kohort rights import rights.csv --workspace ...
"$kohort" rights import --workspace "$out/workspace" --all-in export --state granted \
  --legal-basis published-dataset --note "sample export of the R package crsra: scrambled test data"

# Many small draws cost less in zero-concentrated differential privacy, with Gaussian noise.
cat >> "$out/workspace/policy.toml" <<'TOML'

[budget]
epsilon_per_family = 8.0
epsilon_per_recipient = 6.0
delta = 1e-9
regime = "zcdp"

[contributions]
cells = 20
events = 50
bounds = { grade = [0.0, 1.0] }
TOML

# A real export lists its courses (leave --items out); in the sample their ids are scrambled, and so are
# learners' ids, table by table: only nine enrolled learners have a profile and count. With a sample of
# nine, all that can be seen is noise; the promise is the same.
"$kohort" catalog new export --items LEemVewWMPAqsm3Vo3Am1z --learners 9 \
  --periods month=2016-01-01..2017-12-31 --workspace "$out/workspace"
catalogue=$("$kohort" catalog show export --workspace "$out/workspace" | sed -n 's/^sha256: //p')

cat > "$out/request.toml" <<TOML
title = "Activity and grades by course, month and continent"
researcher = "r.lee@uni.example"
purpose = "research"
source = "export"

[release]
type = "aggregate"
access = "controlled"
catalogue = "$catalogue"

[release.budget]
rho = 0.3

[[release.queries]]
name = "learners"
type = "learners"
by = ["course_id", { column = "country_cd", level = 2 }]

[[release.queries]]
name = "active"
type = "learners"
view = "activity"
by = ["course_id", "month"]
weight = 4

[[release.queries]]
name = "steps"
type = "events"
view = "activity"
by = ["course_id", "month"]

[[release.queries]]
name = "grades"
type = "mean"
of = "grade"
by = ["course_id"]
decimals = 2
nulls = "leave-out"
TOML
"$kohort" request check "$out/request.toml" --workspace "$out/workspace"
"$kohort" build "$out/request.toml" --workspace "$out/workspace" --out "$out/package"
"$kohort" verify "$out/package" --approval "$out/package.steward/approval.json"

# The same request on the same data: what was drawn is given out once more, and nothing is spent.
"$kohort" budget show --json --workspace "$out/workspace" > "$out/before.json"
"$kohort" build "$out/request.toml" --workspace "$out/workspace" --out "$out/again"
"$kohort" budget show --json --workspace "$out/workspace" > "$out/after.json"
cmp "$out/before.json" "$out/after.json"
diff -r "$out/package" "$out/again"
echo "the second build spent nothing"
