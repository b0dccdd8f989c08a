-- Moves a flag to another pool: `ready`, `escalated`, or `to:<person>`; asks for a second review
-- where told to. A holder moves what they hold, under their epoch; a supervisor any, without one,
-- also out of the parked ones.
--
-- KEYS[1] prefix   ARGV[1] flag id   ARGV[2] pool   ARGV[3] by whom   ARGV[4] why
-- ARGV[5] '1' if a second review is wanted   ARGV[6] epoch, or '' for a supervisor
-- returns 'ok' | 'missing' | 'decided' | 'stale' | 'forbidden'

local prefix, id, to, by = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local flag = prefix .. 'f:' .. id
local no = refused(flag, by, ARGV[6])
if no then return no end
local found = redis.call('HMGET', flag, 'state', 'escalated', 'by1')
local person = string.sub(to, 1, 3) == 'to:' and string.sub(to, 4)
-- Two verdicts are two people's; and what was escalated comes down only by a supervisor.
if person and found[3] == person then return 'forbidden' end
if to == 'ready' and found[2] and ARGV[6] ~= '' then return 'forbidden' end

take_out(prefix, flag, id)
redis.call('HDEL', flag, 'last_by')
if found[1] == 'parked' then
  -- A supervisor gives it another chance, with everybody.
  redis.call('DEL', prefix .. 'skip:' .. id)
  redis.call('HDEL', flag, 'parked_because')
  redis.call('HSET', flag, 'expiries', 0)
end
if person then redis.call('SREM', prefix .. 'skip:' .. id, person) end
if to == 'escalated' and not found[2] then
  redis.call('HDEL', flag, 'verdict1', 'by1', 'second_wanted')
  redis.call('HSET', flag, 'escalated', 1)
elseif to == 'ready' then
  redis.call('HDEL', flag, 'escalated')
end
if ARGV[5] == '1' then redis.call('HSET', flag, 'second_wanted', 1) end
redis.call('HSET', flag, 'pool', to, 'handed_at', now_ms())
pool(prefix, flag, id)
note(prefix, 'move', id, 'to', to, 'by', by, 'because', ARGV[4])
return 'ok'
