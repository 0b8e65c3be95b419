#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# The rules for an ACL user that gatepost.conf(5) gives are enough, for a single server, behind Sentinels,
# and in a Cluster; with less it says so. (Every test of t/unit/test_store_redis and of the contract runs as
# this user, too.)
. "$(dirname "$0")/../redis/lib.sh"

HAMMER_USER=gatepost
HAMMER_PASSWORD=not-a-secret
export HAMMER_USER HAMMER_PASSWORD
manual=$srcdir/etc/gatepost.conf.5
set -f
rules=$(sed -n '/^user gatepost on/,/^\.Ed/p' "$manual" |
    sed '$d; s/^user gatepost on >PASSWORD//' | tr '\n' ' ')
cluster=$(sed -n 's/^\.Li \(+cluster.*\) \.$/\1/p' "$manual")
sentinel=$(sed -n 's/^\.Li \(+sentinel.*\) \.$/\1/p' "$manual")
check 'the manual gives rules' test -n "$rules" -a -n "$cluster" -a -n "$sentinel"

# user DIR RULE...
user() {
	t_dir=$1
	shift
	check "Redis takes them" \
	    test "$(redis "$t_dir" acl setuser gatepost reset on ">$HAMMER_PASSWORD" "$@" 2>&1)" = OK
}

taken() {
	check "$1: every message is judged" load_is passed 100
	check "$1: none of them alone" load_is alone 0
}

redis_start "$T/r" || t_skip 'Redis does not start'
# shellcheck disable=SC2086
user "$T/r" $rules
check 'a single server' run hammer_store -b 2000 -n 25 -s 2 -r 2 single "$(at "$T/r")" - 1000/1h 1000/1d
taken 'a single server'
check 'nobody was denied anything' test "$(redis "$T/r" acl log)" = ''
# shellcheck disable=SC2086
user "$T/r" $rules -set
check 'with a rule less' run hammer_store -b 50 -n 25 -s 2 -r 2 single "$(at "$T/r")" - 1000/1h 1000/1d
check 'they judge alone' load_is alone 100
redis_stop "$T/r"

redis_sentinels "$T/s" || t_skip 'no Sentinels'
for server in a b c; do
	# shellcheck disable=SC2086
	user "$T/s/$server" $rules
done
for server in s1 s2 s3; do
	# shellcheck disable=SC2086
	user "$T/s/$server" -@all resetchannels $sentinel
done
HAMMER_SENTINEL_USER=gatepost
export HAMMER_SENTINEL_USER
check 'behind Sentinels' run hammer_store -b 2000 -n 25 -s 2 -r 2 sentinel \
    "$(at "$T/s/s1" "$T/s/s2" "$T/s/s3")" gatepost 1000/1h 1000/1d
taken 'behind Sentinels'
for server in a s1 s2 s3; do
	check 'nobody was denied anything' test "$(redis "$T/s/$server" acl log)" = ''
done
for server in a b c s1 s2 s3; do
	redis_stop "$T/s/$server"
done

redis_cluster "$T/c" 0 || t_skip 'no Cluster'
for server in 1 2 3; do
	# shellcheck disable=SC2086
	user "$T/c/$server" $rules $cluster
done
check 'a Cluster' run hammer_store -b 2000 -n 25 -s 2 -r 2 cluster \
    "$(at "$T/c/1" "$T/c/2" "$T/c/3")" - 1000/1h 1000/1d
taken 'a Cluster'
for server in 1 2 3; do
	check 'nobody was denied anything' test "$(redis "$T/c/$server" acl log)" = ''
done

t_done
