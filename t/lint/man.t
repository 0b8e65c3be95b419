#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# The manual pages have no warnings, every page that one refers to exists, and every code that the desk can meet is told.
cd "${GATEPOST_SRC:-.}" || exit 1
n=0 failed=0
for page in milter/*.[1-8] etc/*.[1-8]; do
	n=$((n + 1))
	if out=$(mandoc -T lint -W warning "$page" 2>&1); then
		echo "ok $n - $page"
	else
		failed=1
		echo "not ok $n - $page"; echo "$out" | sed 's/^/# /'
	fi
	for ref in $(sed -n 's/^\.Xr \(gatepost[a-z.-]*\) \([1-8]\).*/\1.\2/p' "$page" | sort -u); do
		n=$((n + 1))
		if [ -f "milter/$ref" ] || [ -f "etc/$ref" ]; then echo "ok $n - $page refers to $ref"; else failed=1; echo "not ok $n - $page refers to $ref"; fi
	done
done
# Not these: what only explain says, what is never told by that name, and a name in the store.
n=$((n + 1))
untold=$(grep -hoE '"(identity|ticket|suspension|ownership|trace|mailer|preflight|limit|message|complaint|store|config|alert)\.[a-z-]+"' \
    milter/*.c lib/alert*.c | tr -d '"' | sort -u | grep -vxE 'mailer\.none|alert\.overflow|trace\.reentry' |
    while read -r code; do grep -qwF -e "$code" milter/gatepost.8 || echo "$code"; done)
if [ -z "$untold" ]; then
	echo "ok $n - gatepost.8 has every code"
else
	failed=1
	echo "not ok $n - gatepost.8 has every code"; echo "$untold" | sed 's/^/# /'
fi
echo "1..$n"
exit $failed
