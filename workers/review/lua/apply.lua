-- Stores what one message did to its stream: the decision state, and the steps of its flags.
-- All or nothing, and only once: a message whose offset is stored already changes nothing.
--
-- KEYS[1]  the queue's prefix
-- ARGV[1]  stream id             ARGV[2]  topic:partition     ARGV[3]  offset
-- ARGV[4]  state, opaque bytes   ARGV[5]  seconds the state is kept
-- then for each step: open|extend|close, flag id, flag JSON, severity, viewers, peak
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

local now = now_ms()
for i = 6, #ARGV, 6 do
  local step, id, json = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local severity, viewers, peak = ARGV[i + 3], tonumber(ARGV[i + 4]), ARGV[i + 5]
  local key = prefix .. 'f:' .. id
  local state = redis.call('HGET', key, 'state')
  if not state then
    -- Also for an extension whose flag was lost: it must not stay lost.
    local due = due_ms(now, severity, viewers)
    redis.call('HSET', key, 'json', json, 'state', 'ready', 'epoch', 0, 'due', due, 't0', now,
      'stream', ARGV[1], 'severity', severity, 'viewers', viewers, 'peak', peak, 'expiries', 0)
    redis.call('ZADD', prefix .. 'ready', due, id)
    note(prefix, 'new', id, 'stream', ARGV[1], 'severity', severity)
  else
    redis.call('HSET', key, 'json', json, 'viewers', viewers, 'peak', peak, 'updated', now)
    if state == 'ready' then
      -- A larger audience moves the due time earlier, never later.
      local due = due_ms(tonumber(redis.call('HGET', key, 't0')), severity, viewers)
      local pool = pool_key(prefix, key)
      redis.call('ZADD', pool, 'XX', 'LT', due, id)
      redis.call('HSET', key, 'due', redis.call('ZSCORE', pool, id))
    end
  end
  if step == 'close' then
    redis.call('HSET', key, 'closed', now)
  end
end
return 'stored'
