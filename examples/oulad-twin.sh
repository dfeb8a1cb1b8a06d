#!/usr/bin/env bash
# A synthetic twin of an extract of the Open University Learning Analytics Dataset (CC BY 4.0).
# Usage: bash examples/oulad-twin.sh SOURCE_DIR OUT_DIR
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: bash examples/oulad-twin.sh SOURCE_DIR OUT_DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")/.." && pwd)
kohort="$here/.venv/bin/kohort"
[ -x "$kohort" ] || { echo "run make demo first" >&2; exit 2; }
source=$1 out=$2

"$kohort" init "$out/workspace" --local --source "oulad=oulad:$source"
"$kohort" rights import --workspace "$out/workspace" --all-in oulad --state granted \
  --legal-basis published-dataset --note "OULAD, CC BY 4.0, Kuzilek, Hlosta, Zdrahal 2017"

# A steward sets what all noisy releases of the family may spend together, for ever, and says what
# is public: the modules on offer, and how many learners the published paper says that there are.
cat >> "$out/workspace/policy.toml" <<'TOML'

[budget]
epsilon_per_family = 4.0
delta = 1e-9
TOML
"$kohort" catalog new oulad --learners 28785 --workspace "$out/workspace"

# The extract that a researcher wants, and has not been granted yet.
cat > "$out/request.toml" <<'TOML'
title = "Completion by education and region"
researcher = "r.lee@uni.example"
purpose = "research"
source = "oulad"

[release]
type = "microdata"
pseudonyms = "release"
learners = ["gender", "region", "highest_education", "imd_band", "age_band"]
enrolments = ["code_module", "final_result", "clicks", "active_days"]
statistics = [{ column = "final_result", values = ["Pass", "Distinction"], by = "gender" }]
TOML

# Its twin: the same tables and columns, invented learners, at epsilon 1.
"$kohort" synth twin "$out/request.toml" --epsilon 1 --workspace "$out/workspace"
"$kohort" request check "$out/request.twin.toml" --workspace "$out/workspace"
"$kohort" build "$out/request.twin.toml" --workspace "$out/workspace" --out "$out/package"
"$kohort" verify "$out/package" --approval "$out/package.steward/approval.json"

# The same request on the same data: the twin is given out once more, and nothing is spent.
"$kohort" budget show --json --workspace "$out/workspace" > "$out/before.json"
"$kohort" build "$out/request.twin.toml" --workspace "$out/workspace" --out "$out/again"
"$kohort" budget show --json --workspace "$out/workspace" > "$out/after.json"
cmp "$out/before.json" "$out/after.json"
diff -r "$out/package" "$out/again"
echo "the second build spent nothing"

# For the steward's eyes only: how near the twin comes to the learners that it stands in for.
cat "$out/package.steward/fidelity.md"
