-- Records a verdict, once. The epoch of the claim fences off late and doubled decisions.
--
-- KEYS[1] prefix   ARGV[1] flag id   ARGV[2] reviewer   ARGV[3] epoch   ARGV[4] verdict
-- ARGV[5] request id   ARGV[6] decision JSON   ARGV[7] share of flags that get a second review
-- returns 'ok' | 'second' (first of two) | 'escalated' | 'replay' | 'conflict' | 'stale' | 'missing'

local prefix, id, reviewer, verdict, request = KEYS[1], ARGV[1], ARGV[2], ARGV[4], ARGV[5]
local flag = prefix .. 'f:' .. id
if redis.call('HGET', flag, 'req') == request or redis.call('HGET', flag, 'req1') == request then
  return 'replay'
end
local no = denied(flag, reviewer, ARGV[3])
if no == 'decided' then return 'conflict' end
if no then return no end

-- Memory is freed before anything is written: reviewers can empty a queue that is full.
take_out(prefix, flag, id)

local first = redis.call('HMGET', flag, 'verdict1', 'by1')
local sampled = tonumber(string.sub(redis.sha1hex(id), 1, 8), 16) / 4294967296 < tonumber(ARGV[7])
local wanted = sampled or redis.call('HEXISTS', flag, 'second_wanted') == 1

local function back_to(pool)
  redis.call('SADD', prefix .. 'skip:' .. id, reviewer)
  redis.call('HSET', flag, 'state', 'ready', 'pool', pool)
  redis.call('ZADD', prefix .. pool, redis.call('HGET', flag, 'due'), id)
end

if verdict == 'unsure' or (first[1] and first[1] ~= verdict and redis.call('HGET', flag, 'pool') ~= 'escalated') then
  note(prefix, 'verdict', id, 'reviewer', reviewer, 'verdict', verdict, 'decision', ARGV[6])
  redis.call('HSET', flag, 'req1', request)
  back_to('escalated')
  return 'escalated'
end
if wanted and not first[1] and redis.call('HGET', flag, 'pool') ~= 'escalated' then
  note(prefix, 'verdict', id, 'reviewer', reviewer, 'verdict', verdict, 'decision', ARGV[6])
  redis.call('HSET', flag, 'verdict1', verdict, 'by1', reviewer, 'req1', request)
  back_to('ready')
  return 'second'
end

note(prefix, 'decision', id, 'reviewer', reviewer, 'verdict', verdict, 'decision', ARGV[6])
redis.call('HSET', flag, 'state', 'decided', 'verdict', verdict, 'decided_by', reviewer,
  't_decided', now_ms(), 'req', request)
redis.call('HINCRBY', prefix .. 'totals', 'decided', 1)
return 'ok'
