-- Records a verdict, once. The epoch of the claim fences off late and doubled decisions.
--
-- KEYS[1] prefix   ARGV[1] flag id   ARGV[2] reviewer   ARGV[3] epoch   ARGV[4] verdict
-- ARGV[5] request id   ARGV[6] decision JSON   ARGV[7] share of flags that get a second review
-- ARGV[8] '1' if the reviewer may decide what was escalated
-- returns 'ok' | 'second' (first of two) | 'escalated' | 'replay' | 'conflict' | 'stale' |
--         'missing' | 'forbidden'

local prefix, id, reviewer = KEYS[1], ARGV[1], ARGV[2]
local flag = prefix .. 'f:' .. id
if redis.call('HGET', flag, 'req:' .. reviewer) == ARGV[5] then return 'replay' end
local no = denied(flag, reviewer, ARGV[3])
if no == 'decided' then return 'conflict' end
if no then return no end
local found = redis.call('HMGET', flag, 'escalated', 'by1')
if found[1] and ARGV[8] ~= '1' then return 'forbidden' end
if found[2] == reviewer then return 'forbidden' end
return settle(prefix, flag, id, reviewer, ARGV[4], ARGV[5], ARGV[6], ARGV[7])
