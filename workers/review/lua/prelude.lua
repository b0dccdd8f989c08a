-- Functions shared by every script of the queue; joined in front of each.
--
-- Keys of one queue share a hash tag, `fq:{NAME}:`, so that a script stays in one slot:
--   ready           zset    flag id -> due time, ms       waits for a reviewer
--   escalated       zset    flag id -> due time, ms       waits for a senior
--   to:<person>     zset    flag id -> due time, ms       waits for this person
--   leased          zset    flag id -> lease expiry, ms   somebody looks at it
--   parked          zset    flag id -> since, ms          needs a supervisor
--   f:<flag id>     hash    the flag: facts, state, epoch, owner, verdict
--   own             hash    reviewer -> flag id leased
--   skip:<flag id>  set     reviewers who handed it on
--   s:<stream id>   hash    state of the stream's decisions, `pos:<topic:partition>` -> offset
--   log             stream  append-only: new, claim, decision, ...
-- What is counted and found without reading every flag:
--   ready:policy:<code>, ready:since:<severity>, kinds, handed, stream:<stream id>, streams
--   verdicts        stream  the ids of those log entries that are verdicts or undo one
--   mine:<reviewer> list    the same ids of one reviewer, newest first
--   policies        hash    the policies in force, by `severity:`, `threshold:` and `sla:<code>`
-- Time is the server's own: no client's clock counts.

-- Of these keys; counted up with what is found without reading every flag, see `reindex.py`.
local LAYOUT = 2

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Appends to the log; pairs of name and value follow the event's name.
local function note(prefix, event, id, ...)
  return redis.call('XADD', prefix .. 'log', '*', 'event', event, 'flag', id, ...)
end

-- Seconds that a flag of a severity may wait, where no saved policy says it.
local SLA_S = { high = 120, medium = 900, low = 3600 }
local LOWER = { high = 'medium', medium = 'low', low = 'low' }

-- Severity and seconds of a flag under the policies in force: the policy's own from its threshold
-- up, one step lower below it. A policy that was never saved leaves what the worker said.
local function ranked(prefix, policy, severity, peak)
  local found = redis.call('HMGET', prefix .. 'policies',
    'severity:' .. policy, 'threshold:' .. policy, 'sla:' .. policy)
  if not found[1] then return severity, SLA_S[severity] or SLA_S.high end
  if tonumber(peak) >= tonumber(found[2]) then return found[1], tonumber(found[3]) end
  local lower = LOWER[found[1]]
  return lower, math.max(tonumber(found[3]), SLA_S[lower])
end

-- Less time for a large audience: due = SLA / (1 + a * log2(1 + viewers)), a = 0.25
local function due_ms(opened_ms, sla_s, viewers)
  local reach = 1 + 0.25 * math.log(1 + viewers) / math.log(2)
  return math.floor(opened_ms + sla_s * 1000 / reach)
end

-- Takes a flag out of the pool that its hash names: `ready`, `escalated` or `to:<person>`.
local function unpool(prefix, flag, id)
  local found = redis.call('HMGET', flag, 'pool', 'policy', 'severity')
  redis.call('ZREM', prefix .. (found[1] or 'ready'), id)
  redis.call('ZREM', prefix .. 'handed', id)
  redis.call('ZREM', prefix .. 'ready:policy:' .. (found[2] or ''), id)
  redis.call('ZREM', prefix .. 'ready:since:' .. (found[3] or ''), id)
end

-- Lets a flag wait in the pool that its hash names, at its old due time.
local function pool(prefix, flag, id)
  local found = redis.call('HMGET', flag, 'pool', 'due', 'policy', 'severity', 't0')
  local name, due = found[1] or 'ready', found[2]
  redis.call('ZADD', prefix .. name, due, id)
  if name == 'ready' then
    redis.call('ZADD', prefix .. 'ready:policy:' .. (found[3] or ''), due, id)
    redis.call('ZADD', prefix .. 'ready:since:' .. (found[4] or ''), found[5], id)
    redis.call('SADD', prefix .. 'kinds', found[3] or '')
  elseif string.sub(name, 1, 3) == 'to:' then
    redis.call('ZADD', prefix .. 'handed', due, id)
  end
  redis.call('HSET', flag, 'state', 'ready')
end

-- Gives a flag a due time and a severity, wherever it is.
local function date(prefix, flag, id, state, due, severity)
  if state == 'ready' then unpool(prefix, flag, id) end
  redis.call('HSET', flag, 'due', due, 'severity', severity)
  if state == 'ready' then pool(prefix, flag, id) end
end

local function disown(prefix, flag, id)
  local owner = redis.call('HGET', flag, 'owner')
  if owner and redis.call('HGET', prefix .. 'own', owner) == id then
    redis.call('HDEL', prefix .. 'own', owner)
  end
end

-- Ends a lease that ran out. The flag keeps its owner: a late verdict counts while nobody else
-- has begun.
local function give_back(prefix, flag, id)
  redis.call('ZREM', prefix .. 'leased', id)
  disown(prefix, flag, id)
  pool(prefix, flag, id)
end

-- Ends a lease for good: what its holder still sends is stale.
local function let_go(prefix, flag, id)
  give_back(prefix, flag, id)
  redis.call('HDEL', flag, 'owner')
end

-- Takes a flag from wherever it is: what frees memory comes first, so that it works when it is full.
local function take_out(prefix, flag, id)
  unpool(prefix, flag, id)
  redis.call('ZREM', prefix .. 'leased', id)
  redis.call('ZREM', prefix .. 'parked', id)
  disown(prefix, flag, id)
  redis.call('HDEL', flag, 'owner')
end

-- Begins a lease of a flag that was taken out; its epoch fences off every earlier one.
local function lease(prefix, flag, id, reviewer, now, expiry)
  local epoch = redis.call('HINCRBY', flag, 'epoch', 1)
  redis.call('ZADD', prefix .. 'leased', expiry, id)
  redis.call('HSETNX', flag, 't_claim_first', now)
  redis.call('HSET', flag, 'state', 'leased', 'owner', reviewer, 't_claim_last', now)
  redis.call('HSET', prefix .. 'own', reviewer, id)
  return epoch
end

-- Sets a flag that was taken out aside, for a supervisor.
local function set_aside(prefix, flag, id, by, because)
  redis.call('ZADD', prefix .. 'parked', now_ms(), id)
  redis.call('HSET', flag, 'state', 'parked', 'parked_because', because)
  note(prefix, 'park', id, 'by', by, 'because', because)
end

-- Whether a reviewer may act on a flag: 'missing', 'decided', 'stale' or nil for yes.
-- A lease that ran out but was not claimed by anybody else still counts: nobody has begun again.
local function denied(flag, reviewer, epoch)
  local found = redis.call('HMGET', flag, 'state', 'owner', 'epoch')
  if not found[1] then return 'missing' end
  if found[1] == 'decided' then return 'decided' end
  if found[1] == 'parked' then return 'stale' end
  if found[2] ~= reviewer or found[3] ~= epoch then return 'stale' end
  return nil
end

-- The same for what a supervisor does without a claim (epoch '') or a holder with theirs.
local function refused(flag, by, epoch)
  if epoch ~= '' then return denied(flag, by, epoch) end
  local state = redis.call('HGET', flag, 'state')
  if not state then return 'missing' end
  if state == 'decided' then return 'decided' end
  return nil
end
