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
