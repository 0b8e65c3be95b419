#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# The judging script by a time that the test gives: what is taken back after another slot refused
# (t/redis/script.c).
. "$(dirname "$0")/../redis/lib.sh"

redis_start "$T/r" || t_skip 'Redis does not start'
"$GATEPOST_BUILD/t/redis/script" "$(sock "$T/r")" "$srcdir/lib/store_redis_judge.lua"
