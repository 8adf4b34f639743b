//! What the book asks its file.

pub(super) const APPROVE: &str = "
INSERT INTO repair (id, divergence, times, revision, map, store, key, kind, action, observed, wanted, source, seq, state, who,
    approved_at_unix_ns, changed_at_unix_ns)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 'approved', ?14, ?15, ?15)
ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, kind = excluded.kind, action = excluded.action,
    observed = excluded.observed, wanted = excluded.wanted, source = excluded.source, seq = excluded.seq, state = 'approved',
    why = NULL, who = excluded.who, approved_at_unix_ns = excluded.approved_at_unix_ns,
    changed_at_unix_ns = excluded.changed_at_unix_ns, former = NULL, former_until_unix_ns = NULL";

pub(super) const TURN: &str =
    "UPDATE repair SET state = ?2, why = ?3, changed_at_unix_ns = ?4 WHERE id = ?1 AND state = ?5";

pub(super) const PUT_OFF: &str =
    "UPDATE repair SET why = ?2 WHERE id = ?1 AND state IN ('approved', 'applying')";

pub(super) const KEEP: &str = "UPDATE repair SET former = ?2, former_until_unix_ns = ?3 WHERE id = ?1";

pub(super) const FORGET_FORMER: &str =
    "UPDATE repair SET former = NULL, former_until_unix_ns = NULL WHERE former_until_unix_ns < ?1";

pub(super) const PRUNE: &str = "
DELETE FROM repair WHERE row IN (
    SELECT row FROM repair WHERE state NOT IN ('approved', 'applying', 'applied', 'handed') ORDER BY row
    LIMIT ?1)";

pub(super) const PAGE: &str = "
SELECT * FROM repair WHERE (CAST(?1 AS TEXT) IS NULL OR map = ?1) AND (CAST(?2 AS TEXT) IS NULL OR state = ?2)
    AND (CAST(?3 AS BIGINT) IS NULL OR row < ?3)
ORDER BY row DESC LIMIT ?4";

pub(super) const WAITING: &str =
    "SELECT * FROM repair WHERE state IN ('approved', 'applying') ORDER BY row LIMIT ?1";

/// Divergences that are over since their repair was applied or handed over.
pub(super) const OVER: &str = "
SELECT repair.* FROM repair JOIN divergence ON divergence.id = repair.divergence
WHERE repair.state IN ('applied', 'handed') AND divergence.state = 'resolved' AND divergence.times = repair.times";

/// Divergences that came back, or never went.
pub(super) const BACK: &str = "
SELECT repair.* FROM repair JOIN divergence ON divergence.id = repair.divergence
WHERE repair.state IN ('applied', 'handed', 'confirmed') AND changed_at_unix_ns > ?1
    AND (divergence.times > repair.times
        OR repair.state = 'applied' AND divergence.state = 'confirmed' AND changed_at_unix_ns < ?2)";

/// Divergences that went on though their repair was handed over.
pub(super) const LEFT: &str = "
SELECT repair.* FROM repair JOIN divergence ON divergence.id = repair.divergence
WHERE repair.state = 'handed' AND divergence.state = 'confirmed' AND divergence.times = repair.times AND changed_at_unix_ns < ?1";

/// Repairs that nobody carries out, whose divergence is not what was approved any more.
pub(super) const FORSAKEN: &str = "
SELECT repair.* FROM repair JOIN divergence ON divergence.id = repair.divergence
WHERE repair.state = 'approved' AND (divergence.revision <> repair.revision OR divergence.state <> 'confirmed')
    AND changed_at_unix_ns < ?1";

pub(super) const COUNTS: &str = "
SELECT count(*) FILTER (WHERE state = 'recurred'),
    count(*) FILTER (WHERE state NOT IN ('approved', 'applying', 'handed', 'undone')),
    count(*) FILTER (WHERE state IN ('overtaken', 'refused', 'failed')),
    (SELECT count(*) FROM divergence WHERE map = ?1 AND state = 'confirmed')
FROM repair WHERE map = ?1 AND changed_at_unix_ns > ?2
    AND changed_at_unix_ns > coalesce((SELECT changed_at_unix_ns FROM repair_breaker WHERE map = ?1), 0)";

pub(super) const SET_BREAKER: &str = "
INSERT INTO repair_breaker (map, why, changed_at_unix_ns, who) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (map) DO UPDATE SET why = excluded.why, changed_at_unix_ns = excluded.changed_at_unix_ns, who = excluded.who
WHERE (repair_breaker.why IS NULL) <> (excluded.why IS NULL)";
