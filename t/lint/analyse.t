#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# clang-tidy (.clang-tidy) and cppcheck find nothing in lib and milter.
cd "${GATEPOST_SRC:-.}" || exit 1
# The texts of the scripts that Redis runs are made in the build tree.
flags="-std=gnu11 -D_GNU_SOURCE -I. -I${GATEPOST_BUILD:-.} $(printf %s "${GATEPOST_CFLAGS-}" | sed "s/-I/-isystem /g")"
failed=0
echo "1..2"
# shellcheck disable=SC2086
if out=$(printf '%s\n' lib/*.c milter/*.c | xargs -P 2 -n 6 sh -c 'clang-tidy --quiet "$@" -- '"$flags" tidy 2>/dev/null); then
	echo "ok 1 - clang-tidy"
else
	failed=1
	echo "not ok 1 - clang-tidy"; printf '%s\n' "$out" | grep -E 'warning|error' | sort -u | head -60 | sed 's/^/# /'
fi
# legacyUninitvar takes the address of an array for a read of it; its successor uninitvar does not, and stays on.
if out=$(cppcheck --quiet --enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem \
    --suppress=legacyUninitvar \
    --error-exitcode=1 -j 2 --std=c11 -D_GNU_SOURCE -I. lib milter 2>&1); then
	echo "ok 2 - cppcheck"
else
	failed=1
	echo "not ok 2 - cppcheck"; printf '%s\n' "$out" | head -60 | sed 's/^/# /'
fi
exit $failed
