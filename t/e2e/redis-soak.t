#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Windows over the borders of hours and days, through a change to summer time and back, and over New Year:
# days of messages in minutes, by a clock that the test turns. Redis has to answer as the embedded store
# does, message by message.
. "$(dirname "$0")/../redis/lib.sh"

HAMMER_DIR=$T
export HAMMER_DIR

walk() {
	redis "$T/r" flushall >/dev/null
	rm -rf "$T"/relay-*
	check "$1" run soak single "$(sock "$T/r")" - "$2" "$3" "$4"
	check "$1: the same answers" load_is differ 0
	check "$1: no window holds more than its ceiling" load_is over 0
	check "$1: it refuses some" load_least refused 100
	check "$1: and takes more" load_least taken 1000
}

redis_start "$T/r" || t_skip 'Redis does not start'
# Where the hour is set forward and back, and where the year begins. Windows know nothing of it, and this
# proves it.
TZ=Europe/Berlin
export TZ
walk '26 hours over a midnight' 1767210000 26 1
walk 'the day of 23 hours' 1774731600 26 2
walk 'the day of 25 hours' 1792875600 26 3
walk 'three days over New Year' 1798675200 72 4
redis_stop "$T/r"

redis_cluster "$T/c" 0 || t_skip 'no Cluster'
rm -rf "$T"/relay-*
check 'the same in a Cluster' run soak cluster "$(at "$T/c/1" "$T/c/2" "$T/c/3")" - 1767210000 26 5
check 'the same answers' load_is differ 0
check 'no window holds more than its ceiling' load_is over 0

t_done
