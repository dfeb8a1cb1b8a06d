#!/usr/bin/env bash
# An anonymized extract of the Open University Learning Analytics Dataset (CC BY 4.0).
# Usage: bash examples/oulad.sh SOURCE_DIR OUT_DIR     (SOURCE_DIR holds studentInfo.csv and the rest)
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: bash examples/oulad.sh SOURCE_DIR OUT_DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")/.." && pwd)
kohort="$here/.venv/bin/kohort"
[ -x "$kohort" ] || { echo "run make demo first" >&2; exit 2; }
source=$1 out=$2

# What is out is remembered: a second extract of the same learners must fit beside the first. Here
# nobody has got the last one yet, so it is recalled, and its researcher has nothing to destroy.
taken_back() {
  local release
  release=$("$kohort" release list --state served --workspace "$out/workspace" | cut -d " " -f 1)
  "$kohort" release recall "$release" --reason "only tried" --workspace "$out/workspace"
  "$kohort" release confirm "$release" --recipient r.lee@uni.example --workspace "$out/workspace"
}

"$kohort" init "$out/workspace" --local --source "oulad=oulad:$source"
"$kohort" source check oulad --workspace "$out/workspace"

# Nobody in it can be asked any more: the recorded basis is that the dataset is published, CC BY 4.0.
"$kohort" rights import --workspace "$out/workspace" --all-in oulad --state granted \
  --legal-basis published-dataset --note "OULAD, CC BY 4.0, Kuzilek, Hlosta, Zdrahal 2017"

cat > "$out/request.toml" <<'TOML'
title = "Completion by education and region"
researcher = "r.lee@uni.example"
purpose = "research"
source = "oulad"

[release]
type = "microdata"
access = "controlled"
pseudonyms = "course"
learners = ["gender", "age_band", "highest_education", "region"]
enrolments = ["code_module", "final_result", "clicks"]
weights = { highest_education = 3 }

[release.privacy]
k = 5
suppression_limit = 0.05
maximum_share = { final_result = 0.8 }
TOML
"$kohort" request check "$out/request.toml" --workspace "$out/workspace"
"$kohort" build "$out/request.toml" --workspace "$out/workspace" --out "$out/package"
"$kohort" verify "$out/package" --approval "$out/package.steward/approval.json"
taken_back

# Which modules go together? A pseudonym links a learner's modules here: an attacker may know two.
cat > "$out/pairs.toml" <<'TOML'
title = "Pairs of modules"
researcher = "r.lee@uni.example"
purpose = "research"
source = "oulad"

[release]
type = "microdata"
access = "controlled"
pseudonyms = "release"
learners = ["gender", "age_band", "highest_education", "region"]
enrolments = ["code_module", "final_result"]
statistics = [{ column = "final_result", values = ["Pass", "Distinction"], by = "gender" }]

[release.privacy]
k = 5
m = 2
suppression_limit = 0.05
item_suppression_limit = 0.05
l = { final_result = 2 }
TOML
"$kohort" build "$out/pairs.toml" --workspace "$out/workspace" --out "$out/pairs"
"$kohort" verify "$out/pairs" --approval "$out/pairs.steward/approval.json"
taken_back

# The same, against an attacker who knows every module of the target.
sed -e 's/^title = .*/title = "Whole sets of modules"/' -e 's/^m = 2$/m = "full"/' \
  "$out/pairs.toml" > "$out/sets.toml"
"$kohort" build "$out/sets.toml" --workspace "$out/workspace" --out "$out/sets"
"$kohort" verify "$out/sets" --approval "$out/sets.steward/approval.json"
taken_back

# More detail for controlled access: each class has its own levels.
cat > "$out/local.toml" <<'TOML'
title = "Completion in fine classes"
researcher = "r.lee@uni.example"
purpose = "research"
source = "oulad"

[release]
type = "microdata"
access = "controlled"
pseudonyms = "course"
recoding = "local"
learners = ["gender", "age_band", "highest_education", "region", "imd_band"]
enrolments = ["code_module", "final_result"]

[release.privacy]
k = 5
suppression_limit = 0.05
t = { final_result = 0.3 }
TOML
"$kohort" build "$out/local.toml" --workspace "$out/workspace" --out "$out/local"
"$kohort" verify "$out/local" --approval "$out/local.steward/approval.json"
