-- SPDX-License-Identifier: BSD-2-Clause
-- Copyright (c) 2026 the Gatepost authors
--
-- store_redis_desk - all that is not the judging of messages: what people decide, what they look at, and what
-- relays tell of themselves.
--
--   ARGV  the verb, now in ms (0: ask the server), then the verb's own
--
-- Every answer begins with the time. Decisions (suspensions, overrides) bear the generation on: a relay whose
-- copy has another one is told so by the judging script. A key lives at least as long as what it holds; keys
-- without an end of their own (until released) are given KEEP anew while any relay lives.

local call, floor = redis.call, math.floor
local KEEP = 400 * 86400000
local FORGET = 3600000			-- a relay not heard of for so long
local verb, now = ARGV[1], tonumber(ARGV[2])
local desk = {}

if now == 0 then
	local t = call('TIME')
	now = t[1] * 1000 + floor(t[2] / 1000)
end

local function text(n)
	return string.format('%.0f', n)
end

-- Until when, of a decision: 0 = until it is taken back.
local function is_over(value)
	local till = tonumber(string.match(value, '^%d+'))
	return till ~= 0 and till <= now
end

-- Another generation, never one that was there before: not even when all keys were lost meanwhile.
local function bear(key, channel)
	local t = call('TIME')
	local was = call('GET', key) or '0'
	local next = math.max(t[1] * 1000000 + t[2], tonumber(was) + 1)
	call('SET', key, text(next), 'PX', KEEP)
	call('PUBLISH', channel, text(next))
	return was, text(next)
end

-- KEYS generation, decisions. ARGV channel, name, for (ms, -1 until taken back), since (ms ago), the rest
function desk.decide()
	local lasts, since = tonumber(ARGV[5]), now - tonumber(ARGV[6])
	local till = lasts < 0 and 0 or now + lasts
	call('HSET', KEYS[2], ARGV[4], text(till) .. '\0' .. text(since) .. '\0' .. ARGV[7])
	call('PEXPIRE', KEYS[2], KEEP)
	return { now, bear(KEYS[1], ARGV[3]) }
end

-- KEYS generation, decisions. ARGV channel, name. Answers whether there was one
function desk.undecide()
	local was = call('HGET', KEYS[2], ARGV[4])
	call('HDEL', KEYS[2], ARGV[4])
	return { now, was and not is_over(was) and 1 or 0, bear(KEYS[1], ARGV[3]) }
end

-- KEYS generation. ARGV channel
function desk.bear()
	return { now, bear(KEYS[1], ARGV[3]) }
end

-- KEYS generation, suspensions, overrides, seed. ARGV a seed, should there be none: all relays name messages
-- and values by the same
function desk.decisions()
	call('SET', KEYS[4], ARGV[3], 'NX', 'PX', KEEP)
	return { now, call('GET', KEYS[1]) or '0', call('HGETALL', KEYS[2]), call('HGETALL', KEYS[3]),
	    call('GET', KEYS[4]) }
end

-- What was lost is put back from a relay's copy, unless somebody did so already.
-- KEYS generation, suspensions, overrides. ARGV channel, generation, number of suspensions, name, value, ...
function desk.restore()
	if call('GET', KEYS[1]) then
		return { now, 0 }
	end
	local at = 6
	for i = 1, (#ARGV - 5) / 2 do
		call('HSETNX', KEYS[i <= tonumber(ARGV[5]) and 2 or 3], ARGV[at], ARGV[at + 1])
		at = at + 2
	end
	call('PEXPIRE', KEYS[2], KEEP)
	call('PEXPIRE', KEYS[3], KEEP)
	bear(KEYS[1], ARGV[3])
	return { now, 1 }
end

-- KEYS generation, suspensions, overrides, relays, seed. ARGV relay, what it tells, "1": look for what is
-- over
function desk.beat()
	call('HSET', KEYS[4], ARGV[3], text(now) .. '\0' .. ARGV[4])
	call('PEXPIRE', KEYS[4], FORGET * 2)
	if ARGV[5] == '1' then
		call('PEXPIRE', KEYS[1], KEEP)
		call('PEXPIRE', KEYS[5], KEEP)
		for i = 2, 3 do
			local all = call('HGETALL', KEYS[i])
			for j = 1, #all, 2 do
				if is_over(all[j + 1]) then
					call('HDEL', KEYS[i], all[j])
				end
			end
			call('PEXPIRE', KEYS[i], KEEP)
		end
	end
	local relays = call('HGETALL', KEYS[4])
	for i = 1, #relays, 2 do
		if tonumber(string.match(relays[i + 1], '^%d+')) < now - FORGET then
			call('HDEL', KEYS[4], relays[i])
		end
	end
	return { now, call('GET', KEYS[1]) or '0', relays, call('GET', KEYS[5]) or '' }
end

-- KEYS relays. ARGV relay: it ends, and is not to be missed
function desk.leave()
	call('HDEL', KEYS[1], ARGV[3])
	return { now }
end

-- Of a window that counts distinct values: how many are in each, in the order of its parts.
local function counts(value, set)
	local n, at = value:byte(2), 9
	local answer, length, began = {}, nil, nil
	for i = 1, n do
		length, began, at = struct.unpack('<I4xxxxxxxxxxxxxd', value, at)
		local slice = length * 100
		local from = math.max((floor(now / slice) - 10) * slice * 256, began)
		answer[i] = call('ZCOUNT', set, text(from), '+inf')
	end
	return answer
end

-- KEYS windows, values. ARGV "1": and empty them
function desk.usage()
	local value = call('GET', KEYS[1])
	local answer = { now, value, {} }
	if value and value:byte(1) == 2 then
		answer[3] = counts(value, KEYS[2])
	end
	if ARGV[3] == '1' then
		call('DEL', KEYS[1], KEYS[2])
	end
	return answer
end

-- A part of all keys. ARGV cursor, pattern of windows, how many, least fill (thousandths)
-- Answers the cursor, and of those that may be filled more: name, windows, counts
function desk.top()
	local page = call('SCAN', ARGV[3], 'MATCH', ARGV[4], 'COUNT', ARGV[5])
	local least, answer = tonumber(ARGV[6]), { now, page[1] }
	for _, name in ipairs(page[2]) do
		local value = call('GET', name)
		if value and #value > 1 then
			local fill, sums, at = 0, {}, 9
			if value:byte(1) == 2 then
				sums = counts(value, (string.gsub(name, '}w1:([^}]*)$', '}v1:%1')))
			end
			for i = 1, value:byte(2) do
				local _, most, sum, _, old, next = struct.unpack('<I4I4I4I4Bc0', value, at)
				at = next
				if most > 0 then
					fill = math.max(fill, (sums[i] or sum) * 1000 / most)
				end
			end
			if fill > least then
				answer[#answer + 1] = name
				answer[#answer + 1] = value
				answer[#answer + 1] = sums
			end
		end
	end
	return answer
end

-- A part of all keys, counted. ARGV cursor, prefix, how many. Answers the cursor, how many were seen,
-- windows, values, digests, and how many keys there are in all
function desk.numbers()
	local page = call('SCAN', ARGV[3], 'COUNT', ARGV[5])
	local windows, values, digests = 0, 0, 0
	for _, name in ipairs(page[2]) do
		if string.sub(name, 1, #ARGV[4]) == ARGV[4] then
			local kind = string.match(name, '}([wvm])1:[^}]*$')
			if kind == 'w' then
				windows = windows + 1
			elseif kind == 'm' and not string.find(name, '{~') and not string.find(name, 'm1:~') then
				digests = digests + 1
			elseif kind == 'v' then
				values = values + call('ZCARD', name)
			end
		end
	end
	return { now, page[1], #page[2], windows, values, digests, call('DBSIZE') }
end

-- Of two tallies "FIRST LAST COUNT REST": the first, the last, the sum, and what the later one says besides.
local function join(was, more)
	local first, last, count = string.match(was, '^(%d+) (%d+) (%d+)')
	local f, l, c, rest = string.match(more, '^(%d+) (%d+) (%d+)(.*)$')
	if not first then
		return more
	end
	return text(math.min(f, first)) .. ' ' .. text(math.max(l, last)) .. ' ' .. text(c + count) .. rest
end

-- KEYS space. ARGV name, value or none, "+": a tally that joins what is there
function desk.keep()
	if ARGV[4] then
		local was = ARGV[5] and call('HGET', KEYS[1], ARGV[3])
		call('HSET', KEYS[1], ARGV[3], was and join(was, ARGV[4]) or ARGV[4])
		call('PEXPIRE', KEYS[1], KEEP)
	else
		call('HDEL', KEYS[1], ARGV[3])
	end
	return { now }
end

-- A part of a space. KEYS space. ARGV cursor, how many
function desk.kept()
	local page = call('HSCAN', KEYS[1], ARGV[3], 'COUNT', ARGV[4])
	return { now, page[1], page[2] }
end

-- KEYS claim. ARGV who, for (ms). Answers whose it is
function desk.claim()
	local holder = call('GET', KEYS[1])
	if not holder then
		call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
		holder = ARGV[3]
	end
	return { now, holder }
end

return desk[verb]()
