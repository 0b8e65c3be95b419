# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Gatepost authors

lib_libgatepost_a_CPPFLAGS = $(AM_CPPFLAGS) $(DEPS_CFLAGS) $(JANSSON_CFLAGS)
lib_libgatepost_a_SOURCES = \
	lib/alert.c lib/alert.h lib/alert_escalate.c lib/alert_incident.c lib/alert_private.h \
	lib/alert_syslog.c lib/arena.c lib/arena.h lib/banned.h lib/cache.c lib/cache.h lib/clock.c \
	lib/clock.h lib/conf.c lib/conf.h lib/conf_check.c lib/conf_group.c lib/conf_parse.c \
	lib/conf_private.h lib/conf_read.c lib/conf_source.c lib/conf_table.c lib/conf_type.c \
	lib/conf_word.c lib/date.c lib/date.h lib/dkim.c lib/dkim.h lib/dkim_opendkim.c lib/dmarc.c \
	lib/dmarc.h lib/dmarc_record.c lib/dmarc_record.h lib/dns.c lib/dns.h lib/dns_cache.c \
	lib/dns_private.h lib/dns_record.c lib/dns_resolver.c lib/err.c lib/err.h lib/limit.c lib/limit.h \
	lib/log.c lib/log.h lib/mail.c lib/mail.h lib/mail_from.c lib/mail_private.h lib/mail_text.c \
	lib/net.c lib/net.h lib/pattern.c lib/pattern.h lib/redis.c lib/redis.h lib/redis_cluster.c \
	lib/redis_cluster.h lib/redis_conn.c lib/redis_listener.c lib/redis_private.h lib/redis_sentinel.c \
	lib/redis_sentinel.h lib/redis_slot.c lib/redis_slot.h lib/redis_topology.c lib/redis_topology.h \
	lib/report.c lib/report.h lib/report_json.c lib/report_mail.c lib/report_private.h lib/seal.c \
	lib/seal.h lib/seal_file.c lib/seal_private.h lib/signature.c lib/signature.h lib/signature_file.c \
	lib/signature_index.c lib/signature_private.h lib/signature_text.c lib/spf.c lib/spf.h \
	lib/spf_macro.c lib/spf_macro.h lib/spf_private.h lib/spf_record.c lib/spf_record.h \
	lib/spf_suggest.c lib/stamp.c lib/stamp.h lib/store.c lib/store.h lib/store_full.c lib/store_full.h \
	lib/store_hash.c lib/store_hash.h lib/store_lasting.c lib/store_lasting.h lib/store_memory.c \
	lib/store_memory.h lib/store_memory_judge.c lib/store_private.h lib/store_redis.c lib/store_redis.h \
	lib/store_redis_book.c lib/store_redis_desk.c lib/store_redis_judge.c lib/store_redis_keep.c \
	lib/store_redis_local.c lib/store_redis_pack.c lib/store_windows.c lib/store_windows.h \
	lib/store_windows_file.c lib/str.c lib/str.h lib/suffix.c lib/suffix.h lib/table.c lib/table.h \
	lib/table_cidr.c lib/table_file.c lib/table_private.h lib/table_text.c lib/table_text.h lib/ticket.c \
	lib/ticket.h lib/trace_memory.c lib/trace_memory.h lib/trait.c lib/trait.h

# The scripts that Redis runs are files to be read; the program holds them as text.
nodist_lib_libgatepost_a_SOURCES = lib/store_redis_judge_lua.h lib/store_redis_desk_lua.h
lib/libgatepost_a-store_redis.$(OBJEXT): $(nodist_lib_libgatepost_a_SOURCES)
CLEANFILES += $(nodist_lib_libgatepost_a_SOURCES)
EXTRA_DIST += lib/embed_lua lib/store_redis_judge.lua lib/store_redis_desk.lua
lib/store_redis_judge_lua.h: lib/store_redis_judge.lua lib/embed_lua
	$(AM_V_GEN)$(MKDIR_P) lib && $(srcdir)/lib/embed_lua $(srcdir)/lib/store_redis_judge.lua >$@.new && mv $@.new $@
lib/store_redis_desk_lua.h: lib/store_redis_desk.lua lib/embed_lua
	$(AM_V_GEN)$(MKDIR_P) lib && $(srcdir)/lib/embed_lua $(srcdir)/lib/store_redis_desk.lua >$@.new && mv $@.new $@
