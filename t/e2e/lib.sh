# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# e2e/lib.sh - what the end-to-end tests share: a private Postfix in front of a daemon from the build tree. Source it first.
# With mta=sendmail set before, a private Sendmail stands there instead: so the same steps run through both.
#
#     e2e_config <<-'END'                  as daemon_config (t/lib.sh), for a socket that Postfix can open
#     	limits = ( ... );
#     END
#     daemon_start
#     e2e_mta <<-'END'                     more lines of main.cf (or of sendmail.mc); standard input may be empty
#     END
#     dialogue <<-'END'                    a session (t/e2e/smtp); "said" looks at it
#     	AUTH bob@acme.example secret
#     	...
#     END
#     deliver bob@acme.example bob@acme.example ID 'From: bob@acme.example'    one whole session with one message
#     check "it is taken" told '^250 '
#     check "and has a queue id" [ -n "$(queued_as)" ]
#     check "and delivered" delivered ID '^X-Customer-ID: acme$'
#
# Everything is in $T and ends with the test. Each test takes free ports, so that several run at a time.

srcdir=$(cd "$(dirname "$0")/../.." && pwd)
export srcdir
GATEPOST_BUILD=${GATEPOST_BUILD:?the build directory}
GATEPOST=$GATEPOST_BUILD/milter/gatepost
GATEPOSTCTL=$GATEPOST_BUILD/milter/gatepostctl
TOOLS=$GATEPOST_BUILD/t/milter
. "$srcdir/t/postfix.sh"
. "$srcdir/t/sendmail.sh"
. "$srcdir/t/lib.sh"

mta=${mta:-postfix}
smtp=$srcdir/t/e2e/smtp
chmod 755 "$T"
P=$T/$mta
case $mta in
postfix)
	postfix_have && command -v saslpasswd2 >/dev/null || t_skip 'needs root, Postfix and saslpasswd2'
	MAIL_CONFIG=$P/etc
	export MAIL_CONFIG
	group=$(id -gn "$(postfix_owner user)")
	taken='250 2\.0\.0 Ok: queued as '
	unfiltered='451 4\.7\.1 Service unavailable'
	complaints='warning: milter|fatal|panic' ;;
sendmail)
	[ "$(id -u)" = 0 ] && command -v saslpasswd2 >/dev/null || t_skip 'needs root and saslpasswd2'
	sendmail_unpack "$GATEPOST_BUILD/sendmail" >&2 || t_skip 'Sendmail is not to be had'
	group=$s_owner
	taken='250 2\.0\.0 [^ ]* Message accepted for delivery'
	unfiltered='451 4\.3\.2 Please try again later'
	complaints='Milter \([^)]*\): (error|timeout|bad|write|select|poll|to error)|SYSERR|buffer overflow' ;;
esac
trap e2e_cleanup EXIT

e2e_cleanup() {
	[ ! -d "$P" ] || "${mta}_stop" "$P"
	t_cleanup
}

e2e_config() {
	{
		echo "listen_group = \"$group\";"
		cat
	} | daemon_config
}

# The socket held as by a socket unit, the daemon behind it: restart and crash work on it.
activate() {
	daemon_log=$T/log
	rm -f "$T/pid"
	"$TOOLS/activate" "$SOCKET" "$T/pid" "$GATEPOST" -f -c "$T/gatepost.conf" 2>>"$daemon_log" &
	manager=$!
	t_pids="$t_pids $manager"
	await 10 test -S "$SOCKET" && chgrp "$group" "$SOCKET" && "$TOOLS/play" --wait "$SOCKET" 10
}
pid_changed() {
	[ "$(cat "$T/pid")" != "$old_pid" ]
}
restart() {
	old_pid=$(cat "$T/pid")
	kill -USR1 "$manager"
	await 30 pid_changed
}
crash() {
	old_pid=$(cat "$T/pid")
	kill -USR2 "$manager"
	await 30 pid_changed
}

e2e_mta() {
	"e2e_$mta"
}

e2e_postfix() {
	port=$("$smtp" --port)
	{
		echo "smtpd_milters = unix:$SOCKET"
		echo 'milter_default_action = tempfail'
		echo 'enable_long_queue_ids = yes'
		cat
	} >"$T/main.cf.more"
	postfix_make "$P" "$port" <"$T/main.cf.more"
	postfix_keep "$P"
	[ -z "${e2e_local_users-}" ] || postfix_for_users "$P"
	e2e_users
	e2e_starts Postfix
}
e2e_users() {
	for e2e_login in bob@acme.example alice@acme.example carol@other.example; do
		"${mta}_user" "$P" $e2e_login secret || t_skip 'saslpasswd2 fails'
	done
}
e2e_answers() {
	"${mta}_start" "$P" && "$smtp" --wait "$port" 20
}
# Without it nothing that follows has a meaning.
e2e_starts() {
	e2e_failed=$t_failed
	check "$1 starts" e2e_answers
	[ "$t_failed" -eq "$e2e_failed" ] || t_done
}

# As contrib/sendmail/gatepost.mc says, unless $filter_options has other words. Called again, it begins anew.
e2e_sendmail() {
	sendmail_stop "$P"
	port=$("$smtp" --port)
	{
		sed -n "/^INPUT_MAIL_FILTER/{ s|/run/gatepost/milter\.sock|$SOCKET|; s|, F=[^']*|${filter_options-&}|p; }" \
		    "$srcdir/contrib/sendmail/gatepost.mc"
		cat
	} | sendmail_make "$P" "$port"
	e2e_users
	e2e_starts Sendmail
}

# dialogue [SOURCE-ADDRESS]. Sendmail begins a reply to MAIL with the address: left out, so that both read alike.
dialogue() {
	"$smtp" "$port" "${1-}" >"$T/said" 2>&1
	[ "$mta" = postfix ] || sed -i -E 's/^(S: [245][0-9]{2} [0-9.]+ )<[^>]*>\.\.\. /\1/' "$T/said"
}

# said REGEX [COUNT]: a line of what was said; with COUNT, exactly so many.
said() {
	if [ $# -eq 2 ]; then
		[ "$(grep -c -E -e "$1" "$T/said")" -eq "$2" ]
	else
		grep -q -E -e "$1" "$T/said"
	fi || {
		cat "$T/said"
		return 1
	}
}

# deliver LOGIN SENDER ID HEADER...: LOGIN may be empty; the last reply before QUIT is what `told` looks at.
deliver() {
	d_login=$1
	d_sender=$2
	d_id=$3
	shift 3
	{
		[ -z "$d_login" ] || echo "AUTH $d_login secret"
		printf '%s\n' "MAIL FROM:<$d_sender>" 'RCPT TO:<x@dest.example>' DATA "$@" "Message-ID: <$d_id@client.example>" \
		    '' 'A line of text.' .
	} | dialogue "${source-}"
}

# told REGEX: the reply that decided: to the message, or the first refusal.
told() {
	t_told=$(sed -n 's/^S: \([245].*\)/\1/p' "$T/said" | grep -E "^([45]|$taken)" | head -n 1)
	printf '%s\n' "$t_told" | grep -q -E -e "$1" || {
		cat "$T/said"
		return 1
	}
}

# at_mail REGEX: the reply to the last MAIL. The client goes on to RCPT whatever it was told.
at_mail() {
	grep -A 1 '^C: MAIL' "$T/said" | tail -n 1 | grep -q -E -e "^S: $1" || {
		cat "$T/said"
		return 1
	}
}

# The queue id of the last message that was taken.
queued_as() {
	sed -n 's/.*queued as //p; s/^S: 250 2\.0\.0 \([^ ]*\) Message accepted for delivery$/\1/p' "$T/said" | tail -n 1
}

# box ID: the delivered file with that Message-ID, into $file.
box() {
	file=$(grep -l -F -i "<$1@client.example>" "$P"/box/new/* 2>/dev/null | head -n 1)
	[ -n "$file" ]
}

# delivered ID [REGEX [COUNT]]: it was, and its header has such a line (exactly COUNT).
delivered() {
	await 10 box "$1" || {
		echo "$1 was not delivered"
		tail -n 5 "$P/log/maillog"
		return 1
	}
	[ $# -ge 2 ] || return 0
	if [ $# -eq 3 ]; then
		[ "$(sed '/^$/,$d' "$file" | grep -c -i -E -e "$2")" -eq "$3" ]
	else
		sed '/^$/,$d' "$file" | grep -q -E -e "$2"
	fi || {
		sed '/^$/,$d' "$file"
		return 1
	}
}

# Nothing on its way any more, and it is not there.
not_delivered() {
	await 10 "${mta}_idle" "$P" && ! box "$1"
}

# held QUEUE-ID: in the hold queue, which postqueue marks; in Sendmail's quarantine.
held() {
	case $mta in
	postfix) postqueue -p | grep -q "^$1!" ;;
	sendmail) sendmail_run "$P" -bp -qQ | grep -q "^$1" ;;
	esac
}

# release QUEUE-ID: as the manual page tells the postmaster to.
release() {
	case $mta in
	postfix) postsuper -H "$1" && postqueue -i "$1" ;;
	sendmail) sendmail_run "$P" -qQ -Q "-qI$1" && sendmail_run "$P" "-qI$1" ;;
	esac
}

queue_empty() {
	case $mta in
	postfix) [ "$(postqueue -p)" = 'Mail queue is empty' ] ;;
	sendmail) sendmail_run "$P" -bp | grep -q 'is empty$' && sendmail_run "$P" -bp -qQ | grep -q 'is empty$' ;;
	esac
}

# The MTA has nothing to complain of.
content() {
	! grep -E "$complaints" "$P/log/maillog"
}

maillog_has() {
	await 10 grep -q -E -e "$1" "$P/log/maillog" || {
		tail -n 5 "$P/log/maillog"
		return 1
	}
}

ctl() {
	"$GATEPOSTCTL" -c "$T/gatepost.conf" "$@"
}

# load name=value...: t/e2e/smtp --load; its counts into $T/load.out, its log is $T/load.log
load() {
	"$smtp" --load "$port" log="$T/load.log" "$@" >"$T/load.out" 2>&1
}
load_count() {
	field "$1" <"$T/load.out"
}
