-- Fills what is counted and found by from flags' hashes. Changes nothing that is right already.
--
-- KEYS[1] prefix   ARGV[1] '1' if with this call all is done   ARGV[2...] flag ids
-- returns how many there were

local prefix, count = KEYS[1], 0
-- Removed first, as everywhere: it must work when memory is used up.
redis.call('HDEL', prefix .. 'totals', ARGV[1] == '1' and 'layout' or '-')
for i = 2, #ARGV do
  local id = ARGV[i]
  local flag = prefix .. 'f:' .. id
  local found = redis.call('HMGET', flag, 'json', 'state', 't0', 'viewers', 'peak', 'pool', 'opened')
  if found[1] then
    count = count + 1
    local facts = cjson.decode(found[1])
    local severity, sla = ranked(prefix, facts.policy, facts.severity, found[5])
    local opened = found[7] or found[3]
    if found[2] == 'ready' then unpool(prefix, flag, id) end
    redis.call('HSET', flag, 'policy', facts.policy, 'said', facts.severity, 'audience', found[4],
      'stream', facts.stream_id, 'model', facts.model, 'version', facts.model_version,
      'looks', facts.looks, 'opened', opened)
    if found[6] == 'escalated' then redis.call('HSETNX', flag, 'escalated', 1) end
    redis.call('ZADD', prefix .. 'stream:' .. facts.stream_id, opened, id)
    redis.call('ZADD', prefix .. 'streams', 0, facts.stream_id)
    date(prefix, flag, id, found[2], due_ms(tonumber(found[3]), sla, tonumber(found[4])), severity)
  end
end
if ARGV[1] == '1' then redis.call('HSET', prefix .. 'totals', 'layout', LAYOUT) end
return count
