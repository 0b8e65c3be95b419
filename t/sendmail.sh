# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# sendmail.sh - a private Sendmail for tests, beside whatever mail server the machine has. Source it.
#
#     sendmail_unpack DIR                    Debian's packages, unpacked there (contrib/deps sendmail); once is enough
#     sendmail_make DIR PORT <<-'END'        more lines of sendmail.mc on standard input
#     	INPUT_MAIL_FILTER(`gatepost', `S=unix:/path, F=T')
#     END
#     sendmail_user DIR bob@acme.example secret      a login (Cyrus SASL, its own sasldb; no service runs)
#     sendmail_start DIR; sendmail_stop DIR
#     sendmail_run DIR [OPTION...]           the program as root, with the daemon's configuration: mailq, queue runs
#     sendmail_submit DIR [OPTION...]        sendmail(1) as a user without rights runs it: through the submission queue
#     sendmail_submission DIR [OPTION...]    that queue, as root looks at it and runs it
#
# Needs root, m4, cc, sasl2-bin, and the libraries that contrib/deps lists. Everything is below DIR: both queues,
# configuration made from the packages' own m4 files, SASL's, log/maillog. Only loopback is listened on. Mail goes to
# no one: each message becomes a file in the Maildir DIR/box, as its recipients would get it.
#
# Four things are unlike a real one. It has the host's name from us. The program is not setgid: who submits has the
# queue's group instead, as -C would throw away the program's. Directories with the sticky bit count as safe, since tests
# live in /tmp. The log is the debugging file (-d89.8), as syslogd's socket cannot be moved.

# A user that every Debian has and nobody runs anything as: Sendmail's own come with its package.
s_owner=mail
s_root=

sendmail_unpack() {
	s_root=$1
	[ -x "$s_root/usr/libexec/sendmail/sendmail" ] || "${srcdir:-.}/contrib/deps" sendmail "$s_root"
}

# What both configurations begin with. A busy machine is no reason to take no mail.
sendmail_mc() {
	cat <<-END
	divert(-1)
	include(\`$s_root/usr/share/sendmail/cf/m4/cf.m4')
	divert(0)
	OSTYPE(\`linux')
	define(\`confDOMAIN_NAME', \`mx.host.example')
	define(\`confSERVICE_SWITCH_FILE', \`$1/etc/switch')
	define(\`confDONT_BLAME_SENDMAIL', \`TrustStickyBit')
	define(\`confREFUSE_LA', \`100000')
	define(\`confQUEUE_LA', \`100000')
	define(\`confDELAY_LA', \`0')
	define(\`confTO_IDENT', \`0')
	define(\`confLOG_LEVEL', \`10')
	define(\`confDONT_PROBE_INTERFACES', \`true')
	define(\`confBIND_OPTS', \`-DNSRCH -DEFNAMES')
	define(\`confTRUSTED_USER', \`$s_owner')
	define(\`STATUS_FILE', \`')
	define(\`HELP_FILE', \`')
	FEATURE(\`nocanonify')
	END
}

# The daemon's: all mail goes to the mailer that ends in DIR/box.
sendmail_daemon_mc() {
	sendmail_mc "$1"
	cat <<-END
	define(\`confPID_FILE', \`$1/log/pid')
	define(\`confRUN_AS_USER', \`$s_owner:$s_owner')
	define(\`QUEUE_DIR', \`$1/queue')
	define(\`ALIAS_FILE', \`')
	define(\`confAUTH_MECHANISMS', \`PLAIN')
	TRUST_AUTH_MECH(\`PLAIN')
	FEATURE(\`accept_unresolvable_domains')
	FEATURE(\`promiscuous_relay')
	FEATURE(\`no_default_msa')
	DAEMON_OPTIONS(\`Name=MTA, Family=inet, Addr=127.0.0.1, Port=$2')
	END
	cat
	cat <<-END
	MAILER(\`smtp')
	MAILER_DEFINITIONS
	Mbox, P=$1/deliver, F=DFMPSmn, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP, E=\\n, U=$s_owner:$s_owner, A=deliver \$i \$u
	LOCAL_RULE_0
	R\$* < @ \$* > \$*	\$#box \$@ box \$: \$1 < @ \$2 > \$3
	LOCAL_CONFIG
	ESASL_CONF_PATH=$1/etc/sasl
	END
}

# What sendmail(1) reads: all mail goes to the daemon.
sendmail_submit_mc() {
	sendmail_mc "$1"
	cat <<-END
	define(\`MSP_QUEUE_DIR', \`$1/clientqueue')
	define(\`confPID_FILE', \`$1/log/submit.pid')
	define(\`confRUN_AS_USER', \`$s_owner:$s_owner')
	define(\`RELAY_MAILER_ARGS', \`TCP \$h $2')
	FEATURE(\`msp', \`[127.0.0.1]')
	END
}

sendmail_folders() {
	mkdir -p "$1/etc/sasl" "$1/log" "$1/queue" "$1/clientqueue" "$1/box/new" "$1/box/tmp"
	chmod 755 "$1" "$1/etc" "$1/etc/sasl" "$1/log" "$1/box"
	chmod 700 "$1/queue"
	chmod 770 "$1/clientqueue"
	chown "$s_owner:$s_owner" "$1/queue" "$1/clientqueue" "$1/box/new" "$1/box/tmp"
}

# Sendmail sleeps for a minute when the machine's name has no dot and nobody can complete it. So it is told another: not
# by a namespace of its own, which not every container may make.
sendmail_name() {
	cc -shared -fPIC -x c -o "$1/name.so" - <<-END
	#include <stdio.h>
	#include <unistd.h>
	int gethostname(char *to, size_t n) { snprintf(to, n, "mx.host.example"); return 0; }
	END
}

sendmail_make() {
	s_dir=$1
	sendmail_folders "$s_dir"
	echo 'hosts files' >"$s_dir/etc/switch"
	cat >"$s_dir/etc/sasl/Sendmail.conf" <<-END
	pwcheck_method: auxprop
	auxprop_plugin: sasldb
	sasldb_path: $s_dir/etc/sasl/sasldb2
	mech_list: PLAIN
	END
	cat >"$s_dir/deliver" <<-END
	#!/bin/sh
	cat >"$s_dir/box/tmp/\$\$" && mv "$s_dir/box/tmp/\$\$" "$s_dir/box/new/\$1.\$\$"
	END
	chmod 755 "$s_dir/deliver"
	sendmail_name "$s_dir" || return 1
	sendmail_daemon_mc "$s_dir" "$2" >"$s_dir/etc/sendmail.mc"
	sendmail_submit_mc "$s_dir" "$2" >"$s_dir/etc/submit.mc"
	for s_name in sendmail submit; do
		# It warns of what promiscuous_relay does to machines that others can reach.
		m4 "-D_CF_DIR_=$s_root/usr/share/sendmail/cf/" "$s_dir/etc/$s_name.mc" >"$s_dir/etc/$s_name.cf" \
		    2>"$s_dir/log/m4.$s_name" || {
			cat "$s_dir/log/m4.$s_name" >&2
			return 1
		}
	done
}

sendmail_user() {
	printf '%s\n' "$3" | saslpasswd2 -p -c -f "$1/etc/sasl/sasldb2" -u "${2#*@}" "${2%@*}" || return 1
	chown "$s_owner" "$1/etc/sasl/sasldb2"
	chmod 600 "$1/etc/sasl/sasldb2"
}

sendmail_run() {
	s_dir=$1
	shift
	LD_PRELOAD=$s_dir/name.so "$s_root/usr/libexec/sendmail/sendmail" -C "$s_dir/etc/sendmail.cf" "$@"
}

# The submission queue's side of it, as root: its mailq, its runs.
sendmail_submission() {
	s_dir=$1
	shift
	LD_PRELOAD=$s_dir/name.so "$s_root/usr/libexec/sendmail/sendmail" -Ac -C "$s_dir/etc/submit.cf" "$@"
}

sendmail_submit() {
	s_dir=$1
	shift
	LD_PRELOAD=$s_dir/name.so setpriv --reuid nobody --regid "$s_owner" --clear-groups \
	    "$s_root/usr/libexec/sendmail/sendmail" -Ac -C "$s_dir/etc/submit.cf" "$@"
}

# In the foreground, as our child.
sendmail_start() {
	rm -f "$1/log/pid"
	# Not by sendmail_run: $! would be a shell's.
	LD_PRELOAD=$1/name.so "$s_root/usr/libexec/sendmail/sendmail" -C "$1/etc/sendmail.cf" -D "$1/log/maillog" -d89.8 -bD \
	    >"$1/log/start" 2>&1 </dev/null &
	s_pid=$!
	s_tries=0
	until [ -s "$1/log/pid" ]; do
		s_tries=$((s_tries + 1))
		[ "$s_tries" -lt 400 ] && kill -0 "$s_pid" 2>/dev/null || {
			cat "$1/log/start" "$1/log/maillog" >&2
			return 1
		}
		sleep 0.05
	done
}

# The children that still speak to a client or deliver end by themselves.
sendmail_stop() {
	[ -n "${s_pid-}" ] || return 0
	kill "$s_pid" 2>/dev/null && wait "$s_pid"
	s_pid=
}

# sendmail_idle DIR: nothing is on its way. What is in quarantine stays.
sendmail_idle() {
	[ -z "$(find "$1/queue" "$1/clientqueue" -name 'qf*' | head -1)" ]
}
