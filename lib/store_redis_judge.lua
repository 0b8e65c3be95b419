-- SPDX-License-Identifier: BSD-2-Clause
-- Copyright (c) 2026 the Gatepost authors
--
-- store_redis_judge - judges messages against all their limits, and takes all of a message or nothing, by the
-- server's own clock. One call may carry several messages: they are judged one after another, as if each had
-- come alone, but every key is read and written once.
--
--   KEYS  the generation, when ARGV[2] is not empty; then for each message: its digest when it has one; for
--   each
--         of its limits the windows, and for one that counts distinct values the values too
--   ARGV  now in ms (0: ask the server; tests give their own), the generation that the relay's copy of
--         suspensions and overrides has ("": not asked for), then a packed text for each message
--
-- Answers the time, then a packed text for each message; or 0 alone when the relay's copy is old: then
-- nothing was judged. What the packed texts hold is written down in store_redis_pack.c.
--
-- A window is kept as its sum, the newest slice, and the ten before it as one string, newest first. A slice
-- leaves by cutting the string; nothing is added up but what leaves. The arithmetic is lib/limit.c's.
--
-- Distinct values stand in a sorted set by the time they were last seen (ms * 256 + epoch); the windows then
-- hold only when each began.

local keys, argv, call = KEYS, ARGV, redis.call
local pack, parse, sub, rep, floor = struct.pack, struct.unpack, string.sub, string.rep, math.floor
local MOST = 4294967295
local RETRIES, RETRY_TIME = 5, 3600000
local DRY, FORCE, DIGEST, UNDO, TELL = 1, 2, 4, 8, 16
local PART = 'I4I4I4I4Bc0'
local FORM = { '<I6' .. PART, '<I6' .. PART .. PART, '<I6' .. PART .. PART .. PART,
    '<I6' .. PART .. PART .. PART .. PART }
local WIDTH = { [1] = 'B', [2] = '<H', [4] = '<I4' }
local ZERO = rep('\0', 40)
local EMPTY = sub(ZERO, 1, 10)

local now = tonumber(argv[1])
if now == 0 then
	local t = call('TIME')
	now = t[1] * 1000 + floor(t[2] / 1000)
end

-- Everything that is there, in one go; what Lua can hold as arguments is bounded.
local got = {}
for i = 1, #keys, 1000 do
	local some = call('MGET', unpack(keys, i, math.min(i + 999, #keys)))
	if i == 1 then
		got = some
	else
		for j = 1, #some do
			got[i + j - 1] = some[j]
		end
	end
end

local k = 0
if argv[2] ~= '' then
	k = 1
	if (got[1] or '0') ~= argv[2] then
		return { 0 }
	end
end

local windows, digests, changed, out = {}, {}, {}, { now }

local function slices(old, from, to)
	local w = #old / 10
	local sum, at, v = 0, (from - 1) * w + 1
	for _ = from, to do
		v, at = parse(WIDTH[w], old, at)
		sum = sum + v
	end
	return sum
end

-- Puts a value before the slices, and cuts the last.
local function push(old, value)
	local w = #old / 10
	if (w == 1 and value > 255) or (w == 2 and value > 65535) then
		local wider, v, at = value > 65535 and 4 or 2, nil, 1
		local all = {}
		for i = 1, 9 do
			v, at = parse(WIDTH[w], old, at)
			all[i] = pack(WIDTH[wider], v)
		end
		return pack(WIDTH[wider], value) .. table.concat(all)
	end
	return pack(WIDTH[w], value) .. sub(old, 1, 9 * w)
end

-- Puts a value in the place of slice i.
local function place(old, i, value)
	local w = #old / 10
	if (w == 1 and value > 255) or (w == 2 and value > 65535) then
		local wider, v, at = value > 65535 and 4 or 2, nil, 1
		local all = {}
		for j = 1, 10 do
			v, at = parse(WIDTH[w], old, at)
			all[j] = pack(WIDTH[wider], j == i and value or v)
		end
		return table.concat(all)
	end
	return sub(old, 1, (i - 1) * w) .. pack(WIDTH[w], value) .. sub(old, i * w + 1)
end

-- Moves part b of the windows s to now.
local function advance(s, b, ahead)
	local old = s[b + 4]
	local w = #old / 10
	if ahead > 10 then
		s[b + 2], s[b + 3], s[b + 4] = 0, 0, EMPTY
	elseif ahead > 0 then
		if sub(old, (10 - ahead) * w + 1) ~= sub(ZERO, 1, ahead * w) then
			s[b + 2] = s[b + 2] - slices(old, 11 - ahead, 10)
		end
		old = push(old, s[b + 3])
		if ahead > 1 then
			-- The slices in which nothing happened come before it.
			w = #old / 10
			old = sub(ZERO, 1, (ahead - 1) * w) .. sub(old, 1, (11 - ahead) * w)
		end
		s[b + 4], s[b + 3] = old, 0
	else
		-- The clock was set back: the two newest slices become now's.
		s[b + 3] = s[b + 3] + slices(old, 1, 1)
		s[b + 4] = sub(old, w + 1) .. sub(ZERO, 1, w)
	end
end

-- The windows of a key: 1 time, then from 5i-3: length (s), ceiling, sum, newest slice, older slices.
local function load(name, text, distinct)
	local s = windows[name]
	if s == nil and text and #text > 1 then
		s = { parse(FORM[text:byte(2)], text, 3) }
		s.n, s.distinct = text:byte(2), text:byte(1) == 2
		if not s.distinct then
			for b = 2, 5 * s.n - 3, 5 do
				local slice = s[b] * 100
				local ahead = floor(now / slice) - floor(s[1] / slice)
				if ahead ~= 0 then
					advance(s, b, ahead)
				end
			end
		end
		windows[name] = s
	end
	-- The limit counts something else than before: what it counted means nothing now.
	if s == nil or s.distinct ~= distinct then
		s = { now, n = 0, distinct = distinct, name = name, fresh = s ~= nil }
	end
	s.name = name
	return s
end

local function save(s)
	local text = pack('<BBI6', s.distinct and 2 or 1, s.n, now)
	for b = 2, 5 * s.n - 3, 5 do
		local old = s[b + 4]
		text = text .. pack('<I4I4I4I4Bc0', s[b], s[b + 1], s[b + 2], s[b + 3], #old, old)
	end
	return text
end

-- How long a key is of use.
local function life(s)
	local longest = s[2]
	for b = 7, 5 * s.n - 3, 5 do
		if s[b] > longest then
			longest = s[b]
		end
	end
	return longest * 1100
end

local function find(s, length)
	for b = 2, 5 * s.n - 3, 5 do
		if s[b] == length then
			return b
		end
	end
end

-- A window for every ceiling. One that is not asked for any more is counted on, without a ceiling, until its
-- place is needed.
local function arrange(s, it)
	for b = 2, 5 * s.n - 3, 5 do
		s[b + 1] = 0
	end
	for c = 1, it.n do
		local b = find(s, it.length[c])
		if b then
			s[b + 1] = it.most[c]
		end
	end
	local epoch = 0
	if s.distinct then
		for b = 2, 5 * s.n - 3, 5 do
			epoch = math.max(epoch, s[b + 3])
		end
		s.epoch = epoch
		epoch = (epoch + 1) % 256
	end
	for c = 1, it.n do
		if not find(s, it.length[c]) then
			local b = 5 * s.n + 2
			if s.n == 4 then
				b = 2
				while s[b + 1] ~= 0 do
					b = b + 5
				end
			else
				s.n = s.n + 1
			end
			s[b], s[b + 1], s[b + 2] = it.length[c], it.most[c], 0
			if s.distinct then
				s.epoch = epoch
				s[b + 3], s[b + 4] = epoch, pack('<d', now * 256 + epoch)
			else
				s[b + 3], s[b + 4] = 0, EMPTY
			end
		end
	end
end

-- Since when values count in a window: its part begins at b, nil for a new one.
local function since(s, b, length)
	if not b then
		return nil
	end
	local slice = length * 100
	return math.max((floor(now / slice) - 10) * slice * 256, (parse('<d', s[b + 4])))
end

local function look_distinct(it)
	local s, scores = it.s, {}
	if s.n > 0 and not s.fresh then
		for i = 1, #it.values, 1000 do
			local some = call('ZMSCORE', it.set, unpack(it.values, i, math.min(i + 999, #it.values)))
			for j = 1, #some do
				scores[i + j - 1] = some[j] and tonumber(some[j])
			end
		end
	end
	it.scores = scores
	for c = 1, it.n do
		local from = since(s, find(s, it.length[c]), it.length[c])
		local add = #it.values
		it.used[c] = 0
		if from then
			it.used[c] = call('ZCOUNT', it.set, string.format('%.0f', from), '+inf')
			for i = 1, #it.values do
				if scores[i] and scores[i] >= from then
					add = add - 1
				end
			end
		end
		it.from[c], it.add[c] = from, add
	end
end

-- When so many values will have left that it fits: ms from now, -1 never.
local function wait_distinct(it, c)
	local leave = it.used[c] + it.add[c] - it.most[c]
	if it.add[c] > it.most[c] then
		return -1
	end
	if leave <= 0 or not it.from[c] then
		return 0
	end
	local at = call('ZRANGEBYSCORE', it.set, string.format('%.0f', it.from[c]), '+inf', 'WITHSCORES',
	    'LIMIT', leave - 1, 1)
	local slice = it.length[c] * 100
	return (floor(floor(tonumber(at[2]) / 256) / slice) + 11) * slice - now
end

local function charge_distinct(it, passed)
	local s, set = it.s, it.set
	arrange(s, it)
	if s.fresh then
		call('DEL', set)
		s.fresh = false
	end
	-- One that was seen in this very millisecond is put after it: undo() has to see that somebody else saw it.
	local score = string.format('%.0f', (passed or now) * 256 + s.epoch)
	for i = 1, #it.values, 500 do
		local args = {}
		for j = i, math.min(i + 499, #it.values) do
			local seen = it.scores[j] and floor(it.scores[j] / 256) or 0
			if seen < (passed or now) then
				args[#args + 1] = score
			else
				args[#args + 1] = string.format('%.0f', (seen + 1) * 256 + s.epoch)
			end
			args[#args + 1] = it.values[j]
		end
		call('ZADD', set, unpack(args))
	end
	local keep = life(s)
	call('ZREMRANGEBYSCORE', set, '-inf', string.format('(%.0f', (now - keep) * 256))
	call('PEXPIRE', set, keep)
end

-- What passed some time ago, judged by a relay alone, belongs into the slices of that time.
local function charge_late(it, passed)
	local s = it.s
	for b = 2, 5 * s.n - 3, 5 do
		local slice = s[b] * 100
		local age = floor(now / slice) - floor(passed / slice)
		local add = math.min(it.amount, MOST - s[b + 2])
		if age <= 10 then
			s[b + 2] = s[b + 2] + add
			if age <= 0 then
				s[b + 3] = s[b + 3] + add
			else
				s[b + 4] = place(s[b + 4], age, slices(s[b + 4], age, age) + add)
			end
		end
	end
end

local function charge(it, passed)
	local s = it.s
	if not s.marked then
		s.marked = true
		changed[#changed + 1] = s
		windows[s.name] = s
	end
	if it.distinct then
		return charge_distinct(it, passed)
	end
	local amount = it.amount
	if not it.arranged then
		arrange(s, it)
	end
	if passed then
		return charge_late(it, passed)
	end
	for b = 2, 5 * s.n - 3, 5 do
		local add = amount
		if s[b + 2] + add > MOST then
			add = MOST - s[b + 2]
		end
		s[b + 2] = s[b + 2] + add
		s[b + 3] = s[b + 3] + add
	end
end

-- Takes back what a message was charged at `took`, that another slot refused: from the slice of that time,
-- since what others were charged stays. A value is as it was before, unless somebody else has seen it since.
local function undo(it, took)
	local s = it.s
	if it.distinct then
		for i = 1, #it.values do
			local score = tonumber(call('ZSCORE', it.set, it.values[i]) or nil)
			if score and floor(score / 256) == took then
				if it.before[i] > 0 then
					call('ZADD', it.set, string.format('%.0f', it.before[i]), it.values[i])
				else
					call('ZREM', it.set, it.values[i])
				end
			end
		end
		return
	end
	for c = 1, it.n do
		local b = find(s, it.length[c])
		if b then
			local slice, old = s[b] * 100, s[b + 4]
			local age, w, take = math.max(floor(now / slice) - floor(took / slice), 0), #old / 10, 0
			if age == 0 then
				take = math.min(it.amount, s[b + 3])
				s[b + 3] = s[b + 3] - take
			elseif age <= 10 then
				local had = parse(WIDTH[w], old, (age - 1) * w + 1)
				take = math.min(it.amount, had)
				s[b + 4] = sub(old, 1, (age - 1) * w) .. pack(WIDTH[w], had - take) ..
				    sub(old, age * w + 1)
			end
			s[b + 2] = s[b + 2] - take
		end
	end
	if s.n > 0 and not s.marked then
		s.marked = true
		changed[#changed + 1] = s
		windows[s.name] = s
	end
end

-- One limit of a message, out of its packed text: the item, and where the next begins.
local function read(blob, at, taking)
	local it = { used = {}, add = {}, from = {}, length = {}, most = {} }
	local flags, n, amount
	flags, n, amount, at = parse('<BBI4', blob, at)
	it.n, it.amount = n, amount
	it.distinct, it.soft = flags % 2 >= 1, flags % 4 >= 2
	it.always, it.exempt = flags % 8 >= 4, flags % 16 >= 8
	local length, most = it.length, it.most
	for c = 1, n do
		length[c], most[c], at = parse('<I4I4', blob, at)
	end
	k = k + 1
	it.s = load(keys[k], got[k], it.distinct)
	if it.distinct then
		k = k + 1
		it.set, it.values, it.before = keys[k], {}, {}
		for i = 1, amount do
			it.values[i] = sub(blob, at, at + 11)
			at = at + 12
			if not taking then
				it.before[i], at = parse('<d', blob, at)
			end
		end
	end
	return it, at
end

-- Looks at a sum, the case that has to be fast: as a rule the windows are those of the ceilings.
local function look(it)
	local s, used, length, b = it.s, it.used, it.length, 2
	local same = s.n == it.n
	for c = 1, it.n do
		if s[b] == length[c] then
			used[c] = s[b + 2]
			s[b + 1] = it.most[c]
		else
			same = false
			local p = find(s, length[c])
			used[c] = p and s[p + 2] or 0
		end
		b = b + 5
	end
	it.arranged = same
end

for m = 3, #argv do
	local blob = argv[m]
	local flags, n, at = parse('<BH', blob)
	local dry, force, taking = flags % 2 >= 1, flags % 4 >= 2, flags % 16 < 8
	local items, refused, repeated, digest, seen, took, passed = {}, false, false, nil, nil, nil, nil
	if not taking then
		took, at = parse('<I6', blob, at)
	elseif force then
		passed, at = parse('<I6', blob, at)
		passed = now - passed
	end
	if flags % 8 >= 4 then
		k = k + 1
		digest = keys[k]
		seen = digests[digest]
		if seen == nil then
			seen = tonumber(got[k])
		end
		if seen then
			repeated = force or (seen % 8 < RETRIES and now < (seen - seen % 8) / 8 + RETRY_TIME)
		end
	end
	for i = 1, n do
		local it
		it, at = read(blob, at, taking)
		items[i] = it
		if taking then
			if it.distinct then
				look_distinct(it)
			else
				look(it)
			end
			if not repeated and not it.exempt and not force then
				for c = 1, it.n do
					local add = it.distinct and it.add[c] or it.amount
					if it.used[c] + add > it.most[c] or (it.amount == 0 and not it.distinct
					    and it.used[c] >= it.most[c]) then
						it.over = true
						it.late = it.late or {}
						if it.distinct then
							it.late[c] = wait_distinct(it, c)
						end
					end
				end
				refused = refused or (it.over and not it.soft)
			end
		end
	end
	local answer = { pack('B', (refused and 0 or 1) + (repeated and 2 or 0)) }
	for i = 1, n do
		local it = items[i]
		if not taking then
			undo(it, took)
		else
			for c = 1, it.n do
				answer[#answer + 1] = pack('<I4I4', it.used[c], it.add[c] or it.amount)
			end
			if it.over and it.distinct then
				for c = 1, it.n do
					answer[#answer + 1] = pack('<d', it.late[c] or 0)
				end
			elseif it.over then
				local text = save(it.s)
				answer[#answer + 1] = pack('<Hc0', #text, text)
			end
			if flags % 32 >= 16 and it.distinct then
				for v = 1, #it.values do
					answer[#answer + 1] = pack('<d', it.scores[v] or 0)
				end
			end
			if it.amount > 0 and not repeated and not dry and (it.always or force
			    or not (refused or it.over)) then
				charge(it, passed)
			end
		end
	end
	if digest and not taking then
		digests[digest] = false
	elseif digest and not dry and not refused and not (force and repeated) then
		digests[digest] = repeated and seen + 1 or now * 8
	end
	out[#out + 1] = table.concat(answer)
end

for i = 1, #changed do
	local s = changed[i]
	call('SET', s.name, save(s), 'PX', life(s))
end
for name, seen in pairs(digests) do
	if seen then
		call('SET', name, string.format('%.0f', seen), 'PX', RETRY_TIME)
	else
		call('DEL', name)
	end
end
return out
