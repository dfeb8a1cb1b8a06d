#!/usr/bin/env bash
# Noisy figures about groups, of the Open University Learning Analytics Dataset (CC BY 4.0).
# Usage: bash examples/oulad-aggregate.sh SOURCE_DIR OUT_DIR
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: bash examples/oulad-aggregate.sh SOURCE_DIR OUT_DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")/.." && pwd)
kohort="$here/.venv/bin/kohort"
[ -x "$kohort" ] || { echo "run make demo first" >&2; exit 2; }
source=$1 out=$2

"$kohort" init "$out/workspace" --local --source "oulad=oulad:$source"
"$kohort" rights import --workspace "$out/workspace" --all-in oulad --state granted \
  --legal-basis published-dataset --note "OULAD, CC BY 4.0, Kuzilek, Hlosta, Zdrahal 2017"

# A steward sets what all aggregate releases of the family may spend together, for ever.
cat >> "$out/workspace/policy.toml" <<'TOML'

[budget]
epsilon_per_family = 4.0
delta = 1e-9

[contributions]                   # what one learner adds to an aggregate, where a request leaves it out
cells = 2
TOML

# What is public: the modules on offer (from the source's own list of courses), the weeks of a
# presentation, and how many learners the published paper says that there are.
"$kohort" catalog new oulad --periods week=-4..38 --learners 28785 --workspace "$out/workspace"
catalogue=$("$kohort" catalog show oulad --workspace "$out/workspace" | sed -n 's/^sha256: //p')

cat > "$out/request.toml" <<TOML
title = "Enrolment, results and clicks by module"
researcher = "r.lee@uni.example"
purpose = "research"
source = "oulad"

[release]
type = "aggregate"
access = "public"
catalogue = "$catalogue"
csv = true

[release.budget]
epsilon = 2.0

[[release.queries]]
name = "by_module"
type = "learners"
by = ["code_module"]
margin_of = "by_module_and_education"

[[release.queries]]
name = "by_module_and_education"
type = "learners"
by = ["code_module", "highest_education"]
weight = 2

[[release.queries]]
name = "results"
type = "learners"
by = ["code_module", "final_result", "gender"]
weight = 2

[[release.queries]]
name = "active_by_week"
type = "learners"
view = "activity"
by = ["week"]
cells = 40
weight = 6

[[release.queries]]
name = "mean_clicks"
type = "mean"
of = "clicks"
by = ["code_module", "gender"]
bounds = [0, 5000]
nulls = "leave-out"
weight = 2

[[release.queries]]
name = "active_days"
type = "quantiles"
of = "active_days"
by = ["code_module"]
quantiles = [0.25, 0.5, 0.75]
bounds = [0, 250]
nulls = "leave-out"
weight = 2

[[release.queries]]
name = "clicks"
type = "histogram"
of = "clicks"
by = ["code_module"]
nulls = "leave-out"
TOML
"$kohort" request check "$out/request.toml" --wish by_module=5 --workspace "$out/workspace"
"$kohort" build "$out/request.toml" --workspace "$out/workspace" --out "$out/package"
"$kohort" verify "$out/package" --approval "$out/package.steward/approval.json"

# The same request on the same data: what was drawn is given out once more, and nothing is spent.
"$kohort" budget show --json --workspace "$out/workspace" > "$out/before.json"
"$kohort" build "$out/request.toml" --workspace "$out/workspace" --out "$out/again"
"$kohort" budget show --json --workspace "$out/workspace" > "$out/after.json"
cmp "$out/before.json" "$out/after.json"
diff -r "$out/package" "$out/again"
echo "the second build spent nothing"
