-- Applies one step of live values: all of it, or nothing and an error. Returns 1, or 0 where a
-- source is not (or no longer) where the writer believes it to be; then nothing was written.
--
-- KEYS  delivered, robots; for each robot: live, metrics, events, info
-- ARGV  lengths of the streams of metrics and events
--       number of sources; for each: source, its progress before ('' for none), and after
--       for each robot: its id, when it was seen ('' for not), and four lists, each with its
--       length before it: entries, events, info (name, JSON), latest values (name, JSON)

local CHUNK = 1000  -- Lua can unpack some thousands of values
local at = 0

local function take()
    at = at + 1
    return ARGV[at]
end

-- Times have more digits than a Lua number holds: they are compared as texts.
local function time_of(json)
    return json and string.match(json, '^{"[a-z_]+":(%d+)')
end

local function is_older(json, than)
    local new, old = time_of(json), time_of(than)
    if not old then
        return false
    elseif not new then
        return true
    elseif #new ~= #old then
        return #new < #old
    end
    return new < old
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
    local why = refusal(KEYS[2], 'hash', 'HSET', KEYS[2], 'f', 'v')
        or refusal(KEYS[1], 'hash', 'HSET', KEYS[1], 'f', 'v')
    for key = 3, #KEYS, 4 do
        why = why or refusal(KEYS[key], 'hash', 'HMGET', KEYS[key], 'f')
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
for key = 3, #KEYS, 4 do
    local robot_id, seen = take(), take()
    append(KEYS[key + 1], stream_length)
    append(KEYS[key + 2], events_length)
    set_all(KEYS[key + 3], take_pairs())
    set_newer(KEYS[key], take_pairs())
    if seen ~= '' then
        set_newer(KEYS[2], {robot_id, seen})
    end
end
return 1
