-- wrk: POST one body to one path, a new unit each time; BENCH_PATH and BENCH_FEATURES come from the environment.
local path, features = os.getenv("BENCH_PATH"), os.getenv("BENCH_FEATURES")
wrk.method, wrk.headers["Content-Type"] = "POST", "application/json"
local count, seed = 0, 0
function setup(thread) seed = seed + 1; thread:set("seed", seed) end
function request()
  count = count + 1
  return wrk.format(nil, path, nil, '{"unit":"u' .. seed .. "-" .. (count % 50000) .. '","features":' .. features .. "}")
end
