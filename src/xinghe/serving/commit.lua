-- Writes a part of a commit, or a step of a rebuild, of one campaigns partition: all of it or, where
-- the guard says no, nothing. A script runs alone in Redis, so a reader never sees half of it.
--
-- KEYS[1]  xinghe:sink:{stage}:{partition}: incarnation, sequence, state (ready | rebuilding), alerts (see below)
-- ARGV[1]  step: part | last of a commit, begin | fill | finish of a rebuild
-- ARGV[2]  incarnation of the writer
-- ARGV[3]  sequence of the commit
-- ARGV[4]  sequence that the writer knows Redis to hold (commits only)
-- ARGV[5]  msgpack: [windows, notes, scores, changed, models, alerts, positions, shops], see commit.py
--
-- Answers applied, held (this very sequence is there already), stale (a newer one is), or rebuild: figures that
-- the writer goes on from are not there.

local step, incarnation = ARGV[1], ARGV[2]
local sequence, known = tonumber(ARGV[3]), tonumber(ARGV[4])

local function verdict()
    local sink = redis.call('HMGET', KEYS[1], 'incarnation', 'sequence', 'state')
    local same, stored, state = sink[1] == incarnation, tonumber(sink[2] or '') or -1, sink[3]
    if same and stored > sequence then return 'stale' end
    if step == 'begin' then return 'applied' end
    if not same then return 'rebuild' end
    if step == 'fill' or step == 'finish' then
        if stored == sequence and state == 'rebuilding' then return 'applied' end
        return stored == sequence and 'held' or 'rebuild'
    end
    -- A sequence below the known one: Redis came back from an old snapshot or an old replica.
    if state ~= 'ready' or stored < known then return 'rebuild' end
    if stored == sequence then return 'held' end
    return 'applied'
end

local function call_in_slices(command, key, values)
    -- unpack() fails beyond some thousand values; an even slice keeps pairs together.
    for first = 1, #values, 1000 do
        redis.call(command, key, unpack(values, first, math.min(first + 999, #values)))
    end
end

local function flat(fields)
    local pairs_flat, size = {}, 0
    for name, value in pairs(fields) do
        pairs_flat[size + 1], pairs_flat[size + 2] = name, value
        size = size + 2
    end
    return pairs_flat
end

local is_incomplete = false

-- Numbers are exact up to 2^53 (Redis prints 17 digits); commit.py sends larger ones as text.
local function put(key, fields, orders, ttl_ms)
    local always = flat(fields)
    if orders then
        -- The hash then has these fields and no others. Redis looks for a field from the first on: those of each
        -- commit come first.
        local seldom = flat(orders)
        call_in_slices('HSET', key, always)
        call_in_slices('HSET', key, seldom)
        if redis.call('HLEN', key) > (#always + #seldom) / 2 then
            redis.call('DEL', key)
            call_in_slices('HSET', key, always)
            call_in_slices('HSET', key, seldom)
        end
    elseif redis.call('HSET', key, unpack(always)) == #always / 2 then
        -- Redis let go of the hash by its age while the stream stood still. Half of one is worse than none.
        redis.call('DEL', key)
        is_incomplete = true
    end
    if ttl_ms then redis.call('PEXPIRE', key, ttl_ms) end
end

local function put_window(campaign_id, size, start_ms, fields, ttl_ms, orders)
    local campaign = 'xinghe:campaign:' .. campaign_id .. ':'
    if size == 'total' then
        if fields then
            put(campaign .. 'total', fields, orders, nil)
        else
            redis.call('DEL', campaign .. 'total')
            redis.call('ZREM', 'xinghe:campaigns', campaign_id)
        end
        return
    end
    -- Plain concatenation would print 14 digits.
    local start = string.format('%.0f', start_ms)
    local key, index = campaign .. size .. ':' .. start, campaign .. 'windows:' .. size
    if fields then
        redis.call('ZADD', index, start, start)
        put(key, fields, orders, ttl_ms)
    else
        redis.call('DEL', key)
        redis.call('ZREM', index, start)
    end
end

local function put_note(campaign_id, note_id, fields, day_start_ms, ttl_ms, orders)
    local campaign = 'xinghe:campaign:' .. campaign_id .. ':'
    local key, ranking, days, day = campaign .. 'note:' .. note_id, campaign .. 'notes', nil, nil
    if day_start_ms then
        day, days = string.format('%.0f', day_start_ms), campaign .. 'windows:noteday'
        ranking = campaign .. 'noteday:' .. day
        key = ranking .. ':' .. note_id
    end
    if not fields then
        redis.call('DEL', key)
        redis.call('ZREM', ranking, note_id)
        if days and redis.call('EXISTS', ranking) == 0 then redis.call('ZREM', days, day) end
        return
    end
    if orders then
        if days then redis.call('ZADD', days, day, day) end
        redis.call('ZADD', ranking, orders['gmv_fen'] or fields['gmv_fen'], note_id)
    end
    put(key, fields, orders, ttl_ms)
    if ttl_ms then redis.call('PEXPIRE', ranking, ttl_ms) end
end

local function put_models(shop_id, json)
    local key = 'xinghe:shop:' .. shop_id .. ':models'
    if json then
        redis.call('SADD', 'xinghe:shops', shop_id)
        redis.call('SET', key, json)
    else
        redis.call('DEL', key)
        redis.call('SREM', 'xinghe:shops', shop_id)
    end
end

local function put_shop(campaign_id, shop_id)
    if shop_id == '' then
        redis.call('HDEL', 'xinghe:campaigns:shops', campaign_id)
    else
        redis.call('HSET', 'xinghe:campaigns:shops', campaign_id, shop_id)
    end
end

local function put_position(campaign_id, fields)
    local key = 'xinghe:campaign:' .. campaign_id .. ':guarantee'
    redis.call('DEL', key)
    if fields then call_in_slices('HSET', key, flat(fields)) end
end

-- What a retry or a rebuild brings again is told by its number, since a stream cannot be overwritten. The number is kept
-- first: should Redis refuse the next command (it is full), an alert is not in the stream, and none is in it twice.
local function put_alert(number, alert_id, json, is_open)
    if is_open then
        redis.call('HSET', 'xinghe:alerts:open', alert_id, json)
    else
        redis.call('HDEL', 'xinghe:alerts:open', alert_id)
    end
    if number > tonumber(redis.call('HGET', KEYS[1], 'alerts') or 0) then
        redis.call('HSET', KEYS[1], 'alerts', string.format('%.0f', number))
        redis.call('XADD', 'xinghe:alerts', 'MAXLEN', '~', 10000, '*', 'alert_id', alert_id, 'record', json)
    end
end

local answer = verdict()
if answer ~= 'applied' then return answer end
if step == 'begin' then
    if redis.call('HGET', KEYS[1], 'incarnation') ~= incarnation then redis.call('HDEL', KEYS[1], 'alerts') end
    redis.call('HSET', KEYS[1], 'incarnation', incarnation, 'sequence', ARGV[3], 'state', 'rebuilding')
end

local windows, notes, scores, changed, models, alerts, positions, shops = unpack(cmsgpack.unpack(ARGV[5]))
-- The index of campaigns comes first: should Redis refuse a later command (it is full), whatever was
-- written can still be found, and written again or removed.
call_in_slices('ZADD', 'xinghe:campaigns', scores)
for _, shop in ipairs(shops) do put_shop(shop[1], shop[2]) end
for _, window in ipairs(windows) do put_window(unpack(window, 1, 6)) end
for _, note in ipairs(notes) do put_note(unpack(note, 1, 6)) end
for _, shop in ipairs(models) do put_models(unpack(shop, 1, 2)) end
for _, position in ipairs(positions) do put_position(unpack(position, 1, 2)) end
for _, alert in ipairs(alerts) do put_alert(unpack(alert, 1, 4)) end
if is_incomplete then return 'rebuild' end

-- The sequence moves last, with the last part: what was cut off before it is written again.
if step == 'last' or step == 'finish' then
    redis.call('HSET', KEYS[1], 'sequence', ARGV[3], 'state', 'ready')
end
if changed ~= '' then redis.call('PUBLISH', 'xinghe:updates', changed) end
return 'applied'
