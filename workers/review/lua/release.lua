-- Gives a held flag back to its pool, at its due time; the reviewer may get it again.
--
-- KEYS[1] prefix   ARGV[1] flag id   ARGV[2] reviewer   ARGV[3] epoch   ARGV[4] why
-- returns 'ok' | 'stale' | 'missing' | 'decided'

local prefix, id = KEYS[1], ARGV[1]
local flag = prefix .. 'f:' .. id
local no = denied(flag, ARGV[2], ARGV[3])
if no then return no end
let_go(prefix, flag, id)
note(prefix, 'release', id, 'reviewer', ARGV[2], 'because', ARGV[4])
return 'ok'
