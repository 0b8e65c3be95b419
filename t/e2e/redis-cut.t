#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# The network between relays and Redis is cut: nothing is refused, everything is just lost. Two network
# namespaces of our own, with a cable between them.
#
# Runs alone: it measures how long calls wait.
. "$(dirname "$0")/../redis/lib.sh"

[ "$(id -u)" = 0 ] && command -v ip >/dev/null || t_skip 'needs root and ip(8)'
HAMMER_DIR=$T
HAMMER_RELAYS=4
export HAMMER_DIR HAMMER_RELAYS
ceiling=1000
near=gp-near-$$
far=gp-far-$$
trap 'redis_stop_all; t_cleanup; ip netns del "$near"; ip netns del "$far"' EXIT
ip netns add "$near" && ip netns add "$far" || t_skip 'no network namespaces here'
# ip -n and ip netns exec want to mount, which a root that is no mount point does not allow.
inside() {
	inside_name=$1
	shift
	nsenter --net=/run/netns/"$inside_name" "$@"
}
inside "$near" ip link add cable type veth peer name cable netns "$far" || t_skip 'no veth here'
inside "$near" ip addr add 192.0.2.1/24 dev cable
inside "$far" ip addr add 192.0.2.2/24 dev cable
for name in "$near" "$far"; do
	inside "$name" ip link set lo up
	inside "$name" ip link set cable up
done

REDIS_UNDER="nsenter --net=/run/netns/$far"
REDIS_BIND=192.0.2.2
LOAD_UNDER="nsenter --net=/run/netns/$near"
redis_start "$T/r" || t_skip 'Redis does not start'
where="inet:$(redis_port "$T/r")@192.0.2.2"
check 'the cable is there' run hammer_store -b 1000 -r 1 -s 1 -n 10 single "$where" - 1000/1h
check 'ten pass' load_is passed 10
redis "$T/r" flushall >/dev/null

load hammer_store -b "$BUDGET" -r 4 -s 8 -p 20 -t 60 single "$where" - $ceiling/1h $((ceiling * 10))/1d
load_has passed $((ceiling / 4))
# Only the far end: the near one sees a cable that works and hears nothing.
inside "$far" ip addr del 192.0.2.2/24 dev cable
load_more alone $((ceiling * 3 / 2))
inside "$far" ip addr add 192.0.2.2/24 dev cable
check 'joined again: Redis is asked again' load_more shared $((ceiling * 3 / 2))
check 'cut, and joined again' load_stop
load_show 'cut, and joined again'
check 'every message is judged' load_is failed 0
check 'none waits for longer than the budget and 50 ms' load_most longest_us "$WAIT_MOST"
check 'it goes on' load_least passed $ceiling
check 'within the bound' load_most passed $((ceiling * 2))
check 'and Redis is used again' run hammer_store -b 1000 -r 4 -s 1 -n 10 single "$where" - 1000/1d
check 'by every relay' load_is alone 0

t_done
