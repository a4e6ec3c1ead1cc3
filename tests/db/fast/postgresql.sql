-- Each prepared statement as postgresql is given it: written by golden.py, held by test_golden.py.
-- Those that only the other database is asked stand here, too.

-- attendance.api_keys._live_key: key_hash
SELECT api_key.id, api_key.lineage, api_key.name, api_key.role, api_key.last_used_at
FROM api_key
WHERE api_key.key_hash = %s::VARCHAR
  AND api_key.revoked_at IS NULL;

-- attendance.audit.seals._above: id, param_1
SELECT audit.id
FROM audit
WHERE audit.id > %s::BIGINT
LIMIT %s::INTEGER;

-- attendance.audit.trail._insert: occurred_at, actor_type, actor_id, actor_name, action, outcome,
--     reason, target_type, target_id, request_id, trace_id, source_ip, user_agent, host,
--     before_json, after_json, schema_version
INSERT INTO audit (occurred_at, actor_type, actor_id, actor_name, action, outcome, reason,
    target_type, target_id, request_id, trace_id, source_ip, user_agent, host, before_json,
    after_json, schema_version)
VALUES (%s::TIMESTAMP WITH TIME ZONE, %s::VARCHAR, %s::VARCHAR, %s::VARCHAR, %s::VARCHAR,
    %s::VARCHAR, %s::VARCHAR, %s::VARCHAR, %s::VARCHAR, %s::VARCHAR, %s::VARCHAR, %s::VARCHAR,
    %s::VARCHAR, %s::VARCHAR, %s::VARCHAR, %s::VARCHAR, %s::BIGINT)
RETURNING audit.id;

-- attendance.db.locking._lock: name, hashtextextended_1
SELECT pg_advisory_xact_lock(hashtextextended(%s::VARCHAR, %s::INTEGER)) AS locked;

-- attendance.db.locking._try_lock: name, hashtextextended_1
SELECT pg_try_advisory_xact_lock(hashtextextended(%s::VARCHAR, %s::INTEGER)) AS locked;

-- attendance.db.planning._keep: set_config_1, set_config_2
SELECT set_config(%s::VARCHAR, %s::VARCHAR, true) AS mode;

-- attendance.notifications.routing._routes: default_chat, event
SELECT route.chat_id, route.thread_id, route.site, route.group_name, route.event,
    chat.migrated_to, (
  SELECT chat.migrated_to
  FROM chat
  WHERE chat.chat_id = %s::VARCHAR) AS default_migrated_to
FROM route
LEFT OUTER JOIN chat ON chat.chat_id = route.chat_id
WHERE route.event IS NULL
  OR route.event = %s::VARCHAR
ORDER BY route.id;

-- attendance.outbox.circuit_breaker._current: reason_1, reason_2, reason_3, now
SELECT outbox_stoppage.reason, outbox_stoppage.probe_at, outbox_stoppage.ended_at,
    outbox_stoppage.error
FROM outbox_stoppage
WHERE (outbox_stoppage.reason = %s::VARCHAR
    OR outbox_stoppage.reason = %s::VARCHAR)
  AND outbox_stoppage.ended_at IS NULL
  OR outbox_stoppage.reason = %s::VARCHAR
  AND outbox_stoppage.ended_at > %s::TIMESTAMP WITH TIME ZONE;

-- attendance.outbox.circuit_breaker._open: reason, param_1
SELECT outbox_stoppage.id
FROM outbox_stoppage
WHERE outbox_stoppage.reason = %s::VARCHAR
  AND outbox_stoppage.ended_at IS NULL
LIMIT %s::INTEGER;

-- attendance.outbox.claim._take_one: status, digest, lease_ends, attempts_1, new_token, claimer,
--     now, message
UPDATE outbox
SET status=%s::VARCHAR, digest_id=%s::BIGINT, due_at=%s::TIMESTAMP WITH TIME ZONE,
    attempts=(outbox.attempts + %s::BIGINT), token=%s::VARCHAR, claimed_by=%s::VARCHAR,
    claimed_at=%s::TIMESTAMP WITH TIME ZONE
WHERE outbox.id = %s::BIGINT;

-- attendance.outbox.lanes._of_chat: chat_id
SELECT chat.migrated_to
FROM chat
WHERE chat.chat_id = %s::VARCHAR;

-- attendance.outbox.lanes._first_due: nothing
SELECT min(chat.ready_at) AS due_at
FROM chat
WHERE parked_at IS NULL
  AND ready_at IS NOT NULL;

-- attendance.outbox.lanes._due_heads: now, limit
SELECT outbox.id, outbox.status, outbox.chat_id, outbox.lane, outbox.thread_id, outbox.silent,
    outbox.text, outbox.line, outbox.alone, outbox.digest_id, outbox.subject_type,
    outbox.subject_id, outbox.request_id, outbox.created_at, outbox.due_at, outbox.give_up_from,
    outbox.attempts, outbox.uncertain_attempts, outbox.token, outbox.claimed_by,
    outbox.claimed_at, outbox.last_error, outbox.sent_at, outbox.settled_at,
    outbox.telegram_message_id, chat.silent AS chat_silent, chat.quiet_hours, chat.refused_since,
    chat.ready_at
FROM chat
JOIN outbox ON outbox.id = coalesce((
    SELECT outbox_1.id
    FROM outbox AS outbox_1
    WHERE outbox_1.lane = chat.chat_id
      AND outbox_1.status = 'sending'
      AND (outbox_1.digest_id IS NULL
        OR outbox_1.digest_id = outbox_1.id)), (
    SELECT min(outbox_1.id) AS min_1
    FROM outbox AS outbox_1
    WHERE outbox_1.lane = chat.chat_id
      AND outbox_1.status IN ('pending', 'sending')))
WHERE parked_at IS NULL
  AND ready_at IS NOT NULL
  AND chat.ready_at <= %s::TIMESTAMP WITH TIME ZONE
ORDER BY chat.ready_at
LIMIT %s::INTEGER;

-- attendance.outbox.lanes._lock_due: now, limit
WITH due AS MATERIALIZED (
  SELECT chat.chat_id AS chat_id
  FROM chat
  WHERE parked_at IS NULL
    AND ready_at IS NOT NULL
    AND chat.ready_at <= %s::TIMESTAMP WITH TIME ZONE
  ORDER BY chat.ready_at
  LIMIT %s::INTEGER
  FOR NO KEY UPDATE SKIP LOCKED)
SELECT due.chat_id
FROM due;

-- attendance.outbox.lanes._lock_these: lanes
SELECT chat.chat_id
FROM chat
WHERE chat.chat_id = ANY (%s::VARCHAR[])
FOR NO KEY UPDATE SKIP LOCKED;

-- attendance.outbox.lanes._lock_one: lane
SELECT chat.chat_id
FROM chat
WHERE chat.chat_id = %s::VARCHAR
FOR NO KEY UPDATE;

-- attendance.outbox.lanes._locked_due_heads: now, lanes
SELECT outbox.id, outbox.status, outbox.chat_id, outbox.lane, outbox.thread_id, outbox.silent,
    outbox.text, outbox.line, outbox.alone, outbox.digest_id, outbox.subject_type,
    outbox.subject_id, outbox.request_id, outbox.created_at, outbox.due_at, outbox.give_up_from,
    outbox.attempts, outbox.uncertain_attempts, outbox.token, outbox.claimed_by,
    outbox.claimed_at, outbox.last_error, outbox.sent_at, outbox.settled_at,
    outbox.telegram_message_id, chat.silent AS chat_silent, chat.quiet_hours, chat.refused_since,
    chat.ready_at
FROM chat
JOIN outbox ON outbox.id = coalesce((
    SELECT outbox_1.id
    FROM outbox AS outbox_1
    WHERE outbox_1.lane = chat.chat_id
      AND outbox_1.status = 'sending'
      AND (outbox_1.digest_id IS NULL
        OR outbox_1.digest_id = outbox_1.id)), (
    SELECT min(outbox_1.id) AS min_1
    FROM outbox AS outbox_1
    WHERE outbox_1.lane = chat.chat_id
      AND outbox_1.status IN ('pending', 'sending')))
WHERE parked_at IS NULL
  AND ready_at IS NOT NULL
  AND chat.ready_at <= %s::TIMESTAMP WITH TIME ZONE
  AND chat.chat_id = ANY (%s::VARCHAR[])
FOR UPDATE OF outbox;

-- attendance.outbox.lanes._parked_due: nothing
SELECT min(CASE WHEN (outbox.status IN ('sending')) THEN outbox.due_at END) AS due_at, min(CASE
    WHEN (outbox.status IN ('pending')) THEN outbox.give_up_from END) AS since
FROM chat
JOIN outbox ON outbox.id = coalesce((
    SELECT outbox_1.id
    FROM outbox AS outbox_1
    WHERE outbox_1.lane = chat.chat_id
      AND outbox_1.status = 'sending'
      AND (outbox_1.digest_id IS NULL
        OR outbox_1.digest_id = outbox_1.id)), (
    SELECT min(outbox_1.id) AS min_1
    FROM outbox AS outbox_1
    WHERE outbox_1.lane = chat.chat_id
      AND outbox_1.status IN ('pending', 'sending')))
WHERE parked_at IS NOT NULL
  AND ready_at IS NOT NULL;

-- attendance.outbox.lanes._due_parked_heads: now, old, param_1
SELECT outbox.id, outbox.status, outbox.chat_id, outbox.lane, outbox.thread_id, outbox.silent,
    outbox.text, outbox.line, outbox.alone, outbox.digest_id, outbox.subject_type,
    outbox.subject_id, outbox.request_id, outbox.created_at, outbox.due_at, outbox.give_up_from,
    outbox.attempts, outbox.uncertain_attempts, outbox.token, outbox.claimed_by,
    outbox.claimed_at, outbox.last_error, outbox.sent_at, outbox.settled_at,
    outbox.telegram_message_id, chat.silent AS chat_silent, chat.quiet_hours, chat.refused_since,
    chat.ready_at
FROM chat
JOIN outbox ON outbox.id = coalesce((
    SELECT outbox_1.id
    FROM outbox AS outbox_1
    WHERE outbox_1.lane = chat.chat_id
      AND outbox_1.status = 'sending'
      AND (outbox_1.digest_id IS NULL
        OR outbox_1.digest_id = outbox_1.id)), (
    SELECT min(outbox_1.id) AS min_1
    FROM outbox AS outbox_1
    WHERE outbox_1.lane = chat.chat_id
      AND outbox_1.status IN ('pending', 'sending')))
WHERE parked_at IS NOT NULL
  AND ready_at IS NOT NULL
  AND (outbox.status IN ('sending')
    AND outbox.due_at <= %s::TIMESTAMP WITH TIME ZONE
    OR outbox.status IN ('pending')
    AND outbox.give_up_from < %s::TIMESTAMP WITH TIME ZONE)
LIMIT %s::INTEGER;

-- attendance.outbox.lanes._locked_due_parked_heads: now, old, lanes, param_1
SELECT outbox.id, outbox.status, outbox.chat_id, outbox.lane, outbox.thread_id, outbox.silent,
    outbox.text, outbox.line, outbox.alone, outbox.digest_id, outbox.subject_type,
    outbox.subject_id, outbox.request_id, outbox.created_at, outbox.due_at, outbox.give_up_from,
    outbox.attempts, outbox.uncertain_attempts, outbox.token, outbox.claimed_by,
    outbox.claimed_at, outbox.last_error, outbox.sent_at, outbox.settled_at,
    outbox.telegram_message_id, chat.silent AS chat_silent, chat.quiet_hours, chat.refused_since,
    chat.ready_at
FROM chat
JOIN outbox ON outbox.id = coalesce((
    SELECT outbox_1.id
    FROM outbox AS outbox_1
    WHERE outbox_1.lane = chat.chat_id
      AND outbox_1.status = 'sending'
      AND (outbox_1.digest_id IS NULL
        OR outbox_1.digest_id = outbox_1.id)), (
    SELECT min(outbox_1.id) AS min_1
    FROM outbox AS outbox_1
    WHERE outbox_1.lane = chat.chat_id
      AND outbox_1.status IN ('pending', 'sending')))
WHERE parked_at IS NOT NULL
  AND ready_at IS NOT NULL
  AND (outbox.status IN ('sending')
    AND outbox.due_at <= %s::TIMESTAMP WITH TIME ZONE
    OR outbox.status IN ('pending')
    AND outbox.give_up_from < %s::TIMESTAMP WITH TIME ZONE)
  AND chat.chat_id = ANY (%s::VARCHAR[])
LIMIT %s::INTEGER
FOR UPDATE OF outbox;

-- attendance.outbox.lanes._front_of: lane, limit
SELECT outbox.id, outbox.status, outbox.chat_id, outbox.lane, outbox.thread_id, outbox.silent,
    outbox.text, outbox.line, outbox.alone, outbox.digest_id, outbox.subject_type,
    outbox.subject_id, outbox.request_id, outbox.created_at, outbox.due_at, outbox.give_up_from,
    outbox.attempts, outbox.uncertain_attempts, outbox.token, outbox.claimed_by,
    outbox.claimed_at, outbox.last_error, outbox.sent_at, outbox.settled_at,
    outbox.telegram_message_id
FROM outbox
WHERE outbox.lane = %s::VARCHAR
  AND outbox.status IN ('pending', 'sending')
  AND outbox.status IN ('pending')
ORDER BY outbox.id
LIMIT %s::INTEGER
FOR UPDATE;

-- attendance.outbox.lanes._behind: lane, head, limit
SELECT outbox.id, outbox.status, outbox.chat_id, outbox.lane, outbox.thread_id, outbox.silent,
    outbox.text, outbox.line, outbox.alone, outbox.digest_id, outbox.subject_type,
    outbox.subject_id, outbox.request_id, outbox.created_at, outbox.due_at, outbox.give_up_from,
    outbox.attempts, outbox.uncertain_attempts, outbox.token, outbox.claimed_by,
    outbox.claimed_at, outbox.last_error, outbox.sent_at, outbox.settled_at,
    outbox.telegram_message_id
FROM outbox
WHERE outbox.lane = %s::VARCHAR
  AND outbox.status IN ('pending', 'sending')
  AND outbox.id > %s::BIGINT
ORDER BY outbox.id
LIMIT %s::INTEGER
FOR UPDATE;

-- attendance.outbox.lanes._to_repeat: lane, lane, param_1
SELECT outbox.id, outbox.status, outbox.chat_id, outbox.lane, outbox.thread_id, outbox.silent,
    outbox.text, outbox.line, outbox.alone, outbox.digest_id, outbox.subject_type,
    outbox.subject_id, outbox.request_id, outbox.created_at, outbox.due_at, outbox.give_up_from,
    outbox.attempts, outbox.uncertain_attempts, outbox.token, outbox.claimed_by,
    outbox.claimed_at, outbox.last_error, outbox.sent_at, outbox.settled_at,
    outbox.telegram_message_id
FROM outbox
WHERE outbox.lane = %s::VARCHAR
  AND outbox.status IN ('pending', 'sending')
  AND outbox.digest_id IS NOT NULL
  AND outbox.digest_id = (
  SELECT outbox.digest_id
  FROM outbox
  WHERE outbox.lane = %s::VARCHAR
    AND outbox.status IN ('pending', 'sending')
    AND outbox.digest_id IS NOT NULL
  ORDER BY outbox.id
  LIMIT %s::INTEGER)
ORDER BY outbox.id
FOR UPDATE;

-- attendance.outbox.lanes._set_next: at, lane, at
UPDATE chat
SET next_at=%s::TIMESTAMP WITH TIME ZONE
WHERE chat.chat_id = %s::VARCHAR
  AND chat.next_at IS DISTINCT
FROM %s::TIMESTAMP WITH TIME ZONE;

-- attendance.outbox.parking._first_due: now, now, param_1
SELECT chat.chat_id, chat.parked_at, chat.refused_since
FROM chat
WHERE chat.probe_at <= %s::TIMESTAMP WITH TIME ZONE
  AND NOT (chat.hold_until IS NOT NULL
    AND chat.hold_until > %s::TIMESTAMP WITH TIME ZONE)
ORDER BY chat.probe_at
LIMIT %s::INTEGER;

-- attendance.outbox.queue._insert_message: status, chat_id, lane, thread_id, silent, text, line,
--     alone, subject_type, subject_id, request_id, created_at, due_at, give_up_from, attempts,
--     uncertain_attempts
INSERT INTO outbox (status, chat_id, lane, thread_id, silent, text, line, alone, subject_type,
    subject_id, request_id, created_at, due_at, give_up_from, attempts, uncertain_attempts)
VALUES (%s::VARCHAR, %s::VARCHAR, %s::VARCHAR, %s::BIGINT, %s, %s::VARCHAR, %s::VARCHAR, %s,
    %s::VARCHAR, %s::VARCHAR, %s::VARCHAR, %s::TIMESTAMP WITH TIME ZONE, %s::TIMESTAMP WITH TIME
    ZONE, %s::TIMESTAMP WITH TIME ZONE, %s::BIGINT, %s::BIGINT)
RETURNING outbox.id;

-- attendance.outbox.queue._homeless: param_1
SELECT outbox.id
FROM outbox
WHERE outbox.lane IS NULL
  AND outbox.status IN ('pending', 'sending')
LIMIT %s::INTEGER;

-- attendance.outbox.rate_limiter._consume: lane, starts_at
INSERT INTO outbox_start (lane, starts_at)
VALUES (%s::VARCHAR, %s::TIMESTAMP WITH TIME ZONE)
RETURNING outbox_start.id;

-- attendance.outbox.rate_limiter._latest: count
SELECT outbox_start.starts_at
FROM outbox_start
ORDER BY outbox_start.starts_at DESC
LIMIT %s::INTEGER;

-- attendance.outbox.rate_limiter._latest_of_lane: lane, count
SELECT outbox_start.starts_at
FROM outbox_start
WHERE outbox_start.lane = %s::VARCHAR
ORDER BY outbox_start.starts_at DESC
LIMIT %s::INTEGER;

-- attendance.outbox.settlement._insert_attempt: outbox_id, number, token, claimed_by, started_at,
--     ended_at, outcome, error
INSERT INTO outbox_attempt (outbox_id, number, token, claimed_by, started_at, ended_at, outcome,
    error)
VALUES (%s::BIGINT, %s::BIGINT, %s::VARCHAR, %s::VARCHAR, %s::TIMESTAMP WITH TIME ZONE,
    %s::TIMESTAMP WITH TIME ZONE, %s::VARCHAR, %s::VARCHAR)
RETURNING outbox_attempt.id;

-- attendance.outbox.settlement._change_one: becomes, apart, tied, due, uncounted, uncertain, token,
--     claimed_by, claimed_at, error, sent, settled, receipt, message, mine
UPDATE outbox
SET status=%s::VARCHAR, alone=(outbox.alone
    OR %s), digest_id=CASE WHEN %s THEN outbox.digest_id END, due_at=coalesce(%s::TIMESTAMP WITH
        TIME ZONE, outbox.due_at), attempts=(outbox.attempts - %s::BIGINT),
        uncertain_attempts=(outbox.uncertain_attempts + %s::BIGINT), token=%s::VARCHAR,
        claimed_by=%s::VARCHAR, claimed_at=%s::TIMESTAMP WITH TIME ZONE, last_error=%s::VARCHAR,
        sent_at=%s::TIMESTAMP WITH TIME ZONE, settled_at=%s::TIMESTAMP WITH TIME ZONE,
        telegram_message_id=%s::BIGINT
WHERE outbox.id = %s::BIGINT
  AND outbox.token = %s::VARCHAR;

-- attendance.records.idempotency._insert: key_lineage, key, fingerprint, status, location, body,
--     created_at
INSERT INTO idempotency_key (key_lineage, key, fingerprint, status, location, body, created_at)
VALUES (%s::BIGINT, %s::VARCHAR, %s::VARCHAR, %s::BIGINT, %s::VARCHAR, %s::VARCHAR, %s::TIMESTAMP
    WITH TIME ZONE);

-- attendance.records.idempotency._find: key_lineage, key
SELECT idempotency_key.fingerprint, idempotency_key.status, idempotency_key.body,
    idempotency_key.location
FROM idempotency_key
WHERE idempotency_key.key_lineage = %s::BIGINT
  AND idempotency_key.key = %s::VARCHAR;

-- attendance.records.queries._one: id
SELECT attendance.id, attendance.person_id, attendance.person_name, attendance.event,
    attendance.occurred_at, attendance.received_at, attendance.timezone, attendance.local_date,
    attendance.site, attendance.group_name, attendance.device, attendance.note,
    attendance.latitude, attendance.longitude, attendance.accuracy_m, attendance.client_event_id,
    attendance.key_lineage, attendance.key_id, attendance.request_id, correction_1.corrected_at,
    correction_1.reason AS correction_reason, correction_1.replaced_by, correction_2.attendance_id
    AS replaces
FROM attendance
LEFT OUTER JOIN correction AS correction_1 ON correction_1.attendance_id = attendance.id
LEFT OUTER JOIN correction AS correction_2 ON correction_2.replaced_by = attendance.id
WHERE attendance.id = %s::BIGINT;

-- attendance.records.recording._insert: person_id, person_name, event, occurred_at, received_at,
--     timezone, local_date, site, group_name, device, note, latitude, longitude, accuracy_m,
--     client_event_id, key_lineage, key_id, request_id
INSERT INTO attendance (person_id, person_name, event, occurred_at, received_at, timezone,
    local_date, site, group_name, device, note, latitude, longitude, accuracy_m, client_event_id,
    key_lineage, key_id, request_id)
VALUES (%s::VARCHAR, %s::VARCHAR, %s::VARCHAR, %s::TIMESTAMP WITH TIME ZONE, %s::TIMESTAMP WITH
    TIME ZONE, %s::VARCHAR, %s::DATE, %s::VARCHAR, %s::VARCHAR, %s::VARCHAR, %s::VARCHAR, %s, %s,
    %s, %s::VARCHAR, %s::BIGINT, %s::BIGINT, %s::VARCHAR)
RETURNING attendance.id;

-- attendance.records.recording._by_client_event_id: lineage, client_event_id
SELECT attendance.id, attendance.person_id, attendance.person_name, attendance.event,
    attendance.occurred_at, attendance.received_at, attendance.timezone, attendance.local_date,
    attendance.site, attendance.group_name, attendance.device, attendance.note,
    attendance.latitude, attendance.longitude, attendance.accuracy_m, attendance.client_event_id,
    attendance.key_lineage, attendance.key_id, attendance.request_id, client_event.occurred_at AS
    said_at
FROM attendance
JOIN client_event ON client_event.attendance_id = attendance.id
WHERE client_event.key_lineage = %s::BIGINT
  AND client_event.client_event_id = %s::VARCHAR;

-- attendance.records.recording._latest_of_person: person_id, param_1
SELECT attendance.id, attendance.person_id, attendance.person_name, attendance.event,
    attendance.occurred_at, attendance.received_at, attendance.timezone, attendance.local_date,
    attendance.site, attendance.group_name, attendance.device, attendance.note,
    attendance.latitude, attendance.longitude, attendance.accuracy_m, attendance.client_event_id,
    attendance.key_lineage, attendance.key_id, attendance.request_id
FROM attendance
WHERE attendance.person_id = %s::VARCHAR
  AND NOT (EXISTS (
    SELECT *
    FROM correction
    WHERE correction.attendance_id = attendance.id))
ORDER BY attendance.occurred_at DESC, attendance.id DESC
LIMIT %s::INTEGER;
