# How a script says why it failed, on the page of the job's run: one `::error`, even when a command
# fails that the script did not expect to fail. Sourced, under `set -euo pipefail`, by the action's steps
# and by those of a release.
# shellcheck shell=bash

# What a step fails at, for its annotation; each step says it.
failing='the step failed'
# What annotations begin with.
title=mlc-package
# Whether they are workflow commands.
annotating=true
# `warning` in a step that may fail.
severity=error
# The usual exit code of `fail`: for what was given wrongly.
usual_code=2

# Whether it was said already. A file, since a subshell may say it.
said=$(mktemp "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/said-XXXXXX") || said=/dev/null

# The text of a workflow command: no line of it is a command of its own.
escape() {
  local text=$1
  text=${text//\%/%25}
  text=${text//$'\r'/%0D}
  printf '%s' "${text//$'\n'/%0A}"
}

# Somebody has said why: the exit adds nothing.
was_said() { echo said >"$said"; }

# On standard error: standard output may be what a step captures.
annotate_error() {
  was_said
  end_group
  if [[ $annotating == true ]]; then
    printf '::%s title=%s::%s\n' "$severity" "$title" "$(escape "$1")" >&2
  else
    printf '%s: %s\n' "$title" "$1" >&2
  fi
}

# Ends the step with what is wrong and what to do.
fail() {
  annotate_error "$1"
  exit "${2:-$usual_code}"
}

# A part of the log that is folded up. If it stayed open, it would hold the lines of later steps too.
group_is_open=false
begin_group() {
  printf '::group::%s\n' "$(escape "$1")"
  group_is_open=true
}
end_group() {
  if [[ $group_is_open == true ]]; then echo "::endgroup::"; fi
  group_is_open=false
}

# What a script does at its end, whatever becomes of it.
cleanup() { :; }

at_exit() {
  local code=$?
  trap - ERR
  set +e
  cleanup
  # 130 and 143: the job was cancelled.
  if ((code != 0 && code != 130 && code != 143)) && [[ ! -s $said ]]; then
    local what="exit code $code"
    # Its first line is enough to find it.
    if [[ -n $failed_command ]]; then what="\`${failed_command%%$'\n'*}\` ended with $what"; fi
    annotate_error "$failing: $what; the log of the step may say why"
  fi
  end_group
  if [[ $said != /dev/null ]]; then rm -f "$said"; fi
  exit "$code"
}

failed_command=
set -E
trap 'failed_command=$BASH_COMMAND' ERR
trap at_exit EXIT
