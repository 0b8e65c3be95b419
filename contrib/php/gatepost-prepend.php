<?php
/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * Runs before every script of a pool (auto_prepend_file) and puts into the environment what gatepost-sendmail looks
 * for, since PHP gives the programs that it starts none of the web server's variables. The customer's script can
 * overwrite them: a token that it changes is worth nothing, and an address is only ever "claimed".
 */
(static function (): void {
	foreach (['GATEPOST_TOKEN', 'REMOTE_ADDR', 'SCRIPT_FILENAME'] as $name) {
		$value = $_SERVER[$name] ?? null;
		if (is_string($value) && $value !== '' && strlen($value) < 4096)
			putenv($name . '=' . $value);
	}
})();
