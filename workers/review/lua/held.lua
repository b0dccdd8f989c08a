-- What a reviewer holds now; claims nothing.
--
-- KEYS[1] prefix   ARGV[1] reviewer
-- returns {flag id, epoch, lease end ms, flag JSON} or false

local prefix, reviewer = KEYS[1], ARGV[1]
local id = redis.call('HGET', prefix .. 'own', reviewer)
local expiry = id and redis.call('ZSCORE', prefix .. 'leased', id)
if not expiry or tonumber(expiry) <= now_ms() then return false end
local found = redis.call('HMGET', prefix .. 'f:' .. id, 'owner', 'epoch', 'json')
if found[1] ~= reviewer then return false end
return {id, tonumber(found[2]), tonumber(expiry), found[3]}
