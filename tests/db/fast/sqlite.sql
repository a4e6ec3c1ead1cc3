-- Each prepared statement as sqlite is given it: written by golden.py, held by test_golden.py.
-- Those that only the other database is asked stand here, too.

-- attendance.api_keys._live_key: key_hash
SELECT api_key.id, api_key.lineage, api_key.name, api_key.role, api_key.last_used_at
FROM api_key
WHERE api_key.key_hash = ?
  AND api_key.revoked_at IS NULL;

-- attendance.audit.seals._above: id, param_1, param_2
SELECT audit.id
FROM audit
WHERE audit.id > ?
LIMIT ? OFFSET ?;

-- attendance.audit.trail._insert: occurred_at, actor_type, actor_id, actor_name, action, outcome,
--     reason, target_type, target_id, request_id, trace_id, source_ip, user_agent, host,
--     before_json, after_json, schema_version
INSERT INTO audit (occurred_at, actor_type, actor_id, actor_name, action, outcome, reason,
    target_type, target_id, request_id, trace_id, source_ip, user_agent, host, before_json,
    after_json, schema_version)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- attendance.db.locking._lock: name, hashtextextended_1
SELECT pg_advisory_xact_lock(hashtextextended(?, ?)) AS locked;

-- attendance.db.locking._try_lock: name, hashtextextended_1
SELECT pg_try_advisory_xact_lock(hashtextextended(?, ?)) AS locked;

-- attendance.db.planning._keep: set_config_1, set_config_2
SELECT set_config(?, ?, 1) AS mode;

-- attendance.notifications.routing._routes: default_chat, event
SELECT route.chat_id, route.thread_id, route.site, route.group_name, route.event,
    chat.migrated_to, (
  SELECT chat.migrated_to
  FROM chat
  WHERE chat.chat_id = ?) AS default_migrated_to
FROM route
LEFT OUTER JOIN chat ON chat.chat_id = route.chat_id
WHERE route.event IS NULL
  OR route.event = ?
ORDER BY route.id;

-- attendance.outbox.circuit_breaker._current: reason_1, reason_2, reason_3, now
SELECT outbox_stoppage.reason, outbox_stoppage.probe_at, outbox_stoppage.ended_at,
    outbox_stoppage.error
FROM outbox_stoppage
WHERE (outbox_stoppage.reason = ?
    OR outbox_stoppage.reason = ?)
  AND outbox_stoppage.ended_at IS NULL
  OR outbox_stoppage.reason = ?
  AND outbox_stoppage.ended_at > ?;

-- attendance.outbox.circuit_breaker._open: reason, param_1, param_2
SELECT outbox_stoppage.id
FROM outbox_stoppage
WHERE outbox_stoppage.reason = ?
  AND outbox_stoppage.ended_at IS NULL
LIMIT ? OFFSET ?;

-- attendance.outbox.claim._take_one: status, digest, lease_ends, attempts_1, new_token, claimer,
--     now, message
UPDATE outbox
SET status=?, digest_id=?, due_at=?, attempts=(outbox.attempts + ?), token=?, claimed_by=?,
    claimed_at=?
WHERE outbox.id = ?;

-- attendance.outbox.lanes._of_chat: chat_id
SELECT chat.migrated_to
FROM chat
WHERE chat.chat_id = ?;

-- attendance.outbox.lanes._first_due: nothing
SELECT min(chat.ready_at) AS due_at
FROM chat
WHERE parked_at IS NULL
  AND ready_at IS NOT NULL;

-- attendance.outbox.lanes._due_heads: now, limit, param_1
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
  AND chat.ready_at <= ?
ORDER BY chat.ready_at
LIMIT ? OFFSET ?;

-- attendance.outbox.lanes._lock_due: now, limit, param_1
WITH due AS MATERIALIZED (
  SELECT chat.chat_id AS chat_id
  FROM chat
  WHERE parked_at IS NULL
    AND ready_at IS NOT NULL
    AND chat.ready_at <= ?
  ORDER BY chat.ready_at
  LIMIT ? OFFSET ?)
SELECT due.chat_id
FROM due;

-- attendance.outbox.lanes._lock_these: lanes
SELECT chat.chat_id
FROM chat
WHERE chat.chat_id = ANY (?);

-- attendance.outbox.lanes._lock_one: lane
SELECT chat.chat_id
FROM chat
WHERE chat.chat_id = ?;

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
  AND chat.ready_at <= ?
  AND chat.chat_id = ANY (?);

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

-- attendance.outbox.lanes._due_parked_heads: now, old, param_1, param_2
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
    AND outbox.due_at <= ?
    OR outbox.status IN ('pending')
    AND outbox.give_up_from < ?)
LIMIT ? OFFSET ?;

-- attendance.outbox.lanes._locked_due_parked_heads: now, old, lanes, param_1, param_2
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
    AND outbox.due_at <= ?
    OR outbox.status IN ('pending')
    AND outbox.give_up_from < ?)
  AND chat.chat_id = ANY (?)
LIMIT ? OFFSET ?;

-- attendance.outbox.lanes._front_of: lane, limit, param_1
SELECT outbox.id, outbox.status, outbox.chat_id, outbox.lane, outbox.thread_id, outbox.silent,
    outbox.text, outbox.line, outbox.alone, outbox.digest_id, outbox.subject_type,
    outbox.subject_id, outbox.request_id, outbox.created_at, outbox.due_at, outbox.give_up_from,
    outbox.attempts, outbox.uncertain_attempts, outbox.token, outbox.claimed_by,
    outbox.claimed_at, outbox.last_error, outbox.sent_at, outbox.settled_at,
    outbox.telegram_message_id
FROM outbox
WHERE outbox.lane = ?
  AND outbox.status IN ('pending', 'sending')
  AND outbox.status IN ('pending')
ORDER BY outbox.id
LIMIT ? OFFSET ?;

-- attendance.outbox.lanes._behind: lane, head, limit, param_1
SELECT outbox.id, outbox.status, outbox.chat_id, outbox.lane, outbox.thread_id, outbox.silent,
    outbox.text, outbox.line, outbox.alone, outbox.digest_id, outbox.subject_type,
    outbox.subject_id, outbox.request_id, outbox.created_at, outbox.due_at, outbox.give_up_from,
    outbox.attempts, outbox.uncertain_attempts, outbox.token, outbox.claimed_by,
    outbox.claimed_at, outbox.last_error, outbox.sent_at, outbox.settled_at,
    outbox.telegram_message_id
FROM outbox
WHERE outbox.lane = ?
  AND outbox.status IN ('pending', 'sending')
  AND outbox.id > ?
ORDER BY outbox.id
LIMIT ? OFFSET ?;

-- attendance.outbox.lanes._to_repeat: lane, lane, param_1, param_2
SELECT outbox.id, outbox.status, outbox.chat_id, outbox.lane, outbox.thread_id, outbox.silent,
    outbox.text, outbox.line, outbox.alone, outbox.digest_id, outbox.subject_type,
    outbox.subject_id, outbox.request_id, outbox.created_at, outbox.due_at, outbox.give_up_from,
    outbox.attempts, outbox.uncertain_attempts, outbox.token, outbox.claimed_by,
    outbox.claimed_at, outbox.last_error, outbox.sent_at, outbox.settled_at,
    outbox.telegram_message_id
FROM outbox
WHERE outbox.lane = ?
  AND outbox.status IN ('pending', 'sending')
  AND outbox.digest_id IS NOT NULL
  AND outbox.digest_id = (
  SELECT outbox.digest_id
  FROM outbox
  WHERE outbox.lane = ?
    AND outbox.status IN ('pending', 'sending')
    AND outbox.digest_id IS NOT NULL
  ORDER BY outbox.id
  LIMIT ? OFFSET ?)
ORDER BY outbox.id;

-- attendance.outbox.lanes._set_next: at, lane, at
UPDATE chat
SET next_at=?
WHERE chat.chat_id = ?
  AND chat.next_at IS NOT ?;

-- attendance.outbox.parking._first_due: now, now, param_1, param_2
SELECT chat.chat_id, chat.parked_at, chat.refused_since
FROM chat
WHERE chat.probe_at <= ?
  AND NOT (chat.hold_until IS NOT NULL
    AND chat.hold_until > ?)
ORDER BY chat.probe_at
LIMIT ? OFFSET ?;

-- attendance.outbox.queue._insert_message: status, chat_id, lane, thread_id, silent, text, line,
--     alone, subject_type, subject_id, request_id, created_at, due_at, give_up_from, attempts,
--     uncertain_attempts
INSERT INTO outbox (status, chat_id, lane, thread_id, silent, text, line, alone, subject_type,
    subject_id, request_id, created_at, due_at, give_up_from, attempts, uncertain_attempts)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- attendance.outbox.queue._homeless: param_1, param_2
SELECT outbox.id
FROM outbox
WHERE outbox.lane IS NULL
  AND outbox.status IN ('pending', 'sending')
LIMIT ? OFFSET ?;

-- attendance.outbox.rate_limiter._consume: lane, starts_at
INSERT INTO outbox_start (lane, starts_at)
VALUES (?, ?);

-- attendance.outbox.rate_limiter._latest: count, param_1
SELECT outbox_start.starts_at
FROM outbox_start
ORDER BY outbox_start.starts_at DESC
LIMIT ? OFFSET ?;

-- attendance.outbox.rate_limiter._latest_of_lane: lane, count, param_1
SELECT outbox_start.starts_at
FROM outbox_start
WHERE outbox_start.lane = ?
ORDER BY outbox_start.starts_at DESC
LIMIT ? OFFSET ?;

-- attendance.outbox.settlement._insert_attempt: outbox_id, number, token, claimed_by, started_at,
--     ended_at, outcome, error
INSERT INTO outbox_attempt (outbox_id, number, token, claimed_by, started_at, ended_at, outcome,
    error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- attendance.outbox.settlement._change_one: becomes, apart, tied, due, uncounted, uncertain, token,
--     claimed_by, claimed_at, error, sent, settled, receipt, message, mine
UPDATE outbox
SET status=?, alone=(outbox.alone = 1
    OR ? = 1), digest_id=CASE WHEN ? THEN outbox.digest_id END, due_at=coalesce(?, outbox.due_at),
        attempts=(outbox.attempts - ?), uncertain_attempts=(outbox.uncertain_attempts + ?),
        token=?, claimed_by=?, claimed_at=?, last_error=?, sent_at=?, settled_at=?,
        telegram_message_id=?
WHERE outbox.id = ?
  AND outbox.token = ?;

-- attendance.records.idempotency._insert: key_lineage, key, fingerprint, status, location, body,
--     created_at
INSERT INTO idempotency_key (key_lineage, "key", fingerprint, status, location, body, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- attendance.records.idempotency._find: key_lineage, key
SELECT idempotency_key.fingerprint, idempotency_key.status, idempotency_key.body,
    idempotency_key.location
FROM idempotency_key
WHERE idempotency_key.key_lineage = ?
  AND idempotency_key."key" = ?;

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
WHERE attendance.id = ?;

-- attendance.records.recording._insert: person_id, person_name, event, occurred_at, received_at,
--     timezone, local_date, site, group_name, device, note, latitude, longitude, accuracy_m,
--     client_event_id, key_lineage, key_id, request_id
INSERT INTO attendance (person_id, person_name, event, occurred_at, received_at, timezone,
    local_date, site, group_name, device, note, latitude, longitude, accuracy_m, client_event_id,
    key_lineage, key_id, request_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- attendance.records.recording._by_client_event_id: lineage, client_event_id
SELECT attendance.id, attendance.person_id, attendance.person_name, attendance.event,
    attendance.occurred_at, attendance.received_at, attendance.timezone, attendance.local_date,
    attendance.site, attendance.group_name, attendance.device, attendance.note,
    attendance.latitude, attendance.longitude, attendance.accuracy_m, attendance.client_event_id,
    attendance.key_lineage, attendance.key_id, attendance.request_id, client_event.occurred_at AS
    said_at
FROM attendance
JOIN client_event ON client_event.attendance_id = attendance.id
WHERE client_event.key_lineage = ?
  AND client_event.client_event_id = ?;

-- attendance.records.recording._latest_of_person: person_id, param_1, param_2
SELECT attendance.id, attendance.person_id, attendance.person_name, attendance.event,
    attendance.occurred_at, attendance.received_at, attendance.timezone, attendance.local_date,
    attendance.site, attendance.group_name, attendance.device, attendance.note,
    attendance.latitude, attendance.longitude, attendance.accuracy_m, attendance.client_event_id,
    attendance.key_lineage, attendance.key_id, attendance.request_id
FROM attendance
WHERE attendance.person_id = ?
  AND NOT (EXISTS (
    SELECT *
    FROM correction
    WHERE correction.attendance_id = attendance.id))
ORDER BY attendance.occurred_at DESC, attendance.id DESC
LIMIT ? OFFSET ?;
