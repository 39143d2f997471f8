-- Applies one step of live values: all of it, or nothing and an error. Returns 1, or 0 where a
-- source is not (or no longer) where the writer believes it to be; then nothing was written.
--
-- KEYS  delivered, its times, robots, tidied; for each robot: live, metrics, events, info
-- ARGV  lengths of the streams of metrics and events
--       number of sources; for each: source, its progress before ('' for none), and after
--       for each robot: its id, when it was seen ('' for not), and four lists, each with its
--       length before it: entries, events, info (name, JSON), latest values (name, JSON)

local CHUNK = 1000  -- Lua can unpack some thousands of values
local FIRST_ROBOT = 5
local DAY_S = 86400
-- A robot that is silent for so long is gone, not switched off over a holiday: what is live of it
-- goes too. Its history is elsewhere.
local ROBOT_KEPT_S = 30 * DAY_S
-- What a source has written is remembered far longer than any spool or topic holds what it wrote.
local SOURCE_KEPT_S = 400 * DAY_S
local TIDY_EVERY_S = 3600
local now_s = tonumber(redis.call('TIME')[1])
local at = 0

local function take()
    at = at + 1
    return ARGV[at]
end

-- Times have more digits than a Lua number holds: they are compared as texts.
local function time_of(json)
    return json and string.match(json, '^{"[a-z_]+":(%d+)')
end

local function is_less(time, other)
    if #time ~= #other then
        return #time < #other
    end
    return time < other
end

local function nanoseconds(seconds)
    return string.format('%d000000000', seconds)
end

-- A clock that was ahead once must not hold a value for ever: what lies more than a day ahead of
-- this server gives way to anything.
local too_new = nanoseconds(now_s + DAY_S)

local function is_older(json, than)
    local new, old = time_of(json), time_of(than)
    if not old or is_less(too_new, old) then
        return false
    end
    return not new or is_less(new, old)
end

-- Once something is written a script cannot take it back. So whatever may fail is tried before.
-- The server itself looks for its memory, its disk and its role at the first write only.

local function refusal(key, kind, ...)
    local found = redis.call('TYPE', key).ok
    if found ~= 'none' and found ~= kind then
        return 'WRONGTYPE ' .. key .. ' is a ' .. found .. ', wanted is a ' .. kind
    end
    if redis.acl_check_cmd and not redis.acl_check_cmd(...) then
        return 'NOPERM ' .. select(1, ...) .. ' ' .. key
    end
end

local function first_refusal()
    local why = refusal(KEYS[3], 'hash', 'HSET', KEYS[3], 'f', 'v')
        or refusal(KEYS[3], 'hash', 'HGETALL', KEYS[3])
        or refusal(KEYS[3], 'hash', 'HDEL', KEYS[3], 'f')
        or refusal(KEYS[1], 'hash', 'HSET', KEYS[1], 'f', 'v')
        or refusal(KEYS[2], 'zset', 'ZADD', KEYS[2], '1', 'm')
        or refusal(KEYS[2], 'zset', 'ZRANGEBYSCORE', KEYS[2], '-inf', '1')
        or refusal(KEYS[2], 'zset', 'ZREM', KEYS[2], 'm')
        or refusal(KEYS[4], 'string', 'SET', KEYS[4], 'v')
    for key = FIRST_ROBOT, #KEYS, 4 do
        why = why or refusal(KEYS[key], 'hash', 'HMGET', KEYS[key], 'f')
            or refusal(KEYS[key], 'hash', 'EXPIRE', KEYS[key], '1')
            or refusal(KEYS[key + 3], 'hash', 'HSET', KEYS[key + 3], 'f', 'v')
        for stream = key + 1, key + 2 do
            why = why or refusal(KEYS[stream], 'stream', 'XADD', KEYS[stream], '*', 'f', 'v')
                or refusal(KEYS[stream], 'stream', 'PUBLISH', KEYS[stream], '')
        end
    end
    return why
end

local function append(stream, length)
    for _ = 1, tonumber(take()) do
        local json = take()
        redis.call('XADD', stream, 'MAXLEN', '~', length, '*', 'data', json)
        redis.call('PUBLISH', stream, json)
    end
end

local function set_all(hash, pairs_of_both)
    for first = 1, #pairs_of_both, 2 * CHUNK do
        local last = math.min(first + 2 * CHUNK - 1, #pairs_of_both)
        redis.call('HSET', hash, unpack(pairs_of_both, first, last))
    end
end

local function take_pairs()
    local both = {}
    for each = 1, 2 * tonumber(take()) do
        both[each] = take()
    end
    return both
end

local function set_newer(hash, both)
    local newer = {}
    for first = 1, #both, 2 * CHUNK do
        local last, names = math.min(first + 2 * CHUNK - 1, #both), {}
        for each = first, last, 2 do
            names[#names + 1] = both[each]
        end
        local present = redis.call('HMGET', hash, unpack(names))
        for index, name in ipairs(names) do
            local json = both[first + 2 * index - 1]
            if not is_older(json, present[index]) then
                newer[#newer + 1] = name
                newer[#newer + 1] = json
            end
        end
    end
    set_all(hash, newer)
end

local function drop(hash, fields)
    for first = 1, #fields, CHUNK do
        redis.call('HDEL', hash, unpack(fields, first, math.min(first + CHUNK - 1, #fields)))
    end
end

local function drop_silent_robots()
    local silent, all = {}, redis.call('HGETALL', KEYS[3])
    local limit = nanoseconds(now_s - ROBOT_KEPT_S)
    for each = 1, #all, 2 do
        local seen = time_of(all[each + 1])
        if seen and (is_less(seen, limit) or is_less(too_new, seen)) then
            silent[#silent + 1] = all[each]
        end
    end
    drop(KEYS[3], silent)
end

local function drop_old_sources()
    local old = redis.call(
        'ZRANGEBYSCORE', KEYS[2], '-inf', now_s - SOURCE_KEPT_S, 'LIMIT', 0, CHUNK)
    if #old > 0 then
        drop(KEYS[1], old)
        redis.call('ZREM', KEYS[2], unpack(old))
    end
end

local stream_length, events_length = take(), take()

local delivered = {}
for _ = 1, tonumber(take()) do
    local source, before, after = take(), take(), take()
    if (redis.call('HGET', KEYS[1], source) or '') ~= before then
        return 0
    end
    delivered[#delivered + 1] = source
    delivered[#delivered + 1] = after
end

local why = first_refusal()
if why then
    return redis.error_reply(why)
end

set_all(KEYS[1], delivered)
for each = 1, #delivered, 2 do
    redis.call('ZADD', KEYS[2], now_s, delivered[each])
end
-- What this step writes itself comes after, so that it stays.
if #KEYS >= FIRST_ROBOT and redis.call('SET', KEYS[4], now_s, 'NX', 'EX', TIDY_EVERY_S) then
    drop_silent_robots()
    drop_old_sources()
end
for key = FIRST_ROBOT, #KEYS, 4 do
    local robot_id, seen = take(), take()
    append(KEYS[key + 1], stream_length)
    append(KEYS[key + 2], events_length)
    set_all(KEYS[key + 3], take_pairs())
    set_newer(KEYS[key], take_pairs())
    if seen ~= '' then
        set_newer(KEYS[3], {robot_id, seen})
    end
    for each = key, key + 3 do
        redis.call('EXPIRE', KEYS[each], ROBOT_KEPT_S)
    end
end
return 1
