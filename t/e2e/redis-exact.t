#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Four relays with sixteen sessions each, one limit of 1,000: exactly 1,000 messages pass, through one
# Redis, through Sentinel, and through a Cluster; also when the relays' clocks differ by ten minutes.
. "$(dirname "$0")/../redis/lib.sh"

HAMMER_DIR=$T
export HAMMER_DIR
# A machine with two cores and more tests on it is slow at times; that is not what is asked here.
slow=2000

exactly() {
	check "$1: exactly 1,000 pass" load_is passed 1000
	check "$1: all others are refused" load_is refused 600
	check "$1: every message is judged" load_is failed 0
}

empty() {
	for t_dir in "$@"; do
		redis "$t_dir" flushall >/dev/null
	done
	rm -rf "$T"/relay-*
}

redis_start "$T/r" || t_skip 'Redis does not start'
check 'by TCP' run hammer_store -b $slow -n 25 single "$(at "$T/r")" - 1000/1h
exactly 'by TCP'
endless() {
	redis "$T/r" eval 'local n = 0
	    for _, k in ipairs(redis.call("KEYS", "*")) do if redis.call("PTTL", k) < 0 then n = n + 1 end end
	    return n' 0
}
check 'each key has an end' test "$(endless)" = 0
empty "$T/r"
check 'by the socket, six limits' run hammer_store -b $slow -n 25 single "$(sock "$T/r")" - \
    1000/1h 2000/1d 1500/10m 3000/1h 5000/1d 4000/1h
exactly 'by the socket, six limits'
empty "$T/r"
check 'clocks ten minutes apart' run hammer_store -b $slow -c 600 -n 25 single "$(sock "$T/r")" - 1000/1m
exactly 'clocks ten minutes apart'
redis_stop "$T/r"

redis_sentinels "$T/s" || t_skip 'no Sentinels'
check 'through Sentinel' run hammer_store -b $slow -n 25 sentinel \
    "$(at "$T/s/s1" "$T/s/s2" "$T/s/s3")" gatepost 1000/1h
exactly 'through Sentinel'
for server in a b c s1 s2 s3; do
	redis_stop "$T/s/$server"
done

redis_cluster "$T/c" 0 || t_skip 'no Cluster'
nodes=$(at "$T/c/1" "$T/c/2" "$T/c/3")
check 'through a Cluster' run hammer_store -b $slow -n 25 cluster "$nodes" - 1000/1h
exactly 'through a Cluster'
empty "$T/c/1" "$T/c/2" "$T/c/3"
check 'six limits on several servers' run hammer_store -b $slow -n 25 cluster "$nodes" - \
    1000/1h 2000/1d 1500/10m 3000/1h 5000/1d 4000/1h
exactly 'six limits on several servers'

# What was refused was given back: as much is counted everywhere as has passed. Six windows, each 1,000.
counted() {
	for t_node in 1 2 3; do
		for t_key in $(redis "$T/c/$t_node" --scan --pattern '*}w1:*'); do
			# Kind, number, time (6), length (4), ceiling (4), sum (4): lib/store_redis_pack.c
			t_sum=$(redis "$T/c/$t_node" eval \
			    "return (struct.unpack('<I4', redis.call('GET', KEYS[1]), 17))" 1 "$t_key")
			echo "$t_sum $t_key"
		done
	done
}
counted >"$T/counted"
check 'what was refused is given back, on every server' \
    sh -c "cat '$T/counted'; [ \"\$(grep -c '^1000 ' '$T/counted')\" = 6 ]"

# Two limits that are full at the same time: two messages may each hold the last room of one, and both go.
# None goes over, and who comes later finds the room.
empty "$T/c/1" "$T/c/2" "$T/c/3"
check 'two limits full at once' run hammer_store -b $slow -n 25 cluster "$nodes" - 1000/1h 1000/1h 1000/1d
check 'never more than the ceiling' load_most passed 1000
check 'hardly less' load_least passed 980
first=$(load_value passed)
check 'the rest of the room' run hammer_store -b $slow -r 1 -s 1 -n 100 cluster "$nodes" - \
    1000/1h 1000/1h 1000/1d
check 'is there for who comes later' load_is passed $((1000 - first))

# A relay is killed while most messages are refused by one server, and given back by the other. What it was
# at stays counted, a message a session at most; nothing that passed is counted less.
empty "$T/c/1" "$T/c/2" "$T/c/3"
load hammer_store -b $slow -t 60 cluster "$nodes" - 100000/1h 1000/1h
load_more refused 5000
read -r killed _ <"/proc/$load_pid/task/$load_pid/children"
kill -9 "$killed"
load_more refused 1000
load_stop >/dev/null 2>&1
check 'a relay is killed' test "$load_status" -ne 0
counted >"$T/counted"
load_show 'a relay is killed'
sed 's/^/# counted: /' "$T/counted"
left=$(sed -n 's/ .*customer$//p' "$T/counted")
check 'what had passed is counted' test "$left" -ge "$(load_value passed)"
check 'and a message for each of its sessions at most' test "$left" -le $(($(load_value passed) + 16))

t_done
