#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# gatepost -t says what would keep the daemon from starting, as the user that it runs as; -v shows every setting.
. "${srcdir:-.}/t/lib.sh"

# finds STATUS WORDS: what -t says of the configuration.
finds() {
	"$GATEPOST" -t -c "$T/gatepost.conf" >"$T/out" 2>&1
	c_status=$?
	cat "$T/out"
	[ "$c_status" -eq "$1" ] && grep -q -e "$2" "$T/out"
}
shows() {
	"$GATEPOST" -t -v -c "$T/gatepost.conf" | grep -qxF "$1"
}

cp "$srcdir/etc/signatures.conf" "$T/"
daemon_config <<END
store : { file = "$T/state.db"; budget = "70ms"; };
limits = ( { name = "few"; per = "account"; count = "recipients"; ceilings = [ "6/1h" ]; when = { mailer = "bulk"; }; } );
mailers : { signatures = "$T/signatures.conf"; };
END
check 'a good configuration is found good' finds 0 ': ok$'
check 'a setting that stands there is shown' shows 'store.budget = "70ms";'
check 'and one that does not' shows 'store.memory = "256M";'
check 'and limits' shows \
    'limits = ( { name = "few"; per = "account"; when = { mailer = [ "bulk" ]; sender = "any"; }; count = "recipients"; ceilings = [ "6/1h" ]; action = "defer"; mode = "enforce"; } );'
"$GATEPOST" -v >"$T/out" 2>&1
check '-v alone means nothing' [ $? -eq 2 ]

daemon_config <<END
store : { type = "redis"; servers = "unix:$T/redis"; password_file = "$T/password"; file = "$T/state.db"; };
END
check 'a password file that is not there is told' finds 1 "store.password_file: $T/password: No such file"
echo secret >"$T/password"
check 'with it all is well' finds 0 ': ok$'
if [ "$(id -u)" = 0 ]; then
	chmod 600 "$T/password"
	check "one that the daemon's user cannot read is told" finds 1 "store.password_file: $T/password: Permission denied"
	rm "$T/password"
	daemon_config </dev/null
	chmod 600 "$T/domains"
	check 'and such a table' finds 1 'domains: cannot be opened: Permission denied'
	chmod 644 "$T/domains"
	sed -i 's/^user = "[^"]*"/user = "no-such-user"/' "$T/gatepost.conf"
	check 'a user who is not there is a warning: this may be another host' finds 0 'warning: user: there is no user "no-such-user"'
fi
t_done
