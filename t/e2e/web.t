#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors
#
# Form mail: real nginx and Apache, php-fpm (two pools, two users) and php-cgi, whose mail() goes through gatepost-sendmail and a
# real Postfix. First what honest sites get, then what a hostile script achieves; the manual page's SECURITY
# section says the same.

. "$(dirname "$0")/lib.sh"
e2e_local_users=yes
for w_program in nginx apache2 php-fpm8.2 php-cgi fcgiwrap curl setpriv; do
	command -v $w_program >/dev/null || t_skip "needs $w_program"
done

# ---- the daemon, which may read other users' environments (for quality cgi)
daemon_tables
printf '%s\n' 'games acme' '9@out1 other' 'www-data acme www' >"$T/users"
e2e_config <<END
trace : { sealed = { keys = "$T/trace.keys"; }; };
submission : { socket = "unix:$T/submission.sock"; web = "unix:$T/web.sock"; mails = 3; };
tables : { accounts = "file:$T/accounts"; domains = "file:$T/domains"; networks = "cidr:$T/networks";
           users = "file:$T/users"; };
END
sed -i 's/^user = "[^"]*"/user = ""/' "$T/gatepost.conf"
keys_make "$T/trace.keys"
gatepost=$GATEPOST
cat >"$T/gatepost" <<END
#!/bin/sh
exec setpriv --reuid nobody --regid nogroup --groups $group --inh-caps +sys_ptrace --ambient-caps +sys_ptrace "$gatepost" "\$@"
END
chmod 755 "$T/gatepost"
GATEPOST=$T/gatepost
daemon_start
e2e_postfix <<END
non_smtpd_milters = unix:$SOCKET
END

mkdir "$T/bin"
cp "$GATEPOST_BUILD/t/e2e/gatepost-sendmail" "$T/bin/"
cat >"$T/bin/sendmail.conf" <<END
sendmail = $P/sendmail
socket = $T/submission.sock
END
cp "$srcdir/contrib/php/gatepost-prepend.php" "$T/"
sed "s,/usr/sbin/sendmail,$P/sendmail," "$srcdir/t/e2e/web.php" >"$T/web.php"

# ---- php-fpm: one pool for each customer
pool() {
	cat <<-END
	[$1]
	user = $2
	listen = $T/$1.sock
	listen.owner = www-data
	listen.mode = 0660
	pm = static
	pm.max_children = 1
	php_admin_value[auto_prepend_file] = $T/gatepost-prepend.php
	php_admin_value[sendmail_path] = $T/bin/gatepost-sendmail -t -i
	END
}
{
	printf '[global]\nerror_log = %s\npid = %s\n' "$T/fpm.log" "$T/fpm.pid"
	pool acme games
	pool other news
} >"$T/fpm.conf"
php-fpm8.2 -F -n -y "$T/fpm.conf" >"$T/fpm.out" 2>&1 &
t_pids="$t_pids $!"

# ---- php-cgi, as a CGI program of the web server's user
mkdir -p "$T/cgi/bin"
chown www-data "$T/cgi"
printf 'sendmail_path = %s -t -i\n' "$T/bin/gatepost-sendmail" >"$T/cgi/php.ini"
{ printf '#!/usr/bin/php-cgi\n'; cat "$T/web.php"; } >"$T/cgi/bin/form.php"
cat >"$T/cgi/bin/exec.sh" <<END
#!/bin/sh
echo 'Content-Type: text/plain'
echo
exec env REMOTE_ADDR=198.51.100.66 sh -c 'printf "From: bob@acme.example\nMessage-ID: <cgi-exec@client.example>\nTo: x@dest.example\n\ntext\n" | $T/bin/gatepost-sendmail -f bob@acme.example -t; echo sent'
END
chmod 755 "$T/cgi/bin/"*
setpriv --reuid www-data --regid www-data --clear-groups env -u MAIL_CONFIG sh -c "cd / && umask 0177 && exec fcgiwrap -s unix:$T/cgi/socket" \
    >"$T/fcgiwrap.log" 2>&1 &
t_pids="$t_pids $!"

# ---- nginx, with the snippets as they are shipped
mkdir "$T/nginx" "$T/nginx/temp"
for w_snippet in "$srcdir"/contrib/nginx/*.conf; do
	sed "s,/run/gatepost/web.sock,$T/web.sock," "$w_snippet" >"$T/nginx/$(basename "$w_snippet")"
done
web=$("$smtp" --port)
server() {
	cat <<-END
	server {
		listen 127.0.0.1:$web;
		server_name www.$1.example;
		include gatepost-token.conf;
		location = /form { include php.conf; include gatepost-php.conf; fastcgi_pass unix:$T/$1.sock; }
		location = /plain { include php.conf; fastcgi_pass unix:$T/$1.sock; }
		location ^~ /cgi/ { include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME $T\$uri;
			fastcgi_param PHPRC $T/cgi; fastcgi_pass unix:$T/cgi/socket; }
	}
	END
}
cat >"$T/nginx/php.conf" <<END
include /etc/nginx/fastcgi_params;
fastcgi_param SCRIPT_FILENAME $T/web.php;
END
cat >"$T/nginx/nginx.conf" <<END
user www-data;
worker_processes 1;
daemon off;
pid $T/nginx/pid;
error_log $T/nginx/error.log;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path $T/nginx/temp; proxy_temp_path $T/nginx/temp; fastcgi_temp_path $T/nginx/temp;
	uwsgi_temp_path $T/nginx/temp; scgi_temp_path $T/nginx/temp;
$(server acme)
$(server other)
}
END
nginx -p "$T/nginx" -c "$T/nginx/nginx.conf" >"$T/nginx/out" 2>&1 &
t_pids="$t_pids $!"

# ---- Apache, with its configuration as it is shipped
mkdir "$T/www" "$T/apache"
cp "$T/web.php" "$T/www/index.php"
cp "$srcdir/contrib/apache/gatepost-token" "$T/apache/"
apache=$("$smtp" --port)
{
	printf '%s\n' "ServerName localhost" "PidFile $T/apache/pid" "Listen 127.0.0.1:$apache" 'User www-data' 'Group www-data' \
	    "ErrorLog $T/apache/error.log" "DocumentRoot $T/www" 'DefaultRuntimeDir '"$T/apache"
	for w_module in mpm_event authz_core dir proxy proxy_fcgi rewrite unique_id; do
		echo "LoadModule ${w_module}_module /usr/lib/apache2/modules/mod_$w_module.so"
	done
	echo 'DirectoryIndex index.php'
	sed "s,/usr/lib/gatepost/gatepost-token /run/gatepost,$T/apache/gatepost-token $T,; s,/run/php,$T,; s,\*:443,*:$apache,
	    s/^#     //" "$srcdir/contrib/apache/gatepost.conf"
} >"$T/apache/apache.conf"
apache2 -f "$T/apache/apache.conf" -DFOREGROUND >"$T/apache/out" 2>&1 &
t_pids="$t_pids $!"

# visit SITE PATH [QUERY]: as a visitor of address $visitor; what the script printed goes to $T/page
visitor=127.0.0.9
visit() {
	curl -s --max-time 20 --interface "$visitor" -H "Host: www.$1.example" -H 'X-Forwarded-For: 198.51.100.1' \
	    -H 'Gatepost-Token: 1.forged.forged' "http://127.0.0.1:$web$2?${3-}" >"$T/page" 2>&1
}
page() {
	grep -q -E -e "$1" "$T/page" || { cat "$T/page"; tail -n 5 "$T/nginx/error.log" "$T/fpm.log"; return 1; }
}
up() {
	visit acme /plain do=nothing && grep -q ready "$T/page" && test -S "$T/cgi/socket" &&
	    curl -s "http://127.0.0.1:$apache/?do=nothing" | grep -q ready
}
check 'the web servers are up' await 20 up

# bounced ID: it came back, and is nowhere else.
bounced() {
	[ "$(grep -l -F "<$1@client.example>" "$P"/box/new/*)" = "$(grep -l -F "<$1@client.example>" $(grep -l '^Subject: Undelivered' "$P"/box/new/*))" ]
}

# ---- honest sites

visit acme /form do=mail\&id=web
check 'mail() of a form says it went' page '^sent'
check 'it is delivered as the customer of the pool'\''s user' delivered web '^X-Customer-ID: acme$'
check 'with the visitor that the web server saw' delivered web '^X-Form-Submitter-IP: 127\.0\.0\.9$'
check 'and without its ticket' delivered web '^Gatepost-Ticket' 0
check 'the log tells how he is known, and the script' log_has \
    "account=games .*user=games@out1 script=$T/web.php submitter=127\.0\.0\.9 quality=web .*msgid=<web@"

visit other /form do=mail\&id=web2
check 'the other pool is the other customer' delivered web2 '^X-Customer-ID: other$'

visit acme /plain do=mail\&id=claimed
check 'without a token the address is only claimed' delivered claimed '^X-Form-Submitter-IP: 127\.0\.0\.9$'
check 'and the log says so' log_has 'quality=claimed .*msgid=<claimed@'

visitor=127.0.0.10 visit acme /cgi/bin/form.php do=mail\&id=cgi
check 'php-cgi answers' page '^sent'
check 'php-cgi is known from its process' delivered cgi '^X-Form-Submitter-IP: 127\.0\.0\.10$'
check 'with quality cgi' log_has 'account=www .*quality=cgi .*msgid=<cgi@'

curl -s --interface 127.0.0.11 -H 'Host: www.other.example' -H 'X-Forwarded-For: 198.51.100.1' \
    "http://127.0.0.1:$apache/?do=mail&id=apache" >"$T/page"
check 'Apache hands the token on too' delivered apache '^X-Form-Submitter-IP: 127\.0\.0\.11$'
check 'for the site that it is, not for the one that the visitor names' log_has \
    'customer=acme .*quality=web .*msgid=<apache@'

# explain, for the desk: with a ticket it does not use up
w_ticket=$("$srcdir/t/milter/ticket" --uid 5 "$T/submission.sock" address=203.0.113.7 script=/srv/acme/form.php)
printf 'Gatepost-Ticket: %s\nFrom: bob@acme.example\nMessage-ID: <e@client.example>\n\ntext\n' "${w_ticket#ticket }" >"$T/explain.eml"
explained() {
	ctl explain --local --sender bob@acme.example --recipient x@dest.example "$T/explain.eml" >"$T/explained" &&
	    grep -q -E -e "$1" "$T/explained" || { cat "$T/explained"; return 1; }
}
check 'explain names the user' explained 'user +games \(uid 5\), attested on out1'
check 'and the visitor, and how he is known' explained 'submitter +203\.0\.113\.7 \(claimed\)'
check 'and the script' explained 'script +/srv/acme/form\.php'

# ---- a hostile script

visit acme /form do=overwrite\&id=overwrite
check 'overwriting the address in the environment: the token counts' delivered overwrite \
    '^X-Form-Submitter-IP: 127\.0\.0\.9$'
visit acme /form do=overwrite-all\&id=overwrite-all
check 'with the token gone, the forged address is taken' delivered overwrite-all '^X-Form-Submitter-IP: 198\.51\.100\.66$'
check 'as claimed, and the customer stays' log_has 'customer=acme .*quality=claimed .*msgid=<overwrite-all@'
visit acme /form do=unset\&id=unset
check 'with nothing in the environment, no visitor is named' delivered unset '^X-Form-Submitter-IP' 0
check 'and the customer stays' delivered unset '^X-Customer-ID: acme$'
visit acme /form do=header\&id=header
check 'a ticket that the script writes itself does not survive' delivered header '^Gatepost-Ticket' 0
check 'nor does it matter' log_has 'verdict=accept .*quality=web .*msgid=<header@'
visitor=127.0.0.10 visit acme /cgi/bin/form.php do=overwrite-all\&id=cgi-overwrite
check 'a CGI script that overwrites its environment: the process counts' delivered cgi-overwrite \
    '^X-Form-Submitter-IP: 127\.0\.0\.10$'
visit acme /cgi/bin/exec.sh
check 'one that starts itself anew is believed, as cgi' log_has 'submitter=198\.51\.100\.66 quality=cgi .*msgid=<cgi-exec@'
visit acme /form 'do=argument&id=argument'
check 'options in the fifth argument of mail() are refused' page '^failed'
check 'and nothing is written' [ ! -e "$T/written" ]

visit acme /form do=real\&id=real
check 'around gatepost-sendmail, by the real one: no ticket, refused' log_has \
    'verdict=reject code=identity.unknown .*client=127\.0\.0\.1 .*msgid=<real@'
check 'it comes back to its sender' await 10 bounced real
visit acme /form "do=smtp&id=smtp&port=$port"
check 'by SMTP to localhost: refused too' page '^550 .*not identified'

# What others can do with a ticket of news (customer other), that they should never see.
stolen() {
	"$srcdir/t/milter/ticket" --uid 9 "$T/submission.sock" address=203.0.113.8
}
w_ticket=$(stolen)
visit acme /form "do=ticket&id=stolen&ticket=$(printf %s "${w_ticket#ticket }" | sed 's/ /%20/g; s/;/%3B/g')"
check 'a fresh ticket of another, stolen before it was used, works once, in his name' delivered stolen '^X-Customer-ID: other$'
visit acme /form "do=ticket&id=replayed&ticket=$(printf %s "${w_ticket#ticket }" | sed 's/ /%20/g; s/;/%3B/g')"
check 'a second time it is refused' log_has 'verdict=reject code=identity.unknown .*msgid=<replayed@'
check 'and told' log_has 'kind=ticket\.replayed .*reason="the ticket of user news@out1 was used before'
visit acme /form "do=ticket&id=made&ticket=v%3D1%3B%20k%3Dtest%3B%20t%3DAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
check 'one that was made up is refused' log_has 'kind=ticket\.(forged|foreign) '

# A web token of the other site's visitor, and of one's own.
visit other /form do=token
w_token=$(sed -n 's/^token //p' "$T/page")
check 'a site can read its own token' [ -n "$w_token" ]
visit acme /plain "do=with-token&id=foreign-token&token=$w_token"
check 'another customer'\''s token names nobody' delivered foreign-token '^X-Form-Submitter-IP' 0
check 'and the desk hears of it' log_has 'kind=ticket\.token-foreign .*customer=acme account=games .*submitter=127\.0\.0\.9 .*www\.other\.example'
visit acme /form do=token
w_token=$(sed -n 's/^token //p' "$T/page")
for w_n in 1 2 3 4; do
	visit acme /plain "do=with-token&id=token$w_n&token=$w_token"
done
check 'one'\''s own works' delivered token3 '^X-Form-Submitter-IP: 127\.0\.0\.9$'
check 'for so many mails' delivered token4 '^X-Form-Submitter-IP' 0
check 'and then the desk hears of it' log_has 'kind=ticket\.token-spent .*more than 3 mails'
minted() {
	! setpriv --reuid games --regid games --clear-groups curl -s -i --unix-socket "$T/web.sock" \
	    -H 'X-Gatepost-Address: 198.51.100.66' http://gatepost/ | grep -i '^Gatepost-Token'
}
check 'nobody but the web server gets a token' minted

# ---- when Gatepost is away

daemon_stop
curl -s "http://127.0.0.1:$apache/?do=nothing" >"$T/page"
check 'without Gatepost Apache serves the page' page '^ready'
visit acme /form do=mail\&id=away
check 'without Gatepost the page is served, and mail() says that it went' page '^sent'
daemon_start
check 'the mail waited' postkick public pickup W
check 'and is judged as local mail without a ticket' log_has 'verdict=reject code=identity.unknown .*msgid=<away@'
echo 'without_ticket = tempfail' >>"$T/bin/sendmail.conf"
daemon_stop
visit acme /form do=mail\&id=tempfail
check 'with tempfail, mail() says that it did not go' page '^failed'
daemon_start
check 'the daemon ends with status 0' daemon_stop
t_done
