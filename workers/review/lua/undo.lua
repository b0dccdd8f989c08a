-- Takes a reviewer's own decision back, within a window and before it was exported. History is
-- never rewritten: the log gets an event more. The same person holds the flag again.
--
-- KEYS[1] prefix   ARGV[1] flag id   ARGV[2] reviewer   ARGV[3] window, ms   ARGV[4] lease, ms
-- returns {'ok', epoch} or {'missing' | 'not-decided' | 'not-yours' | 'too-late' | 'exported'}

local prefix, id, reviewer = KEYS[1], ARGV[1], ARGV[2]
local flag = prefix .. 'f:' .. id
local found = redis.call('HMGET', flag, 'state', 'decided_by', 't_decided', 'exported')
if not found[1] then return {'missing'} end
if found[1] ~= 'decided' then return {'not-decided'} end
if found[2] ~= reviewer then return {'not-yours'} end
if found[4] then return {'exported'} end
local now = now_ms()
if now - tonumber(found[3]) > tonumber(ARGV[3]) then return {'too-late'} end
-- A flag that the reviewer took up meanwhile goes back: nobody holds two.
local other = redis.call('HGET', prefix .. 'own', reviewer)
if other then give_back(prefix, prefix .. 'f:' .. other, other) end
local epoch = redis.call('HINCRBY', flag, 'epoch', 1)
redis.call('HSET', flag, 'state', 'leased', 'owner', reviewer, 't_claim_last', now)
redis.call('HDEL', flag, 'verdict', 'decided_by', 't_decided', 'req')
redis.call('ZADD', prefix .. 'leased', now + tonumber(ARGV[4]), id)
redis.call('HSET', prefix .. 'own', reviewer, id)
redis.call('HINCRBY', prefix .. 'totals', 'decided', -1)
note(prefix, 'undo', id, 'reviewer', reviewer, 'epoch', epoch)
return {'ok', epoch}
