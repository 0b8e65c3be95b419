#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Plain sendmail(1) by users of the host: Postfix tells its milters nothing of them, unless it hands local mail on over
# SMTP, as contrib/postfix/local-userid has it.

. "$(dirname "$0")/lib.sh"
e2e_local_users=yes

daemon_tables
printf '%s\n' '5 acme' '9@out1 other news' >"$T/users"
keys_make "$T/trace.keys"
config() {
	e2e_config <<-END
	trace : { sealed = { keys = "$1"; }; };
	submission : { socket = "unix:$T/submission.sock"; };
	identity : { userid_from = [ "127.0.0.2" ]; };
	tables : { accounts = "file:$T/accounts"; domains = "file:$T/domains"; networks = "cidr:$T/networks";
	           users = "file:$T/users"; };
	END
}
config "$T/trace.keys"
daemon_start
e2e_postfix </dev/null
w_port=$("$smtp" --port)
{
	sed -i '/^pickup/d' "$P/etc/master.cf"
	# As shipped, but for our port and socket, and not in a chroot.
	sed -n '/^pickup/,/^$/p' "$srcdir/contrib/postfix/local-userid" |
	    sed "s,10587,$w_port,; s,unix:/run/gatepost/milter.sock,unix:$SOCKET,; /^[^ ]/s/  y  /  n  /" \
	    >>"$P/etc/master.cf"
	postfix_reload "$P"
}
check 'Postfix has taken the new services' "$smtp" --wait "$w_port" 20

# mail UID ID SENDER FIELD...: as that user, by the real sendmail
mail() {
	m_uid=$1
	m_id=$2
	m_sender=$3
	shift 3
	printf '%s\n' "$@" "From: $m_sender" "Message-ID: <$m_id@client.example>" '' text |
	    setpriv --reuid "$m_uid" --regid "$m_uid" --clear-groups env -u MAIL_CONFIG "$P/sendmail" -i \
	    -f "$m_sender" x@dest.example
}
mail 5 games bob@acme.example
check 'a user is known by his id' delivered games '^X-Customer-ID: acme$'
check 'once' log_has "verdict=accept .*customer=acme account=5 client=127\.0\.0\.2 user=5@out1 .*msgid=<games@"
mail 9 news carol@other.example 'Received: by mx.host.example (Postfix, from userid 5)'
check 'whatever Received field he writes' delivered news '^X-Customer-ID: other$'
check 'as the table calls him' log_has 'account=news .*msgid=<news@'
mail 9 steal bob@acme.example 'Received: by mx.host.example (Postfix, from userid 5)'
check 'so that he cannot send as another' log_has 'verdict=reject code=ownership.return-path .*customer=other .*msgid=<steal@'
mail 7 lp bob@acme.example
check 'a user in no table is refused' log_has 'verdict=reject code=identity.unknown .*reason="local user  \(uid 7\) on out1 is in no table'
w_ticket=$("$srcdir/t/milter/ticket" --uid 5 "$T/submission.sock" address=203.0.113.7)
mail 5 ticket bob@acme.example "Gatepost-Ticket: ${w_ticket#ticket }"
check 'a ticket says more' delivered ticket '^X-Form-Submitter-IP: 203\.0\.113\.7$'
w_ticket=$("$srcdir/t/milter/ticket" --uid 5 "$T/submission.sock")
mail 9 stolen bob@acme.example "Gatepost-Ticket: ${w_ticket#ticket }"
check 'a stolen one is refused' log_has 'kind=ticket\.misplaced .*reason="the ticket of user games@out1 came with mail of uid 9"'
check 'and told as whose mail it is' log_has 'verdict=reject code=ownership.return-path .*customer=other .*msgid=<stolen@'

# It needs no keys.
config ''
sed -i '/^submission/d' "$T/gatepost.conf"
check 'without keys' daemon_stop
daemon_start
mail 5 keyless bob@acme.example 'Gatepost-Trace: v=1; k=x; c=y' 'Gatepost-Ticket: v=1; k=x; t=y'
check 'a user is known as well' delivered keyless '^X-Customer-ID: acme$'
check 'and nobody'\''s ticket leaves' delivered keyless '^Gatepost-Ticket' 0
check 'the daemon ends with status 0' daemon_stop
t_done
