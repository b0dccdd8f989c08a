-- Sets a flag aside for a supervisor; parked flags stay visible and are never dropped.
--
-- KEYS[1] prefix   ARGV[1] flag id   ARGV[2] by whom   ARGV[3] why
-- ARGV[4] epoch of a holder, or '' for a supervisor
-- returns 'ok' | 'missing' | 'decided' | 'stale'

local prefix, id = KEYS[1], ARGV[1]
local flag = prefix .. 'f:' .. id
local no = refused(flag, ARGV[2], ARGV[4])
if no then return no end
take_out(prefix, flag, id)
redis.call('HDEL', flag, 'last_by')
set_aside(prefix, flag, id, ARGV[2], ARGV[3])
return 'ok'
