-- Dates flags anew under the policies in force.
--
-- KEYS[1] prefix   ARGV[...] flag ids
-- returns how many have another due time or severity now

local prefix, count = KEYS[1], 0
for _, id in ipairs(ARGV) do
  local flag = prefix .. 'f:' .. id
  local found = redis.call('HMGET', flag,
    'state', 't0', 'due', 'severity', 'audience', 'policy', 'said', 'peak')
  if found[7] and found[1] ~= 'decided' then
    local severity, sla = ranked(prefix, found[6], found[7], found[8])
    local due = due_ms(tonumber(found[2]), sla, tonumber(found[5]))
    if due ~= tonumber(found[3]) or severity ~= found[4] then
      date(prefix, flag, id, found[1], due, severity)
      count = count + 1
    end
  end
end
return count
