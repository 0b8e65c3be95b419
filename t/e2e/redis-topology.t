#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Which server to ask: one, the master that Sentinels name, the owner of a slot; and what happens to calls
# under way when that changes. What is counted here are increments (t/redis/topology.c), not messages.
#
# Runs alone: it measures how long calls wait.
. "$(dirname "$0")/../redis/lib.sh"

# How much was counted, over all servers named.
counted() {
	t_sum=0
	for t_dir in "$@"; do
		t_sum=$((t_sum + $(redis "$t_dir" eval 'local n = 0
		    for _, k in ipairs(redis.call("KEYS", "t:{*-*}")) do n = n + redis.call("GET", k) end return n' 0)))
	done
	echo "$t_sum"
}

# What was answered was done, once; what is uncertain may have been.
counted_once() {
	t_sum=$(counted "$@")
	echo "counted $t_sum, answered $(load_value answered), uncertain $(load_value uncertain)"
	[ "$t_sum" -ge "$(load_value answered)" ] &&
	    [ "$t_sum" -le $(($(load_value answered) + $(load_value uncertain))) ]
}

load_is_up() {
	[ "$(load_now up)" = 1 ]
}

# A master, or a replica in step.
redis_serves() {
	redis "$1" info replication | grep -q -E '^role:master|^master_link_status:up'
}

# ---- one server ----

redis_start "$T/r" || t_skip 'Redis does not start'
check 'one server, by its socket' run topology single "$(sock "$T/r")" - 8 1 "$BUDGET"
check 'everything is counted once' counted_once "$T/r"
redis "$T/r" flushall >/dev/null

load topology single "$(at "$T/r")" - 8 60 "$BUDGET"
load_more answered 500
redis_freeze "$T/r"
load_more refused 2000
redis_thaw "$T/r"
load_more answered 500
check 'it stands still for a while' load_stop
check 'nobody waits for longer than the budget' load_most longest_us "$WAIT_MOST"
check 'few wait at all' load_most uncertain 20
check 'it is used again within a second' load_most longest_gap_ms 2200
check 'everything is counted once' counted_once "$T/r"

load topology single "$(at "$T/r")" - 8 60 "$BUDGET"
load_more answered 500
redis_kill "$T/r"
load_more refused 500
redis_again "$T/r"
load_more answered 500
check 'it is killed and comes back' load_stop
check 'nobody waits for longer than the budget' load_most longest_us "$WAIT_MOST"
check 'it is used again within a second' load_most longest_gap_ms 1700
redis_stop "$T/r"
check 'nobody there: said so, and why' \
    sh -c "! TOPOLOGY_OPEN=300 '$GATEPOST_BUILD/t/redis/topology' single '$(at "$T/r")' - 1 1 50"

# ---- Sentinel ----

redis_sentinels "$T/s" || t_skip 'no Sentinels'
sentinels=$(at "$T/s/s1" "$T/s/s2" "$T/s/s3")
check 'the master is found' run topology sentinel "$sentinels" gatepost 8 1 "$BUDGET"
redis_stop "$T/s/s1"
check 'also when the first Sentinel is gone' run topology sentinel "$sentinels" gatepost 8 1 "$BUDGET"
redis_again "$T/s/s1" --sentinel
redis_until redis_sentinel_ready "$T/s/s1"
check 'nobody knows another name' \
    sh -c "! TOPOLOGY_OPEN=300 '$GATEPOST_BUILD/t/redis/topology' sentinel '$sentinels' other 1 1 50"

# By hand first: a master that was killed and comes back is taken up again only after ten seconds.
load topology sentinel "$sentinels" gatepost 8 60 "$BUDGET"
load_more answered 500
redis_until redis "$T/s/s2" sentinel failover gatepost
load_more changes 1
load_more answered 2000
check 'a failover by hand' load_stop
check 'nobody waits for longer than the budget' load_most longest_us "$WAIT_MOST"
check 'it hardly shows' load_most longest_gap_ms 1000

for server in a b c; do
	redis_until redis_serves "$T/s/$server"
done
load topology sentinel "$sentinels" gatepost 8 60 "$BUDGET"
load_more answered 500
redis_kill "$(redis_master_of "$T/s")"
load_more refused 500
load_more answered 500
check 'the master is killed, and another one followed' load_stop
check 'nobody waits for longer than the budget' load_most longest_us "$WAIT_MOST"
# A second until Sentinels believe it, and an election.
check 'the new one is used within seconds' load_most longest_gap_ms 5000
check 'it is in use at the end' load_is up 1
for server in a b c s1 s2 s3; do
	redis_stop "$T/s/$server"
done

# ---- Cluster ----

redis_cluster "$T/c" || t_skip 'no Cluster'
nodes=$(at "$T/c/1" "$T/c/2" "$T/c/3")
check 'a Cluster' run topology cluster "$nodes" - 8 1 "$BUDGET"
check 'everything is counted once' counted_once "$T/c/1" "$T/c/2" "$T/c/3"
check 'one address will do, a replica' run topology cluster "$(at "$T/c/5")" - 8 1 "$BUDGET"
check 'taken for a single server, a node of a Cluster' run topology single "$(at "$T/c/5")" - 8 1 "$BUDGET"
check 'counts nothing, rather than a part' load_is answered 0

for node in 1 2 3; do
	redis "$T/c/$node" flushall >/dev/null
done
load topology cluster "$nodes" - 8 60 "$BUDGET"
load_more answered 500
"${REDIS_CLI:-redis-cli}" --cluster reshard "127.0.0.1:$(redis_port "$T/c/1")" --cluster-slots 500 \
    --cluster-yes --cluster-from "$(redis "$T/c/1" cluster myid)" \
    --cluster-to "$(redis "$T/c/3" cluster myid)" >"$T/reshard" 2>&1
load_more answered 2000
check 'slots move to another node' load_stop
check 'nobody waits for longer than the budget' load_most longest_us "$WAIT_MOST"
check 'calls were sent on' load_least again 1
check 'everything is counted once' counted_once "$T/c/1" "$T/c/2" "$T/c/3"

load topology cluster "$nodes" - 8 60 "$BUDGET"
load_more answered 500
redis_kill "$T/c/2"
load_more refused 1
await 30 load_is_up
load_more answered 500
check 'a master is killed, and its replica followed' load_stop
check 'nobody waits for longer than the budget' load_most longest_us "$WAIT_MOST"
check 'the others are used all the while' load_most longest_gap_ms 2500
check 'all are in use at the end' load_is up 1

redis_again "$T/c/2"
redis_until redis_in_step "$T/c/2"
load topology cluster "$nodes" - 8 60 "$BUDGET"
load_more answered 500
redis "$T/c/2" cluster failover >/dev/null
load_more changes 1
load_more answered 2000
check 'a failover by hand' load_stop
check 'nobody waits for longer than the budget' load_most longest_us "$WAIT_MOST"
# The master holds its clients back until the replica has everything.
check 'it hardly shows' load_most refused 1000

t_done
