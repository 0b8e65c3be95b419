#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# gatepost-sendmail with a real sendmail that only says what it got: what is handed over, with and without a daemon, and
# every exit status.
. "${srcdir:-.}/t/lib.sh"

chmod 755 "$T"
mkdir "$T/bin"
cp "$top/t/e2e/gatepost-sendmail" "$T/bin/"
# real LINE...: what the real one does.
real() {
	printf '%s\n' '#!/bin/sh' "$@" >"$T/bin/real"
	chmod 755 "$T/bin/real"
}
# conf LINE...: sendmail.conf, the real one in it.
conf() {
	printf '%s\n' "sendmail = $T/bin/real" "socket = $T/submission.sock" "$@" >"$T/bin/sendmail.conf"
}
# sends STATUS ARGUMENT...: with a message on standard input of this function's caller.
sends() {
	t_want=$1
	shift
	printf 'Subject: x\n\ntext\n' | "$T/bin/gatepost-sendmail" "$@" >"$T/got" 2>"$T/err"
	t_status=$?
	cat "$T/got" "$T/err"
	[ "$t_status" -eq "$t_want" ]
}
got() {
	tr '\n' '~' <"$T/got" >"$T/got.line"
	grep -q -e "$1" "$T/got.line" || { cat "$T/got.line"; return 1; }
}
complains() {
	grep -q -e "^gatepost-sendmail: .*$1" "$T/err" || { cat "$T/err"; return 1; }
}

real 'echo "$@"' 'cat'
conf 'timeout = 50ms'
check 'without a daemon the mail goes on' sends 0 -t -fbob@acme.example
check 'as it came' got '^-i -t -f bob@acme.example~Subject: x~~text~$'
conf 'timeout = 50ms' 'without_ticket = tempfail'
check 'or not, when so configured' sends 75 -t
check 'and why is said' complains 'no ticket: .*submission.sock: No such file'
check 'nothing was sent then' [ ! -s "$T/got" ]
conf

keys_make "$T/trace.keys"
: >"$T/users"
daemon_config <<END
trace : { sealed = { keys = "$T/trace.keys"; }; };
submission : { socket = "unix:$T/submission.sock"; };
tables : { accounts = "file:$T/accounts"; domains = "file:$T/domains"; networks = "cidr:$T/networks";
           users = "file:$T/users"; };
END
# Mail that comes while the daemon starts anew must not go without.
conf 'timeout = 20s'
sends 0 a@b.example >/dev/null &
t_waits=$!
daemon_start
early() {
	wait "$t_waits" && got '^-i a@b.example~Gatepost-Ticket: '
}
check 'a daemon that is not there yet is waited for' early
conf
check 'with one, it has a ticket' sends 0 a@b.example
check 'on top' got '^-i a@b.example~Gatepost-Ticket: v=1; k=test; t=[A-Za-z0-9_-]*~Subject: x~~text~$'
check 'the queue is the real one'\''s' sends 0 -bp
check 'asked with nothing else' got '^-bp~'
ln -s gatepost-sendmail "$T/bin/mailq"
check 'also by the name of mailq' [ "$("$T/bin/mailq" </dev/null)" = -bp ]

check 'a dangerous option is refused' sends 64 -t -X"$T/written"
check 'with its reason' complains 'option -X is refused: it writes files'
check 'SMTP on standard input is refused' sends 64 -bs
check 'nobody to send to' sends 64
real 'cat >/dev/null' 'exit 67'
check 'the real one'\''s status is ours' sends 67 -t
real 'exit 65'
check 'also when it reads nothing' sends 65 -t
heedless() {
	echo x | perl -e '$SIG{CHLD} = "IGNORE"; exec @ARGV' "$T/bin/gatepost-sendmail" a@b.example
	[ $? -eq 65 ]
}
check 'also to a caller who ignores his children' heedless
real 'head -c 1 >/dev/null' 'kill $PPID' 'wc -c >"${0%/*}/size"'
ended() {
	head -c 3000000 /dev/zero | "$T/bin/gatepost-sendmail" -i a@b.example
	await 5 grep -qx '3000[0-9]*' "$T/bin/size" || { cat "$T/bin/size"; return 1; }
}
check 'who ends it in between does not get half of a message sent' ended
real 'kill -9 $$'
check 'its death by a signal is told' sends 70 -t
large() {
	head -c 3000000 /dev/zero | "$T/bin/gatepost-sendmail" -i a@b.example
	[ $? -eq 74 ]
}
real 'exit 0'
check 'success with half of the message is none' large
unreadable() {
	"$T/bin/gatepost-sendmail" -t <&-
	[ $? -eq 74 ]
}
check 'a message that cannot be read is not sent' unreadable
conf nonsense
check 'a mistake in sendmail.conf stops it' sends 78 -t
check 'and names the line' complains 'sendmail.conf:3: NAME = VALUE is wanted'
echo "sendmail = $T/none" >"$T/bin/sendmail.conf"
check 'so does a real one that is not there' sends 72 -t
echo "sendmail = $T/bin/gatepost-sendmail" >"$T/bin/sendmail.conf"
check 'and one that is ourselves' sends 78 -t
conf
# (Where the file system heeds the bit.)
if [ "$(id -u)" = 0 ] && ! findmnt -n -o OPTIONS -T "$T" | grep -q nosuid; then
	setuid() {
		chmod u+s "$T/bin/gatepost-sendmail"
		echo x | setpriv --reuid 5 --clear-groups "$T/bin/gatepost-sendmail" a@b.example
		t_status=$?
		chmod u-s "$T/bin/gatepost-sendmail"
		[ "$t_status" -eq 78 ]
	}
	check 'it is never setuid' setuid
fi
check 'the daemon ends with status 0' daemon_stop
t_done
