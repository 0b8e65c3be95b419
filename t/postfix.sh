# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# postfix.sh - a private Postfix for tests, benchmarks and contrib/try. Source it.
#
#     postfix_make DIR PORT <<-'END'         more main.cf lines on standard input
#     	smtpd_milters = unix:/path
#     END
#     postfix_user DIR bob@acme.example secret      a login (Cyrus SASL, its own sasldb; no service runs)
#     postfix_service DIR PORT [-o name=value...]   another smtpd
#     postfix_keep DIR                       what is sent ends in the Maildir DIR/box; without it, it is discarded
#     postfix_for_users DIR                  between make and start: DIR/sendmail is sendmail(1) for every user of the host
#     postfix_start DIR; postfix_reload DIR; postfix_stop DIR
#
# Needs root, since Postfix does, and the packages postfix, sasl2-bin and libsasl2-modules. Everything is
# below DIR: queue, data, configuration, maillog (written by postlogd). Only loopback is listened on, nothing
# is chrooted, and mail goes nowhere: the transport is discard. /etc/postfix is not touched.
#
# A machine that has another mail server, or that shall get none, needs only the libraries:
#
#     postfix_unpack DIR                     before all else: the two packages, unpacked into DIR and run from there
#
# DIR must be readable by the user postfix all the way down (not below a directory of mode 700).

p_root=

postfix_have() {
	[ "$(id -u)" = 0 ] && command -v postfix >/dev/null && command -v smtp-source >/dev/null
}

postfix_unpack() {
	mkdir -p "$1" && chmod 755 "$1" || return 1
	(cd "$1" && apt-get download -q postfix sasl2-bin && for p_deb in *.deb; do
		dpkg -x "$p_deb" . || exit 1
	done) >"$1/unpack.log" 2>&1 || {
		cat "$1/unpack.log" >&2
		return 1
	}
	p_root=$1
	PATH=$p_root/usr/sbin:$p_root/usr/bin:$PATH
	LD_LIBRARY_PATH=$p_root/usr/lib/postfix
	export PATH LD_LIBRARY_PATH
}

# Postfix wants a user and a group of its own. Without the package's, two that Debian has for software that
# nobody runs.
postfix_owner() {
	if getent passwd postfix >/dev/null && getent group postdrop >/dev/null; then
		echo "$1" | sed 's/group/postdrop/; s/user/postfix/'
	else
		echo "$1" | sed 's/group/voice/; s/user/uucp/'
	fi
}

# Where the programs are, for main.cf.
postfix_places() {
	[ -n "$p_root" ] || return 0
	cat <<-END
	command_directory = $p_root/usr/sbin
	daemon_directory = $p_root/usr/lib/postfix/sbin
	shlib_directory = $p_root/usr/lib/postfix
	meta_directory = $p_root/etc/postfix
	sendmail_path = $p_root/usr/sbin/sendmail
	mailq_path = $p_root/usr/bin/mailq
	newaliases_path = $p_root/usr/bin/newaliases
	import_environment = MAIL_CONFIG MAIL_LOGTAG TZ LANG=C LD_LIBRARY_PATH=$p_root/usr/lib/postfix
	END
}

postfix_make() {
	p_dir=$1
	p_port=$2
	p_user=$(postfix_owner user)
	mkdir -p "$p_dir/etc" "$p_dir/queue" "$p_dir/data" "$p_dir/etc/sasl" "$p_dir/log"
	chown "$p_user" "$p_dir/data"
	chmod 755 "$p_dir" "$p_dir/etc" "$p_dir/queue" "$p_dir/log" "$p_dir/etc/sasl"
	# Debian's Postfix looks below its configuration directory, whatever cyrus_sasl_config_path says.
	cat >"$p_dir/etc/sasl/smtpd.conf" <<-END
	pwcheck_method: auxprop
	auxprop_plugin: sasldb
	sasldb_path: $p_dir/etc/sasl/sasldb2
	mech_list: PLAIN LOGIN
	END
	{
		cat <<-END
		compatibility_level = 3.6
		queue_directory = $p_dir/queue
		data_directory = $p_dir/data
		mail_owner = $p_user
		setgid_group = $(postfix_owner group)
		maillog_file = $p_dir/log/maillog
		maillog_file_prefixes = $p_dir
		inet_interfaces = 127.0.0.1
		inet_protocols = ipv4
		myhostname = mx.host.example
		mydestination =
		local_recipient_maps =
		alias_maps =
		mynetworks = 127.0.0.0/8
		default_transport = discard
		relay_transport = discard
		smtpd_client_connection_count_limit = 0
		smtpd_sasl_auth_enable = yes
		smtpd_sasl_type = cyrus
		smtpd_sasl_path = smtpd
		cyrus_sasl_config_path = $p_dir/etc/sasl
		smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject
		milter_default_action = tempfail
		disable_dns_lookups = yes
		default_process_limit = 200
		END
		postfix_places
		cat
	} >"$p_dir/etc/main.cf"
	cat >"$p_dir/etc/master.cf" <<-END
	127.0.0.1:$p_port inet n - n - - smtpd
	pickup    unix  n - n 60 1 pickup
	cleanup   unix  n - n - 0 cleanup
	qmgr      unix  n - n 300 1 qmgr
	rewrite   unix  - - n - - trivial-rewrite
	bounce    unix  - - n - 0 bounce
	defer     unix  - - n - 0 bounce
	trace     unix  - - n - 0 bounce
	verify    unix  - - n - 1 verify
	flush     unix  n - n 1000? 0 flush
	proxymap  unix  - - n - - proxymap
	smtp      unix  - - n - - smtp
	relay     unix  - - n - - smtp
	showq     unix  n - n - - showq
	error     unix  - - n - - error
	retry     unix  - - n - - error
	discard   unix  - - n - - discard
	anvil     unix  - - n - 1 anvil
	scache    unix  - - n - 1 scache
	postlog   unix-dgram n - n - 1 postlogd
	END
}

# A second smtpd: its options belong to that port alone.
postfix_service() {
	p_dir=$1
	p_port=$2
	shift 2
	printf '127.0.0.1:%s inet n - n - - smtpd\n' "$p_port" >>"$p_dir/etc/master.cf"
	while [ $# -ge 2 ]; do
		printf '  %s %s\n' "$1" "$2" >>"$p_dir/etc/master.cf"
		shift 2
	done
}

# Delivered by virtual(8), so that a file in DIR/box/new is the message as a recipient would get it.
postfix_keep() {
	mkdir -p "$1/box"
	chown nobody "$1/box"
	postconf -c "$1/etc" -e default_transport=virtual relay_transport=virtual "virtual_mailbox_base=$1" \
	    virtual_mailbox_maps=static:box/ "virtual_uid_maps=static:$(id -u nobody)" \
	    "virtual_gid_maps=static:$(id -g nobody)"
	echo 'virtual   unix  - n n - - virtual' >>"$1/etc/master.cf"
}

postfix_user() {
	printf '%s\n' "$3" | saslpasswd2 -p -c -f "$1/etc/sasl/sasldb2" -u "${2#*@}" "${2%@*}" || return 1
	chown "$(postfix_owner user)" "$1/etc/sasl/sasldb2"
	chmod 600 "$1/etc/sasl/sasldb2"
}

# postdrop with its set-gid bit trusts /etc/postfix alone. Here it has none, and the folder that it writes to is
# everybody's, as is that where pickup listens (postfix_start).
postfix_for_users() {
	p_commands=$(postconf -c "$1/etc" -h command_directory)
	mkdir "$1/commands" "$1/queue/maildrop"
	chown "$(postfix_owner user)" "$1/queue/maildrop"
	chmod 1733 "$1/queue/maildrop"
	ln -s "$p_commands"/post* "$1/commands/"
	rm "$1/commands/postdrop"
	cp "$p_commands/postdrop" "$1/commands/"
	chmod 755 "$1/commands/postdrop"
	postconf -c "$1/etc" -e "command_directory=$1/commands"
	cat >"$1/sendmail" <<-END
	#!/bin/sh
	MAIL_CONFIG=$1/etc exec $(postconf -c "$1/etc" -h sendmail_path) "\$@"
	END
	chmod 755 "$1/sendmail"
}

postfix_start() {
	postfix -c "$1/etc" start >"$1/log/start" 2>&1 || {
		cat "$1/log/start" "$1/log/maillog" >&2
		return 1
	}
	p_tries=0
	until [ -s "$1/queue/pid/master.pid" ] && grep -q 'daemon started' "$1/log/maillog" 2>/dev/null; do
		p_tries=$((p_tries + 1))
		[ "$p_tries" -lt 200 ] || return 1
		sleep 0.05
	done
	[ ! -d "$1/commands" ] || chmod o+x "$1/queue/public"
}

postfix_reload() {
	postfix -c "$1/etc" reload >"$1/log/reload" 2>&1
}

postfix_stop() {
	[ -s "$1/queue/pid/master.pid" ] || return 0
	postfix -c "$1/etc" stop >"$1/log/stop" 2>&1
}

# postfix_idle DIR: the incoming and active queues are empty.
postfix_idle() {
	[ -z "$(find "$1/queue/incoming" "$1/queue/active" "$1/queue/maildrop" -type f 2>/dev/null | head -1)" ]
}
