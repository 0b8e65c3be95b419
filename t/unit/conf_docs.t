#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# The sample file and the manual page say what the table of settings says: every row stands in both, with its
# default, and nothing stands there that is no row. The examples of the manual page load.
#
# CONF_ROWS is the program t/unit/conf_rows; by default in the build tree.

set -u
LC_ALL=C
export LC_ALL

src=${GATEPOST_SRC:-${srcdir:-.}}
rows_of=${CONF_ROWS:-${top_builddir:-.}/t/unit/conf_rows}
sample=$src/etc/gatepost.conf
page=$src/etc/gatepost.conf.5
tab=$(printf '\t')
T=$(mktemp -d "${TMPDIR:-/tmp}/gatepost-docs.XXXXXX") || exit 99
trap 'rm -rf "$T"' EXIT
trap 'exit 99' HUP INT TERM
number=0
failed=0

# check NAME FILE: passes when FILE is empty; shows it otherwise
check() {
	number=$((number + 1))
	if [ -s "$2" ]; then
		failed=1
		echo "not ok $number - $1"
		sed 's/^/# /' "$2"
	else
		echo "ok $number - $1"
	fi
}

"$rows_of" rows >"$T/rows" || { echo "Bail out! $rows_of does not run"; exit 99; }
cut -f 1 "$T/rows" | sort >"$T/paths"

# ---- the sample file
"$rows_of" check "$sample" >"$T/out" 2>&1
check "the sample loads without mistake or warning" "$T/out"

# A setting is mentioned when it is set, or named in a comment as "name = ".
"$rows_of" set "$sample" | sort -u >"$T/set"
grep '#' "$sample" | sed 's/^[^#]*#//' >"$T/comments"
comm -23 "$T/paths" "$T/set" | while read -r path; do
	grep -q "\\<${path##*.}  *=" "$T/comments" || echo "$path is not in the sample"
done >"$T/out"
check "the sample mentions every setting" "$T/out"

printf 'tables : { accounts = "file:/a"; networks = "file:/a"; domains = "file:/a"; };\n' >"$T/least.conf"
"$rows_of" values "$T/least.conf" | sort >"$T/least"
"$rows_of" values "$sample" | sort >"$T/sample"
grep "${tab}example\$" "$T/rows" | cut -f 1 >"$T/examples"
echo default_plan >>"$T/examples"	# empty as long as there is no plan
diff "$T/least" "$T/sample" | sed -n 's/^> //p' | while read -r path rest; do
	grep -qxF "$path" "$T/examples" || echo "the sample sets $path $rest"
done >"$T/out"
check "what the sample sets are defaults, but for the examples" "$T/out"

# Settings that stand in comments, such as users: set them, and the file still loads.
sed 's/^# \([a-z_]* *= .*\)/  \1/' "$sample" >"$T/all.conf"
"$rows_of" check "$T/all.conf" | grep -v 'warning: tables.users' >"$T/out"
check "what the sample has in comments loads too" "$T/out"

# ---- the manual page
awk -F '\t' '
	function page(text) {
		gsub(/"/, "\\(dq", text)
		return text
	}
	{
		print ".It Ic " $1 ($3 == "" ? "" : " No = Li \"" page($3) "\"")
		print toupper(substr($2, 1, 1)) substr($2, 2) ": " page($4) "."
		if ($5 == "restart")
			print "Needs a restart."
	}
' "$T/rows" >"$T/want"
# The lines that a setting's entry begins with, in the page's order.
awk '/^\.It Ic / { print; getline; print; getline; if ($0 == "Needs a restart.") print }' "$page" >"$T/has"
sort "$T/want" >"$T/want.sorted"
sort "$T/has" >"$T/has.sorted"
diff "$T/want.sorted" "$T/has.sorted" | sed -n -e 's/^< /missing: /p' -e 's/^> /no row: /p' >"$T/out"
check "the page has every setting with its default, and no other" "$T/out"

awk '/^\.It Ic / { print $3 }' "$page" | sort >"$T/documented"
uniq -d "$T/documented" >"$T/out"
check "the page has no setting twice" "$T/out"

# What the text calls a setting is one, or a group of them.
sed -n 's/^\.Ic //p' "$page" | tr ' ' '\n' | grep '[a-z]' | sort -u | while read -r name; do
	grep -q "^$name\\(\\..*\\)\\{0,1\\}\$" "$T/paths" || echo ".Ic $name"
done >"$T/out"
check "the page speaks of no setting that is none" "$T/out"

# Each example is a whole file.
awk -v to="$T/example" '
	/^\.Sh/ { inside = ($0 == ".Sh EXAMPLES") }
	inside && /^\.Bd/ { n++; on = 1; next }
	/^\.Ed/ { on = 0 }
	on { print > (to n ".conf") }
' "$page"
for example in "$T"/example*.conf; do
	"$rows_of" check "$example"
done >"$T/out" 2>&1
[ -e "$T/example1.conf" ] || echo "there are no examples" >>"$T/out"
check "the examples of the page load without mistake or warning" "$T/out"

# Every message that the page explains is one, and every message is explained.
sed -n '/^\.Sh DIAGNOSTICS/,/^\.Sh FILES\|^\.Sh SEE/p' "$page" >"$T/diagnostics"
grep -ho '"is n[^"%;]*"\|"has [^"%;]*"\|"stands [^"%;]*"\|"belongs [^"%;]*"\|"names [^"%;]*"\|"holds [^"%;]*"' \
    "$src"/lib/conf_type.c "$src"/lib/conf_word.c "$src"/lib/conf_group.c | tr -d '"' | sort -u >"$T/messages"
while IFS= read -r message; do
	case $message in
	"has a path longer"*) message="has a path longer than" ;;
	"is neither"*) ;;
	esac
	grep -qF "$message" "$T/diagnostics" || echo "not in DIAGNOSTICS: $message"
done <"$T/messages" >"$T/out"
check "the page explains every refusal of a value" "$T/out"

mandoc -T lint -W warning "$page" >"$T/out" 2>&1
check "the page is well formed" "$T/out"

echo "1..$number"
exit $failed
