-- Puts a new version of the policies in force, unless somebody else did meanwhile.
--
-- KEYS[1] prefix   ARGV[1] version it was made from   ARGV[2] policy set, JSON   ARGV[3] by whom
-- then for each policy: code, severity, threshold, sla in seconds
-- returns {1 if saved, else 0; the version in force}

local prefix = KEYS[1]
local key = prefix .. 'policies'
local version = tonumber(redis.call('HGET', key, 'version') or 0)
if version ~= tonumber(ARGV[1]) then return {0, version} end
redis.call('DEL', key)
redis.call('HSET', key, 'version', version + 1)
for i = 4, #ARGV, 4 do
  redis.call('HSET', key, 'severity:' .. ARGV[i], ARGV[i + 1], 'threshold:' .. ARGV[i],
    ARGV[i + 2], 'sla:' .. ARGV[i], ARGV[i + 3])
end
redis.call('XADD', prefix .. 'policies:log', (version + 1) .. '-0', 'set', ARGV[2])
note(prefix, 'policies', '', 'by', ARGV[3], 'version', version + 1)
return {1, version + 1}
