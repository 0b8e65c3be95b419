# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# redis/lib.sh - what the tests with real Redis servers share. Source it first.
#
#     redis_start "$T/r"
#     load topology single "$(at "$T/r")" - 8 60 50    starts t/redis/topology; returns once it is under way
#     load_more answered 100                           waits until as many more are
#     redis_kill "$T/r"
#     load_more refused 100
#     load_stop                                        ends it, and waits for its last line
#     check "nobody waits for longer" load_most longest_us 100000
#
# Servers, and whatever else was started, end with the test.

srcdir=$(cd "$(dirname "$0")/../.." && pwd)
export srcdir
GATEPOST_BUILD=${GATEPOST_BUILD:?the build directory}
TOOLS=$GATEPOST_BUILD/t/milter
. "$srcdir/t/lib.sh"
. "$srcdir/t/redis.sh"
redis_have || t_skip 'needs redis-server, redis-sentinel and redis-tools'

chmod 755 "$T"
trap 'redis_stop_all; t_cleanup' EXIT

# The longest that a call may take, in us: the budget and 50 ms, which is what a busy machine needs to give a
# thread its turn.
BUDGET=${BUDGET:-50}
WAIT_MOST=$(((BUDGET + 50) * 1000))

# at DIR...: addresses by TCP, with commas between them. sock DIR: by the socket.
at() {
	t_list=
	for t_dir in "$@"; do
		t_list="$t_list${t_list:+,}inet:$(redis_port "$t_dir")@127.0.0.1"
	done
	echo "$t_list"
}

sock() {
	echo "unix:$1/socket"
}

# load PROGRAM ARGUMENT...: in the background. It says one line when it begins and one when it has ended.
load() {
	load_program=$1
	shift
	# What the last one said is not to be taken for this one's.
	: >"$T/load"
	# shellcheck disable=SC2086
	${LOAD_UNDER:-} "$GATEPOST_BUILD/t/redis/$load_program" "$@" >"$T/load" 2>"$T/load.err" &
	load_pid=$!
	t_pids="$t_pids $load_pid"
	await 30 test -s "$T/load"
}

load_end() {
	wait "$load_pid"
	load_status=$?
	t_said=$(tail -1 "$T/load")
	echo "# $load_program: $t_said"
	[ ! -s "$T/load.err" ] || head -3 "$T/load.err" | sed 's/^/# /'
	return "$load_status"
}

load_stop() {
	kill "$load_pid"
	load_end
}

# load_more NAME N: waits, at most half a minute, until the program says N more of NAME than now.
load_more() {
	t_goal=$(($(load_now "$1") + $2))
	await 30 load_reached "$1" "$t_goal"
}

# load_has NAME N: waits until it says N of NAME in all.
load_has() {
	await 30 load_reached "$1" "$2"
}

load_now() {
	t_now=$(grep '^now ' "$T/load" | tail -1 | field "$1")
	echo "${t_now:-0}"
}

load_reached() {
	[ "$(load_now "$1")" -ge "$2" ]
}

# run PROGRAM ARGUMENT...: from the beginning to the end.
run() {
	load "$@" && load_end
}

# The figures of the last load, into the test's output.
load_show() {
	echo "# $1: $t_said"
}

load_value() {
	echo "$t_said" | field "$1"
}

# What the load said of NAME is: exactly, at least, at most this.
load_is() {
	echo "$1: $(load_value "$1"), expected $2"
	[ "$(load_value "$1")" -eq "$2" ]
}

load_least() {
	echo "$1: $(load_value "$1"), expected at least $2"
	[ "$(load_value "$1")" -ge "$2" ]
}

load_most() {
	echo "$1: $(load_value "$1"), expected at most $2"
	[ "$(load_value "$1")" -le "$2" ]
}
