-- One exchange of a report for a grant, atomic for one resource: record.go and grant.go in Lua, function by function.
-- KEYS[1] the record. ARGV[1] the report as JSON, ARGV[2] the time in seconds for tests, else empty: the server's own.
-- Answers a list of strings: gen, amount, share, total, retry in nanoseconds, and a part for each demand.
local p = cjson.decode(ARGV[1])
local now = tonumber(ARGV[2])
local clock = redis.call('TIME')
if not now then now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6 end
local RATE, BUDGET, SLOTS = 1, 2, 3
local max, min, floor = math.max, math.min, math.floor
local delta, ttl, grace = p.delta / 1e9, p.ttl / 1e9, p.grace / 1e9
local per = (p.per or 0) / 1e9
local static = p.limit / p.sidecars
local function perSecond() return p.limit / per end
local function whole(x) return floor(x + 1e-9) end
local function idle(h) return h.held <= 0 and #h.demands == 0 end

local r
local raw = redis.call('GET', KEYS[1])
if raw then r = cmsgpack.unpack(raw) else
  r = {gen = clock[1] .. '.' .. clock[2], born = now, at = now, level = -1, floor = 0, told = 0, learns = 0, done = 0, by = {}, holders = {}}
end
if not r.by then r.told, r.learns, r.by = 0, 0, {} end -- of an older version

local function sorted()
  local ids = {}
  for id in pairs(r.holders) do ids[#ids + 1] = id end
  table.sort(ids)
  return ids
end

local function each(ids)
  local i = 0
  return function()
    i = i + 1
    return r.holders[ids[i]]
  end
end

local function maxmin(capacity, demands, weights)
  local order, out, sum = {}, {}, 0
  for i = 1, #demands do order[i] = i; sum = sum + weights[i] end
  table.sort(order, function(i, j)
    local a, b = demands[i] * weights[j], demands[j] * weights[i]
    if a == b then return i < j end
    return a < b
  end)
  local left = max(capacity, 0)
  for _, i in ipairs(order) do
    local d = max(demands[i], 0)
    local fair = left * weights[i] / sum
    if d > fair then d = fair end
    out[i] = d
    left = max(left - d, 0)
    sum = sum - weights[i]
  end
  return out, left
end

local function lost() return max(r.floor, r.told) end

local function finish(h, used)
  r.done = r.done + used - h.base
  if not h.sidecar or h.sidecar == '' then return end
  local known, n = r.by[h.sidecar], 0
  if not known then for _ in pairs(r.by) do n = n + 1 end end
  if known or n < 4096 then r.by[h.sidecar] = (known or 0) + used - h.base end
end

local function committed(ids)
  local sum = lost() + r.done
  for h in each(ids) do
    sum = sum + h.held
    if p.kind == BUDGET then sum = sum + h.used - h.base end
  end
  return sum
end

local function forget(ids)
  local kept = {}
  for _, id in ipairs(ids) do
    local h = r.holders[id]
    if now < h['until'] + grace then
      kept[#kept + 1] = id
    else
      if p.kind == BUDGET then finish(h, h.used + h.held) end
      r.holders[id] = nil
    end
  end
  return kept
end

local function advance(ids)
  local dt = now - r.at
  r.at = now
  if p.kind == RATE then
    local depth, out, live, need, speed = p.depth or 0, 0, 0, 0, perSecond()
    for h in each(ids) do
      depth = max(depth, h.depth)
      if now < h['until'] then
        out = out + h.held
        live = live + 1
        need = max(need, h.need)
        h.credit = min(h.credit + h.share * dt, max(h.share * delta, h.need))
      else
        if not idle(h) then speed = speed - static / per end
        h.credit = 0
      end
    end
    if now < r.born + ttl then speed = min(speed, live * static / per) end
    if r.level < 0 then r.level = depth / p.sidecars end
    r.level = max(min(r.level + max(speed, 0) * dt, max(depth - out, need)), 0)
  elseif p.kind == SLOTS then
    for h in each(ids) do
      h.credit = max(min(h.credit + (h.share - h.held) * dt, 4 * delta), -4 * delta)
    end
  end
end

local function tell(h)
  if h.sidecar == '' then return end
  local known = r.by[h.sidecar] or 0
  for o in each(sorted()) do
    if o.sidecar == h.sidecar then known = known + o.used + o.held - o.base end
  end
  local missing = h.prior - known
  if missing > 0 then
    r.told = r.told + missing
    r.by[h.sidecar] = (r.by[h.sidecar] or 0) + missing
  end
end

local function join()
  local h = {sidecar = p.sidecar or '', prior = 0, seq = 0, used = 0, held = 0, base = 0, ask = 0, need = 0, depth = 0, credit = 0, share = 0, target = 0,
    spare = 0, alone = 0, demands = {}}
  if p.kind == BUDGET then
    if p.gen ~= '' and p.gen ~= r.gen then
      r.floor = max(r.floor, p.known)
      if r.learns == 0 and not p.leave then r.learns = now + grace end
    end
    h.base = p.was
    h.prior = p.prior
    if p.gen == '' then tell(h) end
  end
  r.holders[p.holder] = h
  return h
end

local function learning(ids)
  if now >= r.learns then return false end
  local live = 0
  for h in each(ids) do
    if now < h['until'] then live = live + 1 end
  end
  return live < p.sidecars
end

local function leave(h)
  if not h then h = join() end
  if p.kind == BUDGET then finish(h, p.used) end
  if p.kind == RATE then r.level = r.level + p.back end
  r.holders[p.holder] = nil
end

local function allot(capacity, unit, ids)
  local index, weights, demands, claims, active = {}, {}, {}, {}, 0
  for _, id in ipairs(ids) do
    local h = r.holders[id]
    h.share = 0
    if now < h['until'] then
      if #h.demands > 0 then active = active + 1 end
      for place, d in ipairs(h.demands) do
        local t = index[d.t]
        if not t then
          t = #weights + 1
          index[d.t], weights[t], demands[t], claims[t] = t, 0, 0, {}
        end
        local n = max(d.n / unit, 0)
        weights[t] = max(weights[t], d.w)
        demands[t] = demands[t] + n
        table.insert(claims[t], {h = h, place = id == p.holder and place, n = n})
      end
    end
  end
  local parts = {}
  for i = 1, #p.demands do parts[i] = 0 end
  local out, left = maxmin(capacity, demands, weights)
  for t, list in ipairs(claims) do
    local wants, equal = {}, {}
    for i, c in ipairs(list) do wants[i], equal[i] = c.n, 1 end
    local got = maxmin(out[t], wants, equal)
    for i, c in ipairs(list) do
      c.h.share = c.h.share + got[i]
      if c.place then parts[c.place] = parts[c.place] + got[i] end
    end
  end
  for h in each(ids) do
    if now < h['until'] and #h.demands > 0 then h.share = h.share + left / active end
  end
  return parts
end

local function again(missing, speed)
  if speed <= 0 or speed * delta <= missing then return p.delta end
  return max(max(missing, 0) / speed * 1e9, p.delta / 4)
end

local function rate(h, ids)
  r.level = r.level + p.back
  local speed = perSecond()
  for o in each(ids) do
    if now >= o['until'] and not idle(o) then speed = speed - static / per end
  end
  local parts = allot(max(speed, 0), delta, ids)
  if now < r.born + ttl then h.share = min(h.share, static / per) end
  local ahead, others = 0, 0
  for o in each(ids) do
    if o ~= h and now < o['until'] then
      local owed = max(o.credit, o.need, 0)
      others = others + owed
      if o.credit > h.credit then ahead = ahead + owed end
    end
  end
  local amount = min(max(h.credit, 0), r.level - ahead)
  if h.need > amount and r.level - ahead >= h.need then amount = h.need end
  amount = max(amount, r.level - others)
  local n = whole(max(min(amount, h.ask, r.level), 0))
  local retry = 0
  for i = 1, #parts do parts[i] = parts[i] * per end
  if n < h.need then n = 0 end
  if n < h.ask then retry = again(max(h.need, 1) - max(h.credit, 0), h.share) end
  r.level = r.level - n
  h.held = h.held + n
  h.need = max(h.need - n, 0)
  h.credit = max(h.credit - n, -max(p.need, h.share * delta))
  return n, h.share * per, retry, parts
end

local function budget(h, ids)
  local left = p.limit - committed(ids)
  local free = left
  for o in each(ids) do
    if o == h then
    elseif now >= o['until'] then
      free = free - max(o.spare, o.alone)
    else
      free = free - o.alone
    end
  end
  local parts = allot(max(free, 0), 1, ids)
  local amount = h.ask
  if amount > h.share then amount = max(h.share, h.need) end
  if now < r.born + ttl or learning(ids) then
    local has = h.used + h.held
    amount = min(amount, static - (h.prior or 0) - has, (p.limit - lost()) / p.sidecars - (has - h.base))
  end
  local n = whole(max(min(amount, h.ask, free), 0))
  local retry = 0
  if n < h.need then n = 0 end
  if n < h.ask then
    retry = p.delta
    if free < 1 then retry = p.ttl end
  end
  h.held = h.held + n
  h.spare = max(min(static - (h.prior or 0) - h.used - h.held, (left - n) / p.sidecars), 0)
  if idle(h) then h.spare = 0 end
  return n, h.share, retry, parts
end

local function round(capacity, ids)
  local rest = floor(capacity + 1e-9)
  for h in each(ids) do
    h.target = whole(h.share)
    rest = rest - h.target
  end
  while rest >= 1 do
    local best, most
    for h in each(ids) do
      local owed = h.credit
      if h.held > h.target then owed = owed + 2 * delta end
      if now < h['until'] and h.share > h.target + 1e-9 and (not best or owed > most) then best, most = h, owed end
    end
    if not best then return end
    best.target = best.target + 1
    rest = rest - 1
  end
end

local function slots(h, ids)
  local capacity, taken = p.limit, 0
  for o in each(ids) do
    if now >= o['until'] then
      if not idle(o) then capacity = capacity - max(o.held, static) end
    elseif o ~= h then
      taken = taken + o.held
    end
  end
  local parts = allot(max(capacity, 0), 1, ids)
  round(max(capacity, 0), ids)
  local n = min(h.target, capacity - taken)
  if now < r.born + ttl then n = min(n, max(h.held, static)) end
  n = whole(max(n, 0))
  local retry = 0
  if n < h.target or n < h.held then retry = p.delta / 4 end
  h.held = max(h.held, n, h.used)
  return n, h.share, retry, parts
end

local function exchange()
  now = max(now, r.at)
  if p.failed and now >= r.at + ttl then r.born = now end
  local ids = forget(sorted())
  advance(ids)
  local h = r.holders[p.holder]
  if h and p.seq <= h.seq then return ids, 0, 0, 0, {} end
  if p.leave then
    leave(h)
    return sorted(), 0, 0, 0, {}
  end
  if not h then
    h = join()
    ids = sorted()
  end
  h.seq, h.used, h.held, h.ask, h.need, h.depth = p.seq, p.used, p.held, p.ask, p.need, p.depth or 0
  h.alone, h.demands, h['until'] = p.alone, p.demands, now + ttl
  if p.kind == RATE then return ids, rate(h, ids) end
  if p.kind == BUDGET then return ids, budget(h, ids) end
  return ids, slots(h, ids)
end

local ids, amount, share, retry, parts = exchange()
local function text(x) return string.format('%.17g', x) end
local answer = {r.gen, text(amount), text(share), text(whole(committed(ids))), text(floor(retry))}
for i, part in ipairs(parts) do answer[5 + i] = text(part) end
redis.call('SET', KEYS[1], cmsgpack.pack(r), 'PX', string.format('%d', p.life / 1e6))
return answer
