<?php
/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/* What a site's script does in t/e2e/web.t, honest and not. */
$id = $_GET['id'] ?? 'none';
$domain = strpos($_SERVER['SERVER_NAME'] ?? '', 'other') === false ? 'bob@acme.example' : 'carol@other.example';
$field = "From: $domain\r\nMessage-ID: <$id@client.example>";

function say(bool $ok): void
{
	echo $ok ? "sent\n" : "failed\n";
}

/* A whole message to a program, around mail(). */
function pipe(string $command, string $message): int
{
	$p = popen($command, 'w');
	fwrite($p, $message);
	return pclose($p);
}

header('Content-Type: text/plain');
switch ($_GET['do'] ?? '') {
case 'nothing':
	echo "ready\n";
	break;
case 'overwrite-all':
	putenv('GATEPOST_TOKEN');
	/* and */
case 'overwrite':
	putenv('REMOTE_ADDR=198.51.100.66');
	say(mail('x@dest.example', 'form', 'text', $field, "-f$domain"));
	break;
case 'unset':
	putenv('GATEPOST_TOKEN');
	putenv('REMOTE_ADDR');
	say(mail('x@dest.example', 'form', 'text', $field, "-f$domain"));
	break;
case 'mail':
	say(mail('x@dest.example', 'form', 'text', $field, "-f$domain"));
	break;
case 'header':
	say(mail('x@dest.example', 'form', 'text', "gatepost-ticket : v=1;\r\n k=x; t=y\r\n$field", "-f$domain"));
	break;
case 'argument':
	say(mail('x@dest.example', 'form', 'text', $field, "-f$domain -X" . __DIR__ . '/written'));
	break;
case 'real':
	say(pipe('/usr/sbin/sendmail -t -i -fbob@acme.example', "To: x@dest.example\n" . strtr($field, ["\r" => '']) . "\n\ntext\n") === 0);
	break;
case 'ticket':
	$from = "From: carol@other.example\nMessage-ID: <$id@client.example>";
	say(pipe('/usr/sbin/sendmail -t -i -fcarol@other.example',
	    "Gatepost-Ticket: {$_GET['ticket']}\nTo: x@dest.example\n$from\n\ntext\n") === 0);
	break;
case 'smtp':
	$s = fsockopen('127.0.0.1', (int)$_GET['port']);
	$last = fgets($s);
	foreach (['EHLO site.example', 'MAIL FROM:<bob@acme.example>', 'RCPT TO:<x@dest.example>', 'DATA',
	    strtr($field, ["\r" => '', "\n" => "\r\n"]) . "\r\n\r\ntext\r\n."] as $line) {
		fwrite($s, "$line\r\n");
		do
			$last = fgets($s);
		while ($last !== false && ($last[3] ?? '') === '-');
	}
	echo $last;
	break;
case 'token':
	echo 'token ', $_SERVER['GATEPOST_TOKEN'] ?? '', "\n";
	break;
case 'with-token':
	putenv('REMOTE_ADDR');
	putenv("GATEPOST_TOKEN={$_GET['token']}");
	say(mail('x@dest.example', 'form', 'text', $field, "-f$domain"));
	break;
}
