-- Takes a reviewer's own verdict back, within a window and before it was exported. History is
-- never rewritten: the log gets an event more. The same person holds the flag again; but not after
-- the second of two verdicts: by then its author may know the first, so a senior decides.
--
-- KEYS[1] prefix   ARGV[1] flag id   ARGV[2] reviewer   ARGV[3] window, ms   ARGV[4] lease, ms
-- ARGV[5] '1' if the reviewer may hold what was escalated
-- returns {'ok', epoch, lease end ms, flag JSON} or {'missing' | 'not-decided' | 'not-yours' |
--         'too-late' | 'exported' | 'stale' | 'forbidden'}, or {'escalated'}: taken back, not held

local prefix, id, reviewer = KEYS[1], ARGV[1], ARGV[2]
local flag = prefix .. 'f:' .. id
local found = redis.call('HMGET', flag, 'state', 'last_by', 't_last', 'exported', 'before', 'last_entry')
local state = found[1]
if not state then return {'missing'} end
if found[2] ~= reviewer then
  return {state == 'decided' and 'not-yours' or 'not-decided'}
end
if state == 'leased' then return {'stale'} end
if state == 'parked' then return {'not-decided'} end
if found[4] then return {'exported'} end
local now = now_ms()
if now - tonumber(found[3]) > tonumber(ARGV[3]) then return {'too-late'} end
local before = cjson.decode(found[5])
if before.escalated and ARGV[5] ~= '1' then return {'forbidden'} end

local function put_back()
  redis.call('HDEL', flag, 'verdict', 'decided_by', 't_decided', 'last_by', 't_last', 'last_entry',
    'before', 'req:' .. reviewer, unpack(ROUND))
  if state == 'decided' then redis.call('HINCRBY', prefix .. 'totals', 'decided', -1) end
end

take_out(prefix, flag, id)
if before.verdict1 then
  put_back()
  redis.call('HSET', flag, 'escalated', 1, 'pool', 'escalated')
  redis.call('SADD', prefix .. 'skip:' .. id, reviewer)
  pool(prefix, flag, id)
  remember(prefix, note(prefix, 'undo', id, 'reviewer', reviewer, 'undoes', found[6]), reviewer)
  return {'escalated'}
end
-- A flag that the reviewer took up meanwhile goes back: nobody holds two.
local other = redis.call('HGET', prefix .. 'own', reviewer)
if other then
  let_go(prefix, prefix .. 'f:' .. other, other)
  note(prefix, 'release', other, 'reviewer', reviewer, 'because', 'took an earlier verdict back')
end
put_back()
for name, text in pairs(before) do redis.call('HSET', flag, name, text) end
local expiry = now + tonumber(ARGV[4])
local epoch = lease(prefix, flag, id, reviewer, now, expiry)
local entry = note(prefix, 'undo', id, 'reviewer', reviewer, 'epoch', epoch, 'undoes', found[6])
remember(prefix, entry, reviewer)
return {'ok', epoch, expiry, redis.call('HGET', flag, 'json')}
