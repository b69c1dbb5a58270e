-- One call of a store, atomic. Names are beside Redis in redis.go.
-- KEYS[1] the root of all keys, which share one hash tag. Below it: "used", sessions by when they were used; "sizes", bytes of each,
-- "total", and how many records were removed of each ("gone:"); of a session "e:", its epochs by chain; "n:", its notes by name; "c:",
-- its contents by handle; "o:", these handles, oldest first; of a handle of a tenant "h:", the sessions that have it, by when it was put.
-- ARGV: what to do; now in milliseconds for tests, else empty: the server's own; time to live in milliseconds; bound in bytes; then
-- its own arguments from ARGV[5] on.
local root, now, ttl, bound = KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if not now then
  local clock = redis.call('TIME')
  now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
end
local used, sizes = root .. 'used', root .. 'sizes'
local function epochs(m) return root .. 'e:' .. m end
local function notes(m) return root .. 'n:' .. m end
local function contents(m) return root .. 'c:' .. m end
local function order(m) return root .. 'o:' .. m end
local function has(tenant, handle) return root .. 'h:' .. tenant .. handle end
local function total() return tonumber(redis.call('HGET', sizes, 'total') or 0) end

local function grow(m, n)
  redis.call('HINCRBY', sizes, m, n)
  redis.call('HINCRBY', sizes, 'total', n)
end

local function live(m)
  local at = redis.call('ZSCORE', used, m)
  return at and tonumber(at) >= now - ttl
end

-- field of sizes: how many records were removed, so that numbers of later ones go on
local function gone(m) return 'gone:' .. m end

local function drop(m)
  redis.call('HINCRBY', sizes, 'total', 0 - tonumber(redis.call('HGET', sizes, m) or 0)) -- Redis takes no "-0"
  redis.call('HDEL', sizes, m, gone(m))
  redis.call('ZREM', used, m)
  redis.call('UNLINK', epochs(m), notes(m), contents(m), order(m))
end

local function refresh(m)
  redis.call('ZADD', used, now, m)
  for _, key in ipairs({used, sizes, epochs(m), notes(m), contents(m), order(m)}) do redis.call('PEXPIRE', key, ttl) end
end

-- the oldest session besides m
local function oldest(m)
  local found = redis.call('ZRANGE', used, 0, 1, 'WITHSCORES')
  local at = 1
  if found[1] == m then at = 3 end
  return found[at], tonumber(found[at + 1])
end

-- A bounded part: what is over the time to live, then what is over the bound.
local function purge(m)
  for _ = 1, 64 do
    local first, at = oldest(m)
    local over = total() > bound
    if first and (over or at < now - ttl) then drop(first)
    elseif over then
      local handle = redis.call('LPOP', order(m))
      if not handle then break end -- epochs alone
      grow(m, 0 - redis.call('HSTRLEN', contents(m), handle))
      redis.call('HDEL', contents(m), handle)
    else break end
  end
end

local call = {}

-- key of the records, session, name, record, a damaged record to replace: the record that stands
local function put(key, m, name, record, damaged)
  if not live(m) then drop(m) end
  local stands = redis.call('HGET', key, name)
  if not stands or string.sub(stands, 11) == damaged then
    local nth = stands and string.sub(stands, 1, 10) or string.format('%010d', redis.call('HLEN', key) + tonumber(redis.call('HGET', sizes, gone(m)) or 0))
    grow(m, #nth + #record - #(stands or ''))
    stands = nth .. record
    redis.call('HSET', key, name, stands)
  end
  refresh(m)
  purge(m)
  return string.sub(stands, 11)
end

-- session: names and records, in turn, each record behind its number in ten digits
local function all(key, m)
  if not live(m) then return {} end
  refresh(m)
  return redis.call('HGETALL', key)
end

function call.epoch(m, ...) return put(epochs(m), m, ...) end
function call.epochs(m) return all(epochs(m), m) end
function call.note(m, ...) return put(notes(m), m, ...) end
function call.notes(m) return all(notes(m), m) end

-- session, tenant, then handle and content for each
function call.contents(m, tenant, ...)
  if not live(m) then drop(m) end
  local all = {...}
  for i = 1, #all, 2 do
    local handle, content = all[i], all[i + 1]
    local stands = redis.call('HGET', contents(m), handle)
    if not stands then redis.call('RPUSH', order(m), handle) end
    if stands ~= content then
      redis.call('HSET', contents(m), handle, content)
      grow(m, #content - #(stands or ''))
    end
    local key = has(tenant, handle)
    redis.call('ZADD', key, now, m)
    redis.call('ZREMRANGEBYRANK', key, 0, -17) -- one of 16 sessions will be there
    redis.call('PEXPIRE', key, ttl)
  end
  refresh(m)
  purge(m)
  return 1
end

-- tenant, handle: the content, or nil
function call.content(tenant, handle)
  local key = has(tenant, handle)
  for _, m in ipairs(redis.call('ZREVRANGE', key, 0, -1)) do
    local content = live(m) and redis.call('HGET', contents(m), handle)
    if content then return content end
    redis.call('ZREM', key, m)
  end
  return false
end

-- from which place, how many: session, when used, epochs, contents and bytes, in turn, the one used last first
function call.sessions(from, count)
  local out = {}
  local found = redis.call('ZREVRANGEBYSCORE', used, '+inf', now - ttl, 'WITHSCORES', 'LIMIT', from, count)
  for i = 1, #found, 2 do
    local m = found[i]
    for _, x in ipairs({m, found[i + 1], redis.call('HLEN', epochs(m)), redis.call('HLEN', contents(m)), redis.call('HGET', sizes, m) or 0}) do
      out[#out + 1] = tostring(x)
    end
  end
  return out
end

-- session, tenant
function call.forget(m, tenant)
  for _, handle in ipairs(redis.call('HKEYS', contents(m))) do redis.call('ZREM', has(tenant, handle), m) end
  drop(m)
  return 1
end

-- session: handles and contents, in turn
function call.stored(m) return all(contents(m), m) end

-- which list ("epochs", "notes" or "stored"), session, tenant, then names to remove
function call.scrub(list, m, tenant, ...)
  local key = ({epochs = epochs(m), notes = notes(m), stored = contents(m)})[list]
  for _, name in ipairs({...}) do
    local size = redis.call('HSTRLEN', key, name)
    if redis.call('HDEL', key, name) == 1 then
      grow(m, 0 - size)
      if list == 'stored' then
        redis.call('LREM', order(m), 1, name)
        redis.call('ZREM', has(tenant, name), m)
      else
        redis.call('HINCRBY', sizes, gone(m), 1)
      end
    end
  end
  return 1
end

return call[ARGV[1]](unpack(ARGV, 5))
