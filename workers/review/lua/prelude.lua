-- Functions shared by every script of the queue; joined in front of each.
--
-- Keys of one queue share a hash tag, `fq:{NAME}:`, so that a script stays in one slot:
--   ready           zset  flag id -> due time, ms       waits for a reviewer
--   leased          zset  flag id -> lease expiry, ms   somebody looks at it
--   parked          zset  flag id -> since, ms          needs a supervisor
--   f:<flag id>     hash  the flag: facts, state, epoch, owner, verdict
--   own             hash  reviewer -> flag id leased
--   skip:<flag id>  set   reviewers who must not get it
--   s:<stream id>   hash  state of the stream's decisions, `pos:<topic:partition>` -> offset
--   log             stream  append-only: new, claim, decision, ...
-- Time is the server's own: no client's clock counts.

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Appends to the log; pairs of name and value follow the event's name.
local function note(prefix, event, id, ...)
  redis.call('XADD', prefix .. 'log', '*', 'event', event, 'flag', id, ...)
end

-- Seconds that a flag of a severity may wait, less for a large audience.
-- due = SLA / (1 + a * log2(1 + viewers)), a = 0.25
local SLA_S = { high = 120, medium = 900, low = 3600 }

local function due_ms(opened_ms, severity, viewers)
  local sla = (SLA_S[severity] or SLA_S.high) * 1000
  local reach = 1 + 0.25 * math.log(1 + viewers) / math.log(2)
  return math.floor(opened_ms + sla / reach)
end

-- A flag waits in the pool that its hash names: `ready`, `escalated`, or `to:<person>`.
local function pool_key(prefix, flag)
  return prefix .. (redis.call('HGET', flag, 'pool') or 'ready')
end

-- Puts a flag back where it waits, at its old due time.
local function give_back(prefix, flag, id)
  redis.call('ZREM', prefix .. 'leased', id)
  local owner = redis.call('HGET', flag, 'owner')
  if owner and redis.call('HGET', prefix .. 'own', owner) == id then
    redis.call('HDEL', prefix .. 'own', owner)
  end
  redis.call('ZADD', pool_key(prefix, flag), redis.call('HGET', flag, 'due'), id)
  redis.call('HSET', flag, 'state', 'ready')
end

-- Takes a flag out of every pool: what frees memory comes first, so that it works when it is full.
local function take_out(prefix, flag, id)
  redis.call('ZREM', pool_key(prefix, flag), id)
  redis.call('ZREM', prefix .. 'leased', id)
  redis.call('ZREM', prefix .. 'parked', id)
  local owner = redis.call('HGET', flag, 'owner')
  if owner and redis.call('HGET', prefix .. 'own', owner) == id then
    redis.call('HDEL', prefix .. 'own', owner)
  end
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
