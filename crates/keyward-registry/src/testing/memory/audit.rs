//! The audit log in memory.

use std::{future::ready, time::SystemTime};

use super::{MemoryStore, State};
use crate::{
    Actor, AuditEntry, AuditQuery, AuditResult, AuditState, AuditStore, BoxFuture, RefusedAttempt,
    StoreError,
};

impl AuditStore for MemoryStore {
    fn append_refused(
        &self,
        attempts: Vec<RefusedAttempt>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut state = self.state();
        for attempt in attempts {
            let subject = attempt.subject.as_ref();
            let mut entry = AuditEntry {
                action: attempt.action.into_owned(),
                result: attempt.result.as_str().to_owned(),
                times: attempt.times,
                ..entry(&attempt.actor, attempt.at)
            };
            if let Some(subject) = subject {
                entry.subject_kind = subject.kind().to_owned();
                entry.subject_account = Some(subject.account().to_string());
                entry.subject_id = subject.id();
            }
            state.write_line(entry);
        }
        Box::pin(ready(Ok(())))
    }

    fn list_audit(&self, query: AuditQuery) -> BoxFuture<'_, Result<Vec<AuditEntry>, StoreError>> {
        let mut found: Vec<_> = self
            .state()
            .log
            .iter()
            .filter(|entry| is_asked_for(&query, entry))
            .cloned()
            .collect();
        if query.newest_first {
            found.reverse();
        }
        found.truncate(query.limit);
        Box::pin(ready(Ok(found)))
    }

    fn check_audit(&self) -> BoxFuture<'_, Result<AuditState, StoreError>> {
        Box::pin(ready(Ok(self.audit_state())))
    }

    fn audit_state(&self) -> AuditState {
        AuditState {
            verified_to: u64::try_from(self.state().log.len()).unwrap_or(u64::MAX),
            ..AuditState::default()
        }
    }
}

impl State {
    pub(super) fn write_line(&mut self, entry: AuditEntry) {
        let seq = u64::try_from(self.log.len()).unwrap_or(u64::MAX);
        self.log.push(AuditEntry {
            seq: seq.saturating_add(1),
            revision: self.revision,
            ..entry
        });
    }
}

/// A line about nothing, without the hashes and codes that nobody checks here.
pub(super) fn entry(actor: &Actor, at: SystemTime) -> AuditEntry {
    let at = at.duration_since(SystemTime::UNIX_EPOCH);
    AuditEntry {
        seq: 0,
        revision: 0,
        format: 0,
        at: at.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        }),
        actor: actor.to_string(),
        source: actor.source().map(|source| source.to_string()),
        action: String::new(),
        result: AuditResult::Done.as_str().to_owned(),
        times: 1,
        subject_kind: "server".to_owned(),
        subject_account: None,
        subject_id: String::new(),
        rows: Vec::new(),
        rows_digest: String::new(),
        previous: String::new(),
        hash: String::new(),
        mac: String::new(),
    }
}

fn is_asked_for(query: &AuditQuery, entry: &AuditEntry) -> bool {
    let millis = |time: SystemTime| {
        let since = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    };
    let fits = |wanted: &Option<String>, found: &str| {
        wanted.as_deref().is_none_or(|wanted| wanted == found)
    };
    let is_ours = match &entry.subject_account {
        Some(account) => *account == query.account.to_string(),
        None => query.with_server,
    };
    let token = entry.actor.strip_prefix("token ");
    let is_beyond = query.after.is_none_or(|seq| {
        if query.newest_first {
            entry.seq < seq
        } else {
            entry.seq > seq
        }
    });
    is_ours
        && is_beyond
        && query.since.is_none_or(|since| entry.at >= millis(since))
        && query.before.is_none_or(|before| entry.at < millis(before))
        && (fits(&query.actor, &entry.actor) || fits(&query.actor, token.unwrap_or_default()))
        && fits(&query.token, token.unwrap_or_default())
        && fits(&query.source, entry.source.as_deref().unwrap_or_default())
        && fits(&query.action, &entry.action)
        && query
            .result
            .is_none_or(|result| result.as_str() == entry.result)
        && !(query.is_refused && entry.result == AuditResult::Done.as_str())
        && fits(&query.subject_kind, &entry.subject_kind)
        && fits(&query.subject_id, &entry.subject_id)
}
