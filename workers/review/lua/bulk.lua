-- Records a verdict on one of a stream's flags without a claim: a senior closes several at once.
--
-- KEYS[1] prefix   ARGV[1] flag id   ARGV[2] reviewer   ARGV[3] epoch the decision carries
-- ARGV[4] verdict   ARGV[5] request id   ARGV[6] decision JSON   ARGV[7] second review share
-- ARGV[8] '1' if the reviewer may decide what was escalated   ARGV[9] stream id
-- returns what decide.lua returns, or 'held' (somebody looks at it) | 'other-stream'

local prefix, id, reviewer = KEYS[1], ARGV[1], ARGV[2]
local flag = prefix .. 'f:' .. id
local found = redis.call('HMGET', flag,
  'state', 'stream', 'owner', 'epoch', 'escalated', 'by1', 'req:' .. reviewer)
if not found[1] then return 'missing' end
if found[7] == ARGV[5] then return 'replay' end
if found[2] ~= ARGV[9] then return 'other-stream' end
if found[1] == 'decided' then return 'conflict' end
if found[1] == 'leased' and found[3] ~= reviewer then return 'held' end
-- Claimed and given back since it was looked at: it may have been changed.
if tonumber(found[4]) + 1 ~= tonumber(ARGV[3]) then return 'stale' end
if (found[5] and ARGV[8] ~= '1') or found[6] == reviewer then return 'forbidden' end
take_out(prefix, flag, id)
redis.call('HSET', flag, 'epoch', ARGV[3])
return settle(prefix, flag, id, reviewer, ARGV[4], ARGV[5], ARGV[6], ARGV[7])
