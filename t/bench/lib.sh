# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# bench/lib.sh - what run and run-postfix share: a place, the filters, medians. Source it.
#
# Figures on a shared machine scatter by 10 to 20 per cent from run to run, so filters are always measured in
# alternation, and only ratios are judged: the median of the ratios of neighbouring runs.

set -u
LC_ALL=C
export LC_ALL

top=${top_builddir:-.}
GATEPOST=${GATEPOST:-$top/milter/gatepost}
BENCH=${BENCH:-$top/t/bench}		# floor, loadgen
TOOLS=${TOOLS:-$top/t/milter}		# play

b_pids=
B=$(mktemp -d "${TMPDIR:-/tmp}/gatepost-bench.XXXXXX") || exit 99
chmod 755 "$B"
b_user=
if [ "$(id -u)" = 0 ]; then
	b_user=nobody
	chown nobody "$B"
fi
trap bench_cleanup EXIT
trap 'exit 130' INT TERM HUP
ulimit -n 8192 2>/dev/null || ulimit -n "$(ulimit -H -n)" 2>/dev/null

bench_cleanup() {
	for b_pid in $b_pids; do
		kill "$b_pid" 2>/dev/null
	done
	for b_pid in $b_pids; do
		wait "$b_pid" 2>/dev/null
	done
	if command -v bench_cleanup_more >/dev/null; then
		bench_cleanup_more
	fi
	rm -rf "$B"
}

# bench_tables DIR N: accounts uK@dC.example of customers cC, ten accounts to a customer.
bench_tables() {
	mkdir -p "$1"
	awk -v n="$2" -v dir="$1" 'BEGIN {
		for (i = 0; i < n; i++)
			printf "u%d@d%d.example\tc%d\n", i, i / 10, i / 10 > (dir "/accounts")
		for (i = 0; i < n / 10; i++) {
			printf "d%d.example\tc%d\n", i, i > (dir "/domains")
			printf "c%d\tplan=standard\n", i > (dir "/customers")
		}
		printf "127.0.0.1\tc0\n" > (dir "/networks")
	}'
}

# bench_config NAME TABLES: six limits, three windows for each of two keys, none of which is ever reached.
bench_config() {
	cat >"$B/$1.conf" <<-END
	listen = "unix:$B/$1.sock"; listen_mode = "0666";
	api = "unix:$B/$1.api";
	api_allow = [ "$(id -un)" ];
	user = "$b_user"; relay = "$1";
	log : { socket = "$B/syslog"; };
	store : { type = "memory"; file = "$B/$1.db"; memory = "4G"; };
	tables : { accounts = "file:$2/accounts"; domains = "file:$2/domains"; customers = "file:$2/customers";
	           networks = "cidr:$2/networks"; users = ""; };
	identity : { relays = [ ]; };
	mailers : { signatures = "$b_signatures"; };
	limits = (
	  { name = "account"; per = "account"; count = "messages";
	    ceilings = [ "100000000/1m", "200000000/1h", "400000000/1d" ]; },
	  { name = "customer"; per = "customer"; count = "recipients";
	    ceilings = [ "100000000/1m", "200000000/1h", "400000000/1d" ]; }
	);
	plans = { standard = [ "100000000/1d" ]; };
	END
}
b_signatures=
if cp "${srcdir:-.}/etc/signatures.conf" "$B/"; then
	b_signatures=$B/signatures.conf
fi

bench_syslog() {
	"$BENCH/loadgen" -S "$B/syslog" &
	b_pids="$b_pids $!"
}

bench_started() {
	b_pids="$b_pids $2"
	"$TOOLS/play" --wait "$B/$1.sock" 120 || {
		echo "bench: $1 does not answer" >&2
		cat "$B/$1.err" >&2
		exit 1
	}
	eval "pid_$1=$2"
}

# The variable says that the service manager keeps the log: nothing goes to standard error.
bench_gatepost() {
	INVOCATION_ID=bench "$GATEPOST" -f -c "$B/$1.conf" 2>"$B/$1.err" &
	bench_started "$1" $!
}

bench_floor() {
	"$BENCH/floor" "$B/$1.sock" 2>"$B/$1.err" &
	bench_started "$1" $!
}

field() {
	tr ' ' '\n' | sed -n "s/^$1=//p"
}

# median FILE FIELD
median() {
	field "$2" <"$1" | middle
}

middle() {
	sort -n | awk '{ v[NR] = $1 } END { printf "%.10g", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# ratio FILE_A FILE_B FIELD: b / a of each round, the median of these. What disturbs the machine for longer
# than a round falls on both.
ratio() {
	field "$3" <"$1" >"$B/ratio.a"
	field "$3" <"$2" >"$B/ratio.b"
	printf '%.2f' "$(paste "$B/ratio.a" "$B/ratio.b" | awk '$1 > 0 { print $2 / $1 }' | middle)"
}

# target WORDS VALUE least|most BOUND
b_missed=0
target() {
	if awk -v v="$2" -v b="$4" -v how="$3" 'BEGIN { exit !(how == "least" ? v >= b : v <= b) }'; then
		b_word=met
	else
		b_word=MISSED
		b_missed=$((b_missed + 1))
	fi
	printf '%-7s %-58s %8s (%s %s)\n' "$b_word" "$1" "$2" "at $3" "$4"
}
