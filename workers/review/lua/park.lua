-- Sets a flag aside for a supervisor; parked flags stay visible and are never dropped.
--
-- KEYS[1] prefix   ARGV[1] flag id   ARGV[2] by whom   ARGV[3] why
-- returns 'ok' | 'missing' | 'decided'

local prefix, id = KEYS[1], ARGV[1]
local flag = prefix .. 'f:' .. id
local state = redis.call('HGET', flag, 'state')
if not state then return 'missing' end
if state == 'decided' then return 'decided' end
take_out(prefix, flag, id)
redis.call('ZADD', prefix .. 'parked', now_ms(), id)
redis.call('HSET', flag, 'state', 'parked', 'parked_because', ARGV[3])
note(prefix, 'park', id, 'by', ARGV[2], 'because', ARGV[3])
return 'ok'
