//! The audit log of the unlocked store: what is asked of it, and the watch over it in the background.

use std::{
    fmt,
    sync::{
        Mutex as StdMutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use keyward_registry::{
    AuditEntry, AuditQuery, AuditState, AuditStore, BoxFuture, CheckpointState, RefusedAttempt,
    StoreError,
};
use keyward_vault::KeyId;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use tokio::{
    sync::{Mutex, OnceCell},
    time::{Instant, MissedTickBehavior, interval, interval_at},
};

use super::SqliteStore;
use crate::{
    audit::{
        AuditPublicKey, CheckpointFile, Line, Read, Walk,
        checkpoint::{Checkpoint, Sequence, Signer},
        compare_tables, join, walk_to_end,
    },
    column::{list, millis},
    failure::Failure,
};

/// How often new lines are checked.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// How often the whole log is checked again, with the rows that it tells of.
const CHECK_ALL_EVERY: Duration = Duration::from_secs(3_600);

/// Where and how often checkpoints are written.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "arguments by name")]
pub struct CheckpointSettings {
    /// The file.
    pub file: CheckpointFile,
    /// After this time at the latest, where there are new lines.
    pub every: Duration,
    /// After so many lines at the latest.
    pub lines: u64,
}

/// The newest checkpoint.
#[derive(Debug, Default)]
struct Signed {
    /// The line that it is of.
    seq: u64,
    /// What the next one names it by; none where the file could not be read at the start.
    digest: Option<[u8; 32]>,
    /// The digest of one that may stand behind it: writing it failed, which does not mean that nothing was written.
    attempted: Option<[u8; 32]>,
}

impl Signed {
    /// What the next one names, in a file that ends with the checkpoint of the digest `end`.
    fn previous(&self, end: [u8; 32]) -> [u8; 32] {
        match self.digest {
            // A file that ends with another one was cut. The next one names what was signed last, so that it shows.
            Some(known) if self.attempted != Some(end) => known,
            _ => end,
        }
    }
}

/// What is known of the log, and what signs it.
#[derive(Default)]
pub(super) struct AuditWatch {
    state: StdMutex<AuditState>,
    /// The walk along the chain so far. Held over a check, so that there is one at a time.
    walk: Mutex<Walk>,
    /// How many checks of the whole log were asked for.
    asked: AtomicU64,
    /// How many of them are answered by a check that began after they were asked for. Written under `walk`.
    answered: AtomicU64,
    signer: OnceCell<Signer>,
    settings: OnceCell<CheckpointSettings>,
}

impl AuditWatch {
    fn state(&self) -> MutexGuard<'_, AuditState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for AuditWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditWatch").finish_non_exhaustive()
    }
}

impl AuditStore for SqliteStore {
    fn append_refused(
        &self,
        attempts: Vec<RefusedAttempt>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let lines: Vec<_> = attempts.iter().map(Line::refused).collect();
            let appended = self.door.append(&lines).await;
            appended.map_err(|failure| failure.registry("write to the audit log"))
        })
    }

    fn list_audit(&self, query: AuditQuery) -> BoxFuture<'_, Result<Vec<AuditEntry>, StoreError>> {
        Box::pin(async move {
            self.list_lines(&query)
                .await
                .map_err(|failure| failure.registry("read the audit log"))
        })
    }

    fn check_audit(&self) -> BoxFuture<'_, Result<AuditState, StoreError>> {
        Box::pin(async move {
            self.check_whole_log()
                .await
                .map_err(|failure| failure.registry("check the audit log"))
        })
    }

    fn audit_state(&self) -> AuditState {
        self.watch.state().clone()
    }
}

impl SqliteStore {
    /// Watches over the audit log until `stop` is ready: checks all of it at once and every hour, new lines every
    /// ten seconds, and writes checkpoints of what was checked; the last one at the end. What is wrong is logged,
    /// and stands in [`audit_state`](AuditStore::audit_state); nothing that is wrong is signed.
    ///
    /// Run it once, beside whatever serves.
    pub async fn watch_audit(
        &self,
        checkpoints: Option<CheckpointSettings>,
        stop: impl Future<Output = ()>,
    ) {
        let mut newest = self.door.newest_line.subscribe();
        let every = checkpoints.as_ref().map_or(CHECK_EVERY, |set| set.every);
        let lines = checkpoints.as_ref().map_or(u64::MAX, |set| set.lines);
        if let Some(settings) = checkpoints {
            self.watch.state().checkpoints = Some(CheckpointState::default());
            if self.watch.settings.set(settings).is_err() {
                tracing::error!("the audit log is watched already");
                return;
            }
        }
        self.tell(
            self.prepare_signer().await,
            "prepare what signs checkpoints",
        );
        let mut checks = interval(CHECK_EVERY);
        let every = every.max(Duration::from_secs(1));
        let mut signing = interval_at(Instant::now() + every, every);
        for ticks in [&mut checks, &mut signing] {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let mut all_at = self.check_all().await;
        let own = self.tell(self.own_checkpoints().await, "read the checkpoints");
        let of = own.iter().flatten().map(|checkpoint| checkpoint.seq);
        let mut signed = Signed {
            seq: of.max().unwrap_or(0).cast_unsigned(),
            digest: own.map(|own| end_of(&own)),
            attempted: None,
        };
        let mut stop = std::pin::pin!(stop);
        loop {
            let mut sign = false;
            tokio::select! {
                () = &mut stop => break,
                _ = signing.tick() => sign = true,
                _ = checks.tick() => {}
                changed = newest.changed() => {
                    let new = newest.borrow_and_update().cast_unsigned().saturating_sub(signed.seq);
                    if changed.is_err() || new < lines {
                        continue;
                    }
                    sign = true;
                }
            }
            if Instant::now() >= all_at {
                all_at = self.check_all().await;
            }
            self.go_on(sign, &mut signed).await;
        }
        self.go_on(true, &mut signed).await;
    }

    /// Checks everything; returns when to do it again.
    async fn check_all(&self) -> Instant {
        let checked = self.check_whole_log().await;
        let pause = match self.tell(checked, "check the audit log") {
            Some(_) => CHECK_ALL_EVERY,
            None => CHECK_EVERY,
        };
        Instant::now() + pause
    }

    /// Checks what is new, and signs it if that is wanted.
    async fn go_on(&self, sign: bool, signed: &mut Signed) {
        let checked = self.check_new_lines().await;
        let Some((seq, hash)) = self.tell(checked, "check the audit log").flatten() else {
            return;
        };
        if !sign || seq.cast_unsigned() <= signed.seq {
            return;
        }
        let written = self.write_checkpoint(seq, hash, signed).await;
        let is_failing = written.is_err();
        self.tell(written, "write a checkpoint of the audit log");
        if let Some(state) = &mut self.watch.state().checkpoints {
            state.is_failing = is_failing;
            if !is_failing {
                state.newest = Some(signed.seq);
                state.signed_at = Some(Self::now());
            }
        }
    }

    fn tell<T>(&self, result: Result<T, Failure>, attempted: &'static str) -> Option<T> {
        result
            .inspect_err(|failure| {
                let cause = std::error::Error::source(failure).map(ToString::to_string);
                tracing::error!(%failure, cause, "cannot {attempted}; trying again");
            })
            .ok()
    }

    /// The key that signs checkpoints. The first call makes it.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or somebody changed the row that says how it is derived.
    pub async fn audit_public_key(&self) -> Result<AuditPublicKey, StoreError> {
        let signer = self.signer().await;
        signer
            .map(Signer::public)
            .map_err(|failure| failure.registry("prepare what signs checkpoints"))
    }

    async fn prepare_signer(&self) -> Result<(), Failure> {
        self.signer().await.map(drop)
    }

    async fn signer(&self) -> Result<&Signer, Failure> {
        let signer = self
            .watch
            .signer
            .get_or_try_init(|| self.door.find_or_make_signer())
            .await?;
        self.watch.state().public_key = Some(signer.public().to_string());
        Ok(signer)
    }

    /// Signs and writes that the log ends so, behind the newest checkpoint.
    async fn write_checkpoint(
        &self,
        seq: i64,
        hash: Vec<u8>,
        signed: &mut Signed,
    ) -> Result<(), Failure> {
        let Some(settings) = self.watch.settings.get() else {
            return Ok(());
        };
        let hash = hash
            .try_into()
            .map_err(|_length| Failure::damaged("a hash has another length"))?;
        let previous = match (signed.digest, signed.attempted) {
            (Some(known), None) => known,
            _ => signed.previous(end_of(&self.own_checkpoints().await?)),
        };
        let signer = self.signer().await?;
        let vault = self.door.chain.vault();
        let checkpoint = signer.sign(vault, (seq, hash), previous, Self::now());
        let digest = checkpoint.digest();
        signed.digest = Some(previous);
        signed.attempted = Some(digest);
        let file = settings.file.clone();
        let written = tokio::task::spawn_blocking(move || file.append(&checkpoint)).await;
        written
            .map_err(Failure::unavailable)?
            .map_err(Failure::unavailable)?;
        *signed = Signed {
            seq: seq.cast_unsigned(),
            digest: Some(digest),
            attempted: None,
        };
        Ok(())
    }

    /// Goes on from where the last check ended. Returns where the log ends, if all of it is whole.
    async fn check_new_lines(&self) -> Result<Option<(i64, Vec<u8>)>, Failure> {
        let mut walk = self.watch.walk.lock().await;
        if self.watch.state().checked_at.is_none() {
            // The whole log could not be checked yet.
            return Ok(None);
        }
        let before = walk.findings.0.len();
        let mut transaction = self.read().await?;
        walk_to_end(&mut transaction, &mut walk, Some(&self.door.chain)).await?;
        self.conclude(&walk, before);
        Ok(walk.end().filter(|_| walk.findings.0.is_empty()))
    }

    /// Who asks while a check is under way waits for the next one, and one check answers all of them: however many
    /// ask, no more than two walks stand before the check of new lines.
    async fn check_whole_log(&self) -> Result<AuditState, Failure> {
        let ticket = self.watch.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let mut current = self.watch.walk.lock().await;
        if self.watch.answered.load(Ordering::Relaxed) >= ticket {
            return Ok(self.watch.state().clone());
        }
        let answers = self.watch.asked.load(Ordering::Relaxed);
        let mut walk = Walk::new(self.own_checkpoints().await?).with_rows();
        let mut transaction = self.read().await?;
        walk_to_end(&mut transaction, &mut walk, Some(&self.door.chain)).await?;
        compare_tables(&mut transaction, &mut walk).await?;
        walk.finish();
        self.conclude(&walk, 0);
        *current = walk;
        self.watch.answered.store(answers, Ordering::Relaxed);
        Ok(self.watch.state().clone())
    }

    /// Keeps what a check found, and logs what was not known before.
    fn conclude(&self, walk: &Walk, before: usize) {
        let mut state = self.watch.state();
        for finding in walk.findings.0.iter().skip(before) {
            if !state.findings.contains(finding) {
                tracing::error!(
                    line = finding.seq,
                    what = finding.what,
                    "the audit log is not as it was written; compare it with a backup, and find out who can write to the database"
                );
            }
        }
        for finding in &walk.in_checkpoints.0 {
            if !state.findings.contains(finding) {
                tracing::error!(
                    what = finding.what,
                    "the file of checkpoints is not as it was written; compare it with a copy, and find out who can write to it"
                );
            }
        }
        state.findings.clone_from(&walk.findings.0);
        state.findings.extend_from_slice(&walk.in_checkpoints.0);
        state.verified_to = walk.seq().cast_unsigned();
        state.checked_at = Some(Self::now());
    }

    /// The checkpoints that this vault signed with its present key.
    async fn own_checkpoints(&self) -> Result<Vec<Checkpoint>, Failure> {
        let Some(settings) = self.watch.settings.get() else {
            return Ok(Vec::new());
        };
        let key = self.signer().await?.public();
        let file = settings.file.clone();
        let text = tokio::task::spawn_blocking(move || file.read()).await;
        let text = text
            .map_err(Failure::unavailable)?
            .map_err(Failure::unavailable)?;
        let vault = self.door.chain.vault();
        let checkpoints = text.lines().filter_map(|line| Checkpoint::parse(line).ok());
        let own = checkpoints.filter(|found| found.vault == vault && found.is_signed_by(key));
        Ok(own.collect())
    }

    async fn list_lines(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>, Failure> {
        let mut transaction = self.read().await?;
        let mut after = query
            .after
            .map(|seq| i64::try_from(seq).unwrap_or(i64::MAX));
        let mut lines = Vec::new();
        // A line that cannot be read is a finding of the check, and nothing to show. Others take its place, so that
        // a list that is not full is one that has ended.
        loop {
            let wanted = query.limit.saturating_sub(lines.len());
            let rows = select(&mut transaction, query, after, wanted).await?;
            let numbers = || {
                rows.iter()
                    .filter_map(|row| crate::column::Columns(row).get::<i64>("seq"))
            };
            let written = sqlx::query(
                "SELECT * FROM audit_rows
                 WHERE seq IN (SELECT CAST(value AS INTEGER) FROM json_each($1))
                 ORDER BY seq, position",
            )
            .bind(list(numbers().map(|seq| seq.to_string())))
            .fetch_all(&mut *transaction)
            .await?;
            lines.extend(
                join(&rows, &written)
                    .into_iter()
                    .filter_map(|line| match line {
                        Read::Link(link) => Some(link.to_entry()),
                        Read::Unreadable(_) => None,
                    }),
            );
            after = numbers().next_back();
            if rows.len() < wanted || lines.len() >= query.limit {
                return Ok(lines);
            }
        }
    }
}

/// What a checkpoint names that follows these.
fn end_of(checkpoints: &[Checkpoint]) -> [u8; 32] {
    let mut sequence = Sequence::default();
    for checkpoint in checkpoints {
        sequence.take(checkpoint);
    }
    sequence.end()
}

macro_rules! list_sql {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT * FROM audit
             WHERE (subject_account = $1 OR ($2 AND subject_account IS NULL))
                 AND ($3 IS NULL OR at >= $3)
                 AND ($4 IS NULL OR at < $4)
                 AND ($5 IS NULL OR actor = $5 OR actor = 'token ' || $5)
                 AND ($14 IS NULL OR actor = 'token ' || $14)
                 AND ($6 IS NULL OR source = $6)
                 AND ($7 IS NULL OR action = $7)
                 AND ($8 IS NULL OR result = $8)
                 AND (NOT $13 OR result <> 'done')
                 AND ($9 IS NULL OR subject_kind = $9)
                 AND ($10 IS NULL OR subject_id = $10)
                 AND ($11 IS NULL OR seq ",
            $beyond,
            " $11)
             ORDER BY seq ",
            $order,
            " LIMIT $12"
        )
    };
}

const NEWEST_FIRST: &str = list_sql!("<", "DESC");
const OLDEST_FIRST: &str = list_sql!(">", "ASC");

impl crate::write::Door {
    /// What signs checkpoints: derived from the keyring's key that the first use chose.
    async fn find_or_make_signer(&self) -> Result<Signer, Failure> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let known: Option<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT keyring_key, public_key FROM audit_signer")
                .fetch_optional(&mut *transaction)
                .await?;
        let changed = || Failure::damaged("the row of `audit_signer` was changed outside Keyward");
        if let Some((key, public)) = known {
            let key = u32::try_from(key).ok().and_then(KeyId::new);
            let signer = self.chain.signer(key.ok_or_else(changed)?)?;
            return signer
                .filter(|signer| signer.public().as_bytes().as_slice() == public)
                .ok_or_else(changed);
        }
        let key = self.chain.newest_key();
        let signer = self.chain.signer(key)?.ok_or_else(changed)?;
        sqlx::query("INSERT INTO audit_signer (one, keyring_key, public_key) VALUES (1, $1, $2)")
            .bind(i64::from(key.get()))
            .bind(signer.public().as_bytes().as_slice())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(signer)
    }
}

/// The lines behind `after`, in the order of `query`.
async fn select(
    connection: &mut SqliteConnection,
    query: &AuditQuery,
    after: Option<i64>,
    limit: usize,
) -> Result<Vec<SqliteRow>, Failure> {
    let sql = if query.newest_first {
        NEWEST_FIRST
    } else {
        OLDEST_FIRST
    };
    let rows = sqlx::query(sql)
        .bind(query.account.to_string())
        .bind(i64::from(query.with_server))
        .bind(query.since.map(millis))
        .bind(query.before.map(millis))
        .bind(query.actor.as_deref())
        .bind(query.source.as_deref())
        .bind(query.action.as_deref())
        .bind(query.result.map(keyward_registry::AuditResult::as_str))
        .bind(query.subject_kind.as_deref())
        .bind(query.subject_id.as_deref())
        .bind(after)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(i64::from(query.is_refused))
        .bind(query.token.as_deref())
        .fetch_all(connection)
        .await?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::Signed;

    #[test]
    fn after_a_failed_write_the_next_follows_what_reached_the_file_or_was_signed_last() {
        let (older, newest, attempted) = ([1; 32], [2; 32], [3; 32]);
        let signed = Signed {
            seq: 2,
            digest: Some(newest),
            attempted: Some(attempted),
        };
        assert_eq!(signed.previous(attempted), attempted);
        assert_eq!(signed.previous(newest), newest);
        assert_eq!(signed.previous(older), newest);
        assert_eq!(Signed::default().previous(older), older);
    }
}
