#!/usr/bin/env bash
# What the action does once saddle-escape is installed: run, report, annotate, say where things are. It can be tried
# anywhere: IDS='T5 imbalance.' SADDLE_ESCAPE_RUN_TIER=smoke bash action/run.sh
#
# In: IDS (words, empty for all), OUT (folder of the record and the reports), SADDLE_ESCAPE_RUN_* (tier, jobs, ...).
# Out: the run's exit code; a summary in $GITHUB_STEP_SUMMARY, `exit-code` and `report` in $GITHUB_OUTPUT.
set -uo pipefail

out=${OUT:-reports/$(date -u +%Y%m%dT%H%M%SZ)-ci}
summary=${GITHUB_STEP_SUMMARY:-/dev/null}
output=${GITHUB_OUTPUT:-/dev/null}

read -r -a ids <<< "${IDS:-}"
rm -f "$out/results.json" # the reports below must be of this run or not be
code=0
saddle-escape run --out "$out" ${ids[@]+"${ids[@]}"} || code=$?

if [ -f "$out/results.json" ]; then
    saddle-escape report --run "$out" --out "$out" --format html,md,junit,summary,annotations || code=$((code ? code : 3))
    [ -f "$out/annotations.txt" ] && cat "$out/annotations.txt"
    [ -f "$out/summary.md" ] && cat "$out/summary.md" >> "$summary"
else
    echo "::error title=saddle-escape::the run wrote no record (exit code $code), the log says why"
    echo "**saddle-escape wrote no record (exit code $code); the log says why.**" >> "$summary"
fi
printf 'exit-code=%s\nreport=%s\n' "$code" "$out" >> "$output"
exit "$code"
