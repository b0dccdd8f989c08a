-- Extends a lease, up to a hard cap counted from its claim.
--
-- KEYS[1] prefix   ARGV[1] flag id   ARGV[2] reviewer   ARGV[3] epoch   ARGV[4] lease, ms
-- ARGV[5] cap, ms
-- returns {'ok', lease end ms} or {'missing' | 'decided' | 'stale'}

local prefix, id = KEYS[1], ARGV[1]
local flag = prefix .. 'f:' .. id
local no = denied(flag, ARGV[2], ARGV[3])
if no then return {no} end
if redis.call('HGET', flag, 'state') ~= 'leased' then return {'stale'} end
local now = now_ms()
local cap = tonumber(redis.call('HGET', flag, 't_claim_last')) + tonumber(ARGV[5])
local expiry = math.min(now + tonumber(ARGV[4]), cap)
if expiry <= now then return {'stale'} end
-- Removed first: an extension must work when memory is used up.
redis.call('ZREM', prefix .. 'leased', id)
redis.call('ZADD', prefix .. 'leased', expiry, id)
note(prefix, 'renew', id, 'reviewer', ARGV[2])
return {'ok', expiry}
