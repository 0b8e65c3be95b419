/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_TRACE_MEMORY_H
#define LIB_TRACE_MEMORY_H
/*
 * trace_memory - what this relay remembers of the messages that it let through: for complaints that
 * carry no stamp any more, but a Message-ID or a queue id.
 *
 *     struct trace_memory *t = trace_memory_open("/var/lib/gatepost/state.db", "out1", size, keep, &err);
 *     trace_memory_put(t, &entry);                       on a milter thread: copies, never waits
 *     trace_memory_flush(t, 1000);
 *     n = trace_memory_find(&question, arena, &entries, &err);
 *     trace_memory_close(&t);
 *
 * A message's thread copies one record into a buffer; a thread of ours writes the buffer to disk a few times
 * a second. When the disk does not keep up records are dropped and counted: no message ever waits. What was
 * written survives SIGKILL; the last quarter of a second does not, and a power failure takes what the kernel
 * had not written.
 *
 * On disk: FILE-trace-00000001 and so on, each a sixteenth of the size or of keep, only ever appended to; the
 * oldest goes when there is no more room, or when all in it is older than keep. It is searched from end to
 * end, newest first: a gibibyte in the kernel's cache takes half a second or so, from a slow disk longer.
 * It is this relay's own: of another relay's messages it knows nothing.
 */
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/err.h"

struct trace_memory;

/* Texts may be NULL, may hold anything, and are cut at a few hundred bytes. */
struct trace_memory_entry {
	uint64_t when;			/* ms */
	const char *relay;		/* set by find; put takes the one of open */
	const char *message_id;		/* with or without <> */
	const char *queue_id;
	const char *customer, *account;
	const char *client;		/* an address */
	unsigned port;			/* of the client; 0 = unknown */
	const char *submitter, *quality;
	const char *return_path;	/* "<>" for the null one */
	const char *action;		/* "accept", "hold"... */
	uint32_t recipients;
};

/* file: the store's, whose name ours begin with; its lock keeps others away. size 0: remembers nothing, and
 * forgets what was. NULL with e when the files cannot be made. */
struct trace_memory *trace_memory_open(const char *file, const char *relay, uint64_t size, uint64_t keep,
    struct err *e);
/* New settings after a reload; t may be NULL. */
void trace_memory_configure(struct trace_memory *t, uint64_t size, uint64_t keep);
/* Remembers. From any thread; takes well below a microsecond. t may be NULL. */
void trace_memory_put(struct trace_memory *t, const struct trace_memory_entry *v);
/* Waits until all that was put before is in the files, at most ms. 1, or 0 when time ran out. t may be
 * NULL. */
int trace_memory_flush(struct trace_memory *t, uint64_t ms);
/* Writes what is left and ends; *t may be NULL. */
void trace_memory_close(struct trace_memory **t);

struct trace_memory_numbers { uint64_t written, dropped, bytes; };
void trace_memory_numbers(struct trace_memory *t, struct trace_memory_numbers *to);	/* t may be NULL */

struct trace_memory_question {
	const char *file;		/* as for open; needs no daemon, only the right to read */
	const char *message_id;		/* NULL = whatever; one of the two must be given */
	const char *queue_id;
	uint64_t since;			/* ms: nothing older */
	size_t most;			/* entries wanted, newest first */
	uint64_t deadline;		/* clock_mono_us; UINT64_MAX = none */
};
/* Searches the files. Returns how many were found (entries in the arena), 0 also when there are no files; -1
 * with e: ERR_TIMEOUT when the deadline came first, ERR_DENIED when they may not be read, ERR_SYSTEM. */
int trace_memory_find(const struct trace_memory_question *q, struct arena *a, struct trace_memory_entry **to,
    struct err *e);

#endif
