-- Stores what one message did to its stream: the decision state, and the steps of its flags.
-- All or nothing, and only once: a message whose offset is stored already changes nothing.
--
-- KEYS[1]  the queue's prefix
-- ARGV[1]  stream id             ARGV[2]  topic:partition     ARGV[3]  offset
-- ARGV[4]  state, opaque bytes   ARGV[5]  seconds the state is kept
-- then for each step: open|extend|close, flag id, flag JSON, severity, viewers, peak, and what is
-- told apart in counts: stream, opened ms, policy, model, its version, audit probability, stratum,
-- looks
-- returns 'stored' or 'replayed'

local prefix = KEYS[1]
local stream = prefix .. 's:' .. ARGV[1]
local position = 'pos:' .. ARGV[2]
local known = redis.call('HGET', stream, position)
if known and tonumber(known) >= tonumber(ARGV[3]) then
  return 'replayed'
end

-- Before anything is written: with memory used up the script is refused here, whole.
redis.call('HSET', stream, 'state', ARGV[4], position, ARGV[3])
redis.call('EXPIRE', stream, ARGV[5])

-- A queue that begins now needs no bringing up to date.
if #ARGV > 5 and redis.call('EXISTS', prefix .. 'log') == 0 then
  redis.call('HSETNX', prefix .. 'totals', 'layout', LAYOUT)
end

local now = now_ms()
local WIDTH = 14
for i = 6, #ARGV, WIDTH do
  local step, id, json, viewers, peak = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 4], ARGV[i + 5]
  local of, opened, policy = ARGV[i + 6], ARGV[i + 7], ARGV[i + 8]
  local key = prefix .. 'f:' .. id
  local severity, sla = ranked(prefix, policy, ARGV[i + 3], peak)
  local found = redis.call('HMGET', key, 'state', 't0', 'due', 'severity', 'audience')
  local state = found[1]
  -- A larger audience or a worse score moves the due time earlier, a smaller one never later.
  local audience = math.max(tonumber(viewers), tonumber(found[5] or 0))
  local due = due_ms(tonumber(found[2] or now), sla, audience)
  if not state then
    -- Also for an extension whose flag was lost: it must not stay lost.
    redis.call('HSET', key, 'json', json, 'epoch', 0, 't0', now, 'stream', of, 'policy', policy,
      'due', due, 'severity', severity, 'said', ARGV[i + 3], 'viewers', viewers, 'audience', audience,
      'peak', peak, 'expiries', 0, 'opened', opened, 'model', ARGV[i + 9], 'version', ARGV[i + 10],
      'probability', ARGV[i + 11], 'stratum', ARGV[i + 12], 'looks', ARGV[i + 13])
    redis.call('ZADD', prefix .. 'stream:' .. of, opened, id)
    redis.call('ZADD', prefix .. 'streams', 0, of)
    pool(prefix, key, id)
    note(prefix, 'new', id, 'stream', of, 'severity', severity)
  else
    redis.call('HSET', key, 'json', json, 'viewers', viewers, 'audience', audience, 'peak', peak,
      'looks', ARGV[i + 13], 'updated', now)
    if state ~= 'decided' and (due ~= tonumber(found[3]) or severity ~= found[4]) then
      date(prefix, key, id, state, due, severity)
    end
  end
  if step == 'close' then
    redis.call('HSET', key, 'closed', now)
  end
end
return 'stored'
