-- Moves a flag to another pool: `ready`, `escalated`, or `to:<person>`; asks for a second review
-- where told to. Also takes a flag out of the parked ones.
--
-- KEYS[1] prefix   ARGV[1] flag id   ARGV[2] pool   ARGV[3] by whom   ARGV[4] why
-- ARGV[5] '1' if a second review is wanted
-- returns 'ok' | 'missing' | 'decided'

local prefix, id = KEYS[1], ARGV[1]
local flag = prefix .. 'f:' .. id
local state = redis.call('HGET', flag, 'state')
if not state then return 'missing' end
if state == 'decided' then return 'decided' end
take_out(prefix, flag, id)
redis.call('HSET', flag, 'state', 'ready', 'pool', ARGV[2], 'expiries', 0)
if ARGV[5] == '1' then redis.call('HSET', flag, 'second_wanted', 1) end
redis.call('ZADD', prefix .. ARGV[2], redis.call('HGET', flag, 'due'), id)
note(prefix, 'move', id, 'to', ARGV[2], 'by', ARGV[3], 'because', ARGV[4])
return 'ok'
