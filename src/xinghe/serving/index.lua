-- Writes a batch of records with the offsets that it goes up to, or a step of starting a topic over: all of it or, where
-- Redis stands elsewhere than the caller knows, nothing. A script runs alone in Redis.
--
-- KEYS[1]  xinghe:index, by topic: {topic}:{partition} the offset to go on from, {topic}:{partition}:last the record before
--          it as {offset}:{timestamp}, {topic}:clearing the token of who starts it over
-- ARGV[1]  step: write | forget | clear | begin
-- ARGV[2]  msgpack, see records_writer.py
--
-- Answers applied, or elsewhere.

local index, step = KEYS[1], ARGV[1]
local given = cmsgpack.unpack(ARGV[2])

-- Starting over: forget the offsets, which stops every other index of the topic; clear what was written; begin. Who forgets
-- last holds the token, and only that one goes on.

if step == 'forget' then
    local topic, token = unpack(given, 1, 2)
    for _, field in ipairs(redis.call('HKEYS', index)) do
        if string.sub(field, 1, #topic + 1) == topic .. ':' then redis.call('HDEL', index, field) end
    end
    redis.call('HSET', index, topic .. ':clearing', token)
    return 'applied'
end

if step == 'clear' or step == 'begin' then
    local topic, token, names = unpack(given, 1, 3)
    if redis.call('HGET', index, topic .. ':clearing') ~= token then return 'elsewhere' end
    if step == 'clear' then
        redis.call('UNLINK', unpack(names))
    else
        redis.call('HDEL', index, topic .. ':clearing')
        redis.call('HSET', index, unpack(names))
    end
    return 'applied'
end

local moves, orders, entries, settings, letters, samples_max = unpack(given, 1, 6)

for _, move in ipairs(moves) do
    local topic, field, known = unpack(move, 1, 3)
    if (redis.call('HGET', index, field) or '') ~= known then return 'elsewhere' end
    if redis.call('HEXISTS', index, topic .. ':clearing') == 1 then return 'elsewhere' end
end

local function put_order(key, person_id, json, expire_at_ms, stale)
    for _, other in ipairs(stale) do redis.call('HDEL', key, other) end
    redis.call('HSET', key, person_id, json)
    -- Of two persons' orders with one id the later keeps both.
    if redis.call('PEXPIREAT', key, expire_at_ms, 'NX') == 0 then
        redis.call('PEXPIREAT', key, expire_at_ms, 'GT')
    end
end

local function put_setting(campaign_id, json)
    if json == '' then
        redis.call('HDEL', 'xinghe:campaigns:settings', campaign_id)
    else
        redis.call('HSET', 'xinghe:campaigns:settings', campaign_id, json)
    end
end

-- Partitions are not read in the order of time, so a sample may be older than those that are there.
local function add_samples(reason, samples)
    local key, all = 'xinghe:deadletters:' .. reason, {}
    for _, json in ipairs(redis.call('LRANGE', key, 0, -1)) do
        all[#all + 1] = { cjson.decode(json).time_ms, json }
    end
    for _, sample in ipairs(samples) do all[#all + 1] = sample end
    table.sort(all, function(one, other)
        if one[1] ~= other[1] then return one[1] > other[1] end
        return one[2] > other[2]
    end)
    redis.call('DEL', key)
    for i = 1, math.min(#all, samples_max) do redis.call('RPUSH', key, all[i][2]) end
end

for _, order in ipairs(orders) do put_order(unpack(order, 1, 5)) end
for _, entry in ipairs(entries) do redis.call('HSET', entry[1], entry[2], entry[3]) end
for _, setting in ipairs(settings) do put_setting(unpack(setting, 1, 2)) end
for _, letter in ipairs(letters) do
    local reason, count, samples = unpack(letter, 1, 3)
    add_samples(reason, samples)
    redis.call('HINCRBY', 'xinghe:deadletters', reason, count)
end
for _, move in ipairs(moves) do
    local _, field, _, next_offset, last = unpack(move, 1, 5)
    redis.call('HSET', index, field, next_offset, field .. ':last', last)
end
return 'applied'
