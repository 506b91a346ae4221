-- wrk: POST one body to one path; "@" in the body becomes a new unit each time. BENCH_PATH and BENCH_BODY say which.
local path, body = os.getenv("BENCH_PATH"), os.getenv("BENCH_BODY")
wrk.method, wrk.headers["Content-Type"] = "POST", "application/json"
local before, after = body:match("^(.-)@(.*)$")
local count, seed = 0, 0
function setup(thread) seed = seed + 1; thread:set("seed", seed) end
function request()
  count = count + 1
  if before == nil then return wrk.format(nil, path, nil, body) end
  return wrk.format(nil, path, nil, before .. "u" .. seed .. "-" .. (count % 50000) .. after)
end
