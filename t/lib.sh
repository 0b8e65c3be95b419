# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# lib.sh - what the shell tests share. Source it first; end the test with t_done.
#
#     . "${srcdir:-.}/t/lib.sh"
#     daemon_config <<-'END'
#     	limits = ( { name = "burst"; per = "account"; count = "messages"; ceilings = [ "3/1h" ]; action = "defer"; } );
#     END
#     daemon_start
#     play <<-'END'
#     	test an owned sender passes
#     	deliver bob@acme.example <bob@acme.example> <x@dest.example> bob@acme.example
#     	expect pass
#     END
#     check "the log names the queue id" log_has 'qid=4XyZ'
#     t_done
#
# Everything lives in $T (a temporary directory, removed at the end); every process that was started here is
# ended at the end by its pid. Nothing sleeps where an event can be awaited: await polls with a bound.
# Result lines are TAP, numbered over shell checks and play scripts together.
#
# Where the programs are: GATEPOST (the daemon), GATEPOSTCTL, TOOLS (the directory with play, hammer,
# activate); by default below the directory in which the tests run (the build tree's top).

set -u
LC_ALL=C
export LC_ALL

top=${top_builddir:-.}
GATEPOST=${GATEPOST:-$top/milter/gatepost}
GATEPOSTCTL=${GATEPOSTCTL:-$top/milter/gatepostctl}
TOOLS=${TOOLS:-$top/t/milter}

t_number=0
t_failed=0
t_pids=
daemon_pid=

T=$(mktemp -d "${TMPDIR:-/tmp}/gatepost-t.XXXXXX") || exit 99
SOCKET=$T/milter.sock
# The daemon refuses to stay root; under root the tests run it as nobody.
daemon_user=
if [ "$(id -u)" = 0 ]; then
	daemon_user=nobody
	chown nobody "$T"
fi
trap t_cleanup EXIT
trap 'exit 130' INT TERM HUP

t_cleanup() {
	for t_pid in $t_pids; do
		kill "$t_pid" 2>/dev/null && await 5 gone "$t_pid" || kill -9 "$t_pid" 2>/dev/null
	done
	if [ "${KEEP:-}" = yes ]; then
		echo "# kept: $T"
	else
		rm -rf "$T"
	fi
}

# The whole test is left out, with the reason; in CI that is a failure.
t_skip() {
	[ -z "${CI:-}" ] || { echo "1..1"; echo "not ok 1 - left out in CI: $*"; exit 1; }
	echo "1..0 # SKIP $*"
	exit 0
}

t_done() {
	echo "1..$t_number"
	[ "$t_failed" -eq 0 ]
	exit
}

# check WORDS COMMAND...: one result. What the command prints is shown when it fails. It runs in this shell,
# not in a subshell: functions may set variables, and wait for what they started.
check() {
	t_words=$1
	shift
	t_number=$((t_number + 1))
	if "$@" >"$T/check.out" 2>&1; then
		echo "ok $t_number - $t_words"
	else
		t_failed=$((t_failed + 1))
		echo "not ok $t_number - $t_words"
		echo "# failed: $*"
		head -20 "$T/check.out" | sed 's/^/# /'
		[ -z "${daemon_log:-}" ] || tail -3 "$daemon_log" | sed 's/^/# log: /'
	fi
}

# play [SOCKET]: a script for the MTA's side on standard input; its tests are results of ours.
play() {
	"$TOOLS/play" -n $((t_number + 1)) "${1:-$SOCKET}" >"$T/play.out" 2>&1
	cat "$T/play.out"
	t_n=$(grep -c -E '^(not )?ok ' "$T/play.out")
	t_bad=$(grep -c '^not ok ' "$T/play.out")
	[ "$t_bad" -eq 0 ] || [ -z "${daemon_log:-}" ] || tail -3 "$daemon_log" | sed 's/^/# log: /'
	t_number=$((t_number + t_n))
	t_failed=$((t_failed + t_bad))
	[ "$t_n" -gt 0 ] || check "play ran" false
}

# await SECONDS COMMAND...: until it succeeds; fails after that time.
await() {
	t_left=$(($1 * 20))
	shift
	while ! "$@" >/dev/null 2>&1; do
		t_left=$((t_left - 1))
		[ "$t_left" -gt 0 ] || return 1
		sleep 0.05
	done
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# field NAME: the value of NAME=... in a line on standard input.
field() {
	tr ' ' '\n' | sed -n "s/^$1=//p"
}

# ---- the daemon -----------------------------------------------------------------------------

# Tables with two customers: acme (bob, alice) and other (carol).
daemon_tables() {
	cat >"$T/accounts" <<-END
	bob@acme.example	acme
	alice@acme.example	acme
	carol@other.example	other
	END
	cat >"$T/domains" <<-END
	acme.example	acme
	other.example	other
	END
	printf '192.0.2.200\tacme\n' >"$T/networks"
	: >"$T/customers"
}

# daemon_config: a whole configuration; standard input adds to or (whole settings only) stands in for the
# defaults here. Groups given there must be whole groups.
daemon_config() {
	[ -f "$T/accounts" ] || daemon_tables
	cat >"$T/extra"
	{
		has_setting listen || echo "listen = \"unix:$SOCKET\";"
		echo "api = \"unix:$T/api.sock\";"
		echo "api_allow = [ \"$(id -un)\" ];"
		echo "user = \"$daemon_user\"; relay = \"out1\";"
		echo "log : { socket = \"$T/no-syslog\"; };"
		has_setting store || echo "store : { type = \"memory\"; file = \"$T/state.db\"; };"
		has_setting tables || cat <<-END
		tables : { accounts = "file:$T/accounts"; domains = "file:$T/domains"; networks = "cidr:$T/networks";
		           users = ""; customers = "file:$T/customers"; };
		END
		has_setting mailers || echo 'mailers : { signatures = ""; };'
		has_setting limits || echo 'limits = ( );'
		cat "$T/extra"
	} >"$T/gatepost.conf.new"
	mv "$T/gatepost.conf.new" "$T/gatepost.conf"
}

has_setting() {
	grep -q -E "^[[:space:]]*$1[[:space:]]*[:=]" "$T/extra"
}

# keys_make FILE: a key file (trace.sealed.keys) with one key, "test", that the daemon may read.
keys_make() {
	printf 'test active 2026-01-31T00:00:00Z %s\n' "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')" >"$1"
	[ -z "$daemon_user" ] || chown "$daemon_user" "$1"
	chmod 400 "$1"
}

# daemon_start [FILE]: in the foreground as our child, log on standard error.
daemon_start() {
	daemon_log=$T/log
	"$GATEPOST" -f -c "${1:-$T/gatepost.conf}" 2>>"$daemon_log" &
	daemon_pid=$!
	t_pids="$t_pids $daemon_pid"
	if ! "$TOOLS/play" --wait "$SOCKET" 10 2>"$T/wait.err"; then
		check "the daemon starts" false
		sed 's/^/# /' "$daemon_log" "$T/wait.err"
		t_done
	fi
}

daemon_stop() {
	kill "$daemon_pid" && wait "$daemon_pid"
}

daemon_kill() {
	kill -9 "$daemon_pid"
	wait "$daemon_pid" 2>/dev/null
	return 0
}

# daemon_reload: SIGHUP, and waits until the log says how it went.
daemon_reload() {
	t_before=$(grep -c -E "$reload_words" "$daemon_log")
	kill -HUP "${1:-$daemon_pid}"
	await 10 reload_said
}

reload_said() {
	[ "$(grep -c -E "$reload_words" "$daemon_log")" -gt "$t_before" ]
}
reload_words='^[^=]*configuration (reloaded|refused)'

log_has() {
	await 5 grep -q -E -e "$1" "$daemon_log"
}
