#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Redis in trouble, in the middle of the load of four relays: no message waits for longer than the budget
# and 50 ms, none is left unjudged, and what passes stays within the bound of gatepost.conf(5). For each
# trouble the numbers are shown.
#
# Nothing here waits for a time, but for what has to happen: that the relays judge alone, that Redis is
# asked again. Only how long a server stands still (SIGSTOP, CLIENT PAUSE) is a time.
#
# The bound: what Redis lets through, the ceiling; and what the relays let through alone, each its share,
# together the ceiling once more. Whoever loses what it counted (FLUSHALL, a failover that loses writes)
# counts from there.
#
# Runs alone: it measures how long calls wait.
. "$(dirname "$0")/../redis/lib.sh"

HAMMER_DIR=$T
HAMMER_RELAYS=4
export HAMMER_DIR HAMMER_RELAYS
ceiling=1000

# hammer KIND SERVERS MASTER: about 1,500 messages a second, until told to stop. Returns when some have
# passed.
hammer() {
	load hammer_store -b "$BUDGET" -r 4 -s 8 -p 20 -t 60 "$@" $ceiling/1h $((ceiling * 10))/1d
	load_has passed $((ceiling / 4))
}

# As many as would go over every bound, were there none: judged by the relays alone; and then by Redis again.
alone() {
	load_more alone $((ceiling * 3 / 2))
}
shared() {
	load_more shared $((ceiling * 3 / 2))
}

# outlived WORDS [MOST]: what every trouble has to leave behind.
outlived() {
	check "$1: ${back:-Redis is asked again}" "${ask:-shared}"
	check "$1" load_stop
	load_show "$1"
	check "$1: every message is judged" load_is failed 0
	check "$1: none waits for longer than the budget and 50 ms" load_most longest_us "$WAIT_MOST"
	check "$1: it goes on" load_least passed $ceiling
	check "$1: within the bound" load_most passed "${2:-$((ceiling * 2))}"
}

# What relays remember of the last trouble is not to be mixed up with this one.
forget() {
	rm -rf "$T"/relay-*
}

again() {
	redis_stop "$T/r"
	forget
	redis_start "$T/r" "$@"
}

one() {
	hammer single "$(at "$T/r")" -
}

redis_start "$T/r" || t_skip 'Redis does not start'

one
outlived 'no trouble' $ceiling

again
one
redis_kill "$T/r"
alone
redis_again "$T/r"
outlived 'killed, back empty' $((ceiling * 3))

again appendonly yes appendfsync always
one
redis_kill "$T/r"
alone
redis_again "$T/r"
outlived 'killed, back with what it knew'

again
one
redis_freeze "$T/r"
sleep 5
redis_thaw "$T/r"
outlived 'stands still for 5 s'

again
one
redis "$T/r" client pause 3000 all >/dev/null
alone
outlived 'CLIENT PAUSE for 3 s'

again
one
redis "$T/r" config set maxmemory 1 >/dev/null
alone
redis "$T/r" config set maxmemory 0 >/dev/null
outlived 'memory full, noeviction'

again
one
redis "$T/r" flushall >/dev/null
outlived 'FLUSHALL'
check 'FLUSHALL: in the middle of it' load_least passed $((ceiling * 5 / 4))

again
redis_start "$T/other"
one
redis "$T/r" replicaof 127.0.0.1 "$(redis_port "$T/other")" >/dev/null
alone
redis "$T/r" replicaof no one >/dev/null
outlived 'a read-only replica, emptied by its master' $((ceiling * 3))
redis_stop "$T/other"

again
one
redis "$T/r" config set requirepass other >/dev/null
redis "$T/r" -a other --no-auth-warning client kill type normal >/dev/null
alone
redis "$T/r" -a other --no-auth-warning config set requirepass '' >/dev/null
outlived 'the password is wrong for a while'

# They never met, and know from the configuration that they are four: together they let through one ceiling.
again
redis "$T/r" config set requirepass other >/dev/null
one
back='they go on alone' ask=alone
outlived 'relays that never met' $ceiling

# They have shared before, and know that they are four: together they let through one ceiling.
HAMMER_RELAYS=1
again
check 'four relays once met' run hammer_store -b 1000 -r 4 -s 1 -t 2 -p 100 single "$(at "$T/r")" - 100000/1h
redis "$T/r" flushall >/dev/null
redis "$T/r" config set requirepass other >/dev/null
one
outlived 'the password is wrong from the beginning' $ceiling
back='' ask='' HAMMER_RELAYS=4

# Loading: it answers, but only to say so.
redis_stop "$T/r"
forget
redis_start "$T/r" save '3600 1' key-load-delay 2000 loading-process-events-interval-bytes 1024
redis "$T/r" eval 'for i = 1, 2000 do redis.call("SET", "x" .. i, i) end' 0 >/dev/null
one
redis "$T/r" save >/dev/null
redis_kill "$T/r"
redis_again "$T/r"
outlived 'restarts and loads for seconds'
redis_stop "$T/r"

# ---- Sentinel and Cluster: a failover ------------------------------------------------------

redis_sentinels "$T/s" || t_skip 'no Sentinels'
forget
hammer sentinel "$(at "$T/s/s1" "$T/s/s2" "$T/s/s3")" gatepost
redis_kill "$(redis_master_of "$T/s")"
alone
outlived 'the master is killed, Sentinels make another'
for server in a b c s1 s2 s3; do
	redis_stop "$T/s/$server"
done

redis_cluster "$T/c" || t_skip 'no Cluster'
forget
hammer cluster "$(at "$T/c/1" "$T/c/2" "$T/c/3")" -
redis_kill "$(redis_node_of "$T/c" '{customer-0}')"
alone
outlived 'the master of the slot is killed, its replica takes over'
for server in 1 2 3 4 5 6; do
	redis_stop "$T/c/$server"
done

t_done
