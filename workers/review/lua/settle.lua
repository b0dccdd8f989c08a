-- What a verdict does to a flag; joined in front of the scripts that take one.
--
-- Rounds: a flag has one verdict, or two where a second review is wanted. `unsure`, and two that
-- differ, escalate it; a senior's verdict then ends it, unless a second one was asked for there.
-- What a round overwrites is kept in `before`, so that it can be undone.

local ROUND = {'verdict1', 'by1', 'escalated', 'second_wanted', 'pool'}

local function round_of(flag)
  local found, kept = redis.call('HMGET', flag, unpack(ROUND)), {}
  for i, name in ipairs(ROUND) do
    if found[i] then kept[name] = found[i] end
  end
  return kept
end

-- Chosen by the flag's id: a retry draws the same lot.
local function is_sampled(id, share)
  return tonumber(string.sub(redis.sha1hex(id), 1, 8), 16) / 4294967296 < tonumber(share)
end

-- The log entry is found again by time and by reviewer.
local function remember(prefix, entry, reviewer)
  redis.call('XADD', prefix .. 'verdicts', entry, 'e', '')
  redis.call('LPUSH', prefix .. 'mine:' .. reviewer, entry)
  redis.call('LTRIM', prefix .. 'mine:' .. reviewer, 0, 199)
end

-- returns 'ok' | 'second' | 'escalated'
local function settle(prefix, flag, id, reviewer, verdict, request, decision, share)
  -- Memory is freed before anything is written: reviewers can empty a queue that is full.
  take_out(prefix, flag, id)
  local before = round_of(flag)
  local wanted = before.second_wanted or (not before.escalated and is_sampled(id, share))
  local result = 'ok'
  if verdict == 'unsure' or (before.verdict1 and before.verdict1 ~= verdict) then
    result = 'escalated'
  elseif wanted and not before.verdict1 then
    result = 'second'
  end
  local now = now_ms()
  local entry = note(prefix, result == 'ok' and 'decision' or 'verdict', id, 'reviewer', reviewer,
    'verdict', verdict, 'result', result, 'decision', decision,
    'policies', redis.call('HGET', prefix .. 'policies', 'version') or 0)
  remember(prefix, entry, reviewer)
  redis.call('HSET', flag, 'req:' .. reviewer, request, 'last_by', reviewer, 't_last', now,
    'last_entry', entry, 'before', cjson.encode(before))
  if result == 'ok' then
    redis.call('HSET', flag, 'state', 'decided', 'verdict', verdict, 'decided_by', reviewer,
      't_decided', now)
    redis.call('HINCRBY', prefix .. 'totals', 'decided', 1)
    return result
  end
  if result == 'second' then
    redis.call('HSET', flag, 'verdict1', verdict, 'by1', reviewer,
      'pool', before.escalated and 'escalated' or 'ready')
  else
    redis.call('HDEL', flag, 'verdict1', 'by1', 'second_wanted')
    redis.call('HSET', flag, 'escalated', 1, 'pool', 'escalated')
  end
  pool(prefix, flag, id)
  return result
end
