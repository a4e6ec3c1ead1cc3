-- A check-in of a person nobody has seen yet, under an Idempotency-Key of its own.
-- Arguments: what makes this run's names unique, the API key, and over how many groups the people
-- are spread.
local counter = 0

function init(args)
   prefix = args[1] .. "-"
   groups = tonumber(args[3])
   head = "POST /attendance HTTP/1.1\r\nHost: localhost\r\n" ..
      "Authorization: Bearer " .. args[2] .. "\r\n" ..
      "Content-Type: application/json\r\nIdempotency-Key: " .. prefix
end

function request()
   counter = counter + 1
   local body = '{"person_id":"' .. prefix .. counter ..
      '","person_name":"Ada Lovelace","event":"check_in","group":"g' .. counter % groups .. '"}'
   return head .. counter .. "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '{"requests":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f,"refused":%d,"broken":%d}\n',
      summary.requests, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
