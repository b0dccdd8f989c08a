-- Gives back whatever a reviewer holds, without an epoch: their session was revoked.
--
-- KEYS[1] prefix   ARGV[1] reviewer   ARGV[2] why
-- returns flag id or false

local prefix, reviewer = KEYS[1], ARGV[1]
local id = redis.call('HGET', prefix .. 'own', reviewer)
if not id then return false end
local flag = prefix .. 'f:' .. id
local found = redis.call('HMGET', flag, 'state', 'owner')
redis.call('HDEL', prefix .. 'own', reviewer)
if found[1] ~= 'leased' or found[2] ~= reviewer then return false end
let_go(prefix, flag, id)
note(prefix, 'release', id, 'reviewer', reviewer, 'because', ARGV[2])
return id
