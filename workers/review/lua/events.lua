-- Reads entries of the log with the facts of their flags, as one JSON text: a page of hundreds is
-- parsed at once.
--
-- KEYS[1] prefix   ARGV[1] number of facts, then their names
-- then 'range', first, last, count: of the verdicts; or 'entries' and their ids
-- returns JSON: [[entry, {field: value}, [fact or false, ...]], ...]

local prefix, names, at = KEYS[1], {}, 2 + ARGV[1]
for i = 2, at - 1 do names[#names + 1] = ARGV[i] end
local entries = {}
if ARGV[at] == 'range' then
  local found = redis.call('XRANGE', prefix .. 'verdicts', ARGV[at + 1], ARGV[at + 2],
    'COUNT', ARGV[at + 3])
  for _, entry in ipairs(found) do entries[#entries + 1] = entry[1] end
else
  for i = at + 1, #ARGV do entries[#entries + 1] = ARGV[i] end
end

local reply = {}
for _, entry in ipairs(entries) do
  local found = redis.call('XRANGE', prefix .. 'log', entry, entry)[1]
  local fields = {}
  for i = 1, found and #found[2] or 0, 2 do fields[found[2][i]] = found[2][i + 1] end
  local facts = fields.flag and redis.call('HMGET', prefix .. 'f:' .. fields.flag, unpack(names))
  reply[#reply + 1] = {entry, fields, facts or {}}
end
return #reply > 0 and cjson.encode(reply) or '[]'
