//! Rotations as the registry keeps them: what is used after each step, what is written, and what is told.

mod keys;

use std::time::Duration;

use keyward_registry::{KeyStatus, Refusal, RegistryStore, Subject};
use keyward_vault::{
    VaultStore, VersionState,
    rotation::{Event, Phase, Reason},
    status::{Charge, Finding, Refusal as Refused},
};

use self::keys::{Keys, asked, number, time};
use crate::support::ACCOUNT;

const BAD: Finding = Finding::Bad(Refused::new(Charge::Rejected, 401));
const MINUTE: u64 = 60;

fn probed(version: u32, finding: Finding) -> Event {
    Event::Probed {
        version: number(version),
        finding,
    }
}

fn refused_beside_the_old_one(version: u32) -> Event {
    Event::Compared {
        version: number(version),
        new: BAD,
        old: Finding::Good,
        took: Duration::from_secs(1),
    }
}

#[tokio::test]
async fn a_value_that_is_verified_is_staged_then_used_and_the_old_one_kept_for_the_overlap() {
    let keys = Keys::new().await;
    keys.check("sk-1", None, None);
    keys.begin("deploy-7", "sk-2", true).await.unwrap();
    keys.check("sk-1", Some("sk-2"), None);
    assert_eq!(keys.open_rotations(), 1);
    let before = keys.key().record.modified_at;

    let promoted = keys.advance(probed(2, Finding::Good), 10).await.unwrap();
    assert_eq!(promoted.unwrap().phase, Phase::Overlapping);
    keys.check("sk-2", None, Some("sk-1"));
    assert!(keys.key().record.modified_at > before);

    assert_eq!(keys.advance(Event::Tick, 10 + 9 * MINUTE).await, Ok(None));
    keys.check("sk-2", None, Some("sk-1"));
    let over = keys.advance(Event::Tick, 10 + 10 * MINUTE).await.unwrap();
    assert_eq!(over.unwrap().phase, Phase::Finished);
    keys.check("sk-2", None, None);
    assert_eq!(keys.open_rotations(), 0);
    let kept = keys.key();
    assert_eq!(
        kept.rotation().map(|last| last.phase),
        Some(Phase::Finished)
    );
    assert_eq!(
        keys.states().await,
        [VersionState::Destroyed, VersionState::Current]
    );
    assert_eq!(
        keys.actions().await,
        [
            "provider_key.rotate.begin",
            "provider_key.rotate.promote",
            "provider_key.rotate.finish"
        ]
    );
    keys.close().await;
}

#[tokio::test]
async fn each_step_is_one_write() {
    let keys = Keys::new().await;
    let revision = keys.registry.snapshot().revision();
    keys.begin("one", "sk-2", false).await.unwrap();
    keys.check("sk-2", None, Some("sk-1"));
    assert_eq!(keys.registry.snapshot().revision(), revision + 1);
    keys.advance(refused_beside_the_old_one(2), 20)
        .await
        .unwrap();
    keys.check("sk-1", None, None);
    assert_eq!(keys.registry.snapshot().revision(), revision + 2);
    // What changes nothing writes nothing.
    keys.advance(refused_beside_the_old_one(2), 30)
        .await
        .unwrap();
    keys.advance(Event::Tick, 100 * MINUTE).await.unwrap();
    assert_eq!(keys.registry.snapshot().revision(), revision + 2);
    assert_eq!(
        keys.states().await,
        [VersionState::Current, VersionState::Destroyed]
    );
    keys.close().await;
}

#[tokio::test]
async fn what_the_provider_refuses_never_gets_into_use_and_leaves_everything_as_it_was() {
    let keys = Keys::new().await;
    let before = keys.key();
    keys.begin("one", "sk-2", true).await.unwrap();
    let refused = keys.advance(probed(2, BAD), 10).await.unwrap().unwrap();
    assert_eq!(refused.phase, Phase::Refused);
    let rejected = Reason::Rejected {
        charge: Charge::Rejected,
        code: 401,
    };
    assert_eq!(refused.reason, Some(rejected));
    keys.check("sk-1", None, None);
    let after = keys.key();
    assert_eq!(after.record, before.record);
    let since = |key: &keyward_registry::ProviderKey| key.current.as_ref().unwrap().since;
    assert_eq!(since(&after), since(&before));
    // Its number is not used again, by a rotation or by a replacement.
    keys.begin("two", "sk-3", true).await.unwrap();
    keys.check("sk-1", Some("sk-3"), None);
    let late = keys.advance(probed(2, BAD), 11).await;
    assert_eq!(late, Ok(None), "an answer about the last one's value");
    keys.advance(Event::RollBack, 12).await.unwrap();
    keys.replace("sk-4").await;
    keys.check("sk-4", None, None);
    assert_eq!(keys.key().current.as_ref().unwrap().version, number(4));
    keys.close().await;
}

#[tokio::test]
async fn a_request_that_is_repeated_begins_one_rotation_and_another_one_has_to_wait() {
    let keys = Keys::new().await;
    keys.begin("one", "sk-2", true).await.unwrap();
    let revision = keys.registry.snapshot().revision();
    let again = keys.begin("one", "sk-2", false).await.unwrap();
    assert_eq!(again.rotation().unwrap().to, number(2));
    assert_eq!(keys.registry.snapshot().revision(), revision);
    keys.check("sk-1", Some("sk-2"), None);

    let refused = keys.begin("two", "sk-3", true).await.unwrap_err();
    assert_eq!(refused, Refusal::RotationUnderWay("one".to_owned()));
    keys.advance(probed(2, Finding::Good), 10).await.unwrap();
    assert!(keys.begin("two", "sk-3", true).await.is_err());
    keys.advance(Event::DestroyNow, 11).await.unwrap();
    let over = keys.begin("one", "sk-2", true).await.unwrap();
    assert_eq!(over.rotation().unwrap().phase, Phase::Finished);
    keys.begin("two", "sk-3", true).await.unwrap();
    keys.check("sk-2", Some("sk-3"), None);
    keys.close().await;
}

#[tokio::test]
async fn a_request_id_that_was_used_for_a_value_that_ends_otherwise_is_refused() {
    let keys = Keys::new().await;
    let [one, other] =
        ["aaaa", "bbbb"].map(|end| format!("sk-0123456789-0123456789-0123456789-{end}"));
    keys.begin("one", &one, true).await.unwrap();
    let revision = keys.registry.snapshot().revision();
    let refused = keys.begin("one", &other, true).await.unwrap_err();
    assert_eq!(refused, Refusal::RotationRequestTaken("one".to_owned()));
    keys.begin("one", &one, true).await.unwrap();
    assert_eq!(keys.registry.snapshot().revision(), revision);
    keys.check("sk-1", Some(&one), None);
    keys.close().await;
}

#[tokio::test]
async fn an_operator_takes_it_back_and_hears_where_that_cannot_be() {
    let keys = Keys::new().await;
    let nothing = keys.advance(Event::RollBack, 1).await.unwrap_err();
    assert_eq!(nothing, Refusal::RotationNotFound);
    assert_eq!(keys.advance(Event::Tick, 1).await, Ok(None));

    keys.begin("one", "sk-2", false).await.unwrap();
    keys.judge(2, KeyStatus::Invalid).await;
    let back = keys.advance(Event::RollBack, 10).await.unwrap().unwrap();
    assert_eq!(back.reason, Some(Reason::ByOperator));
    keys.check("sk-1", None, None);
    // What was held against the new value is not held against the old one.
    assert_eq!(keys.key().record.status, KeyStatus::Active);
    for event in [Event::RollBack, Event::DestroyNow] {
        let refused = keys.advance(event, 11).await.unwrap_err();
        assert!(matches!(refused, Refusal::RotationNotNow(_)), "{refused:?}");
    }
    let mut long = asked("two", true);
    long.overlap = Duration::from_secs(8 * 24 * 60 * MINUTE);
    let refused = keys.begin_as(long, "sk-3").await.unwrap_err();
    assert_eq!(refused, Refusal::OverlapTooLong);
    keys.close().await;
}

#[tokio::test]
async fn a_plain_replacement_ends_what_is_under_way_and_destroys_every_old_value_at_once() {
    for verify in [true, false] {
        let keys = Keys::new().await;
        keys.begin("one", "sk-2", verify).await.unwrap();
        keys.replace("sk-3").await;
        keys.check("sk-3", None, None);
        assert_eq!(keys.open_rotations(), 0);
        let key = keys.key();
        let ended = key.rotation().unwrap();
        assert_eq!(ended.reason, Some(Reason::Replaced));
        let gone = VersionState::Destroyed;
        assert_eq!(keys.states().await, [gone, gone, VersionState::Current]);
        assert_eq!(
            keys.advance(refused_beside_the_old_one(2), 10).await,
            Ok(None)
        );
        keys.close().await;
    }
}

#[tokio::test]
async fn what_is_under_way_goes_on_after_a_restart() {
    for verify in [true, false] {
        let mut keys = Keys::new().await;
        keys.begin("one", "sk-2", verify).await.unwrap();
        let before = keys.key();
        keys.restart().await;
        let after = keys.key();
        assert_eq!(after.rotation(), before.rotation());
        assert_eq!(keys.open_rotations(), 1);
        match verify {
            true => keys.check("sk-1", Some("sk-2"), None),
            false => keys.check("sk-2", None, Some("sk-1")),
        }
        keys.advance(Event::RollBack, 10).await.unwrap();
        keys.check("sk-1", None, None);
        keys.restart().await;
        assert_eq!(keys.open_rotations(), 0);
        assert!(keys.key().rotation().is_some(), "the last one is kept");
        keys.close().await;
    }
}

#[tokio::test]
async fn every_key_that_shares_the_value_gets_the_new_one() {
    let keys = Keys::new().await;
    let other = keys.share("second").await;
    keys.judge(1, KeyStatus::Invalid).await;
    keys.begin("one", "sk-2", false).await.unwrap();
    let other = keys.find(other);
    assert_eq!(keys.open(other.current.as_ref()), Some("sk-2".to_owned()));
    assert_eq!(keys.open(other.previous()), Some("sk-1".to_owned()));
    assert_eq!(other.record.status, KeyStatus::Active);
    keys.close().await;
}

#[tokio::test]
async fn a_key_that_lost_its_secret_gets_one_whose_first_value_is_verified_too() {
    let keys = Keys::new().await;
    keys.lose_secret().await;
    keys.begin("one", "sk-2", true).await.unwrap();
    let key = keys.key();
    assert!(key.current.is_none(), "nobody has proven it");
    assert_eq!(keys.open(key.staged()), Some("sk-2".to_owned()));
    let unproven = keys.advance(probed(1, BAD), 10).await.unwrap();
    assert_eq!(unproven.unwrap().phase, Phase::Refused);
    assert!(keys.key().current.is_none() && keys.key().staged().is_none());

    keys.begin("two", "sk-3", true).await.unwrap();
    let good = keys.advance(probed(2, Finding::Good), 20).await.unwrap();
    assert_eq!(good.unwrap().phase, Phase::Finished, "there is no old one");
    keys.check("sk-3", None, None);
    keys.close().await;
}

#[tokio::test]
async fn a_deleted_key_leaves_no_rotation_behind() {
    let keys = Keys::new().await;
    keys.begin("one", "sk-2", true).await.unwrap();
    let secret = keys.key().record.secret;
    keys.delete().await;
    assert_eq!(keys.open_rotations(), 0);
    let found = keys.store().find_rotation(ACCOUNT, secret).await.unwrap();
    assert_eq!(found, None);
    keys.close().await;
}

#[tokio::test]
async fn a_rotation_that_somebody_changed_counts_as_absent_and_the_current_value_stays_in_use() {
    let mut keys = Keys::new().await;
    keys.begin("one", "sk-2", false).await.unwrap();
    keys.edit("UPDATE rotations SET phase = 'staged'").await;
    keys.restart().await;
    assert_eq!(keys.registry.tampered().len(), 1);
    assert_eq!(keys.registry.tampered()[0].kind, "rotation");
    assert!(keys.key().rotation().is_none());
    keys.check("sk-2", None, None);
    // The next one clears what the lost one left.
    keys.begin("two", "sk-3", true).await.unwrap();
    keys.check("sk-2", Some("sk-3"), None);
    assert_eq!(keys.states().await[0], VersionState::Destroyed);
    keys.close().await;
}

#[tokio::test]
async fn where_the_old_value_was_taken_away_nothing_is_rolled_back_to_it() {
    let mut keys = Keys::new().await;
    keys.begin("one", "sk-2", false).await.unwrap();
    keys.edit("UPDATE secret_versions SET preview = 'x' WHERE number = 1")
        .await;
    keys.restart().await;
    let refused = keys.advance(Event::RollBack, 10).await.unwrap_err();
    assert_eq!(refused, Refusal::ValueGone);
    keys.check("sk-2", None, None);
    let over = keys.advance(Event::Tick, 20 * MINUTE).await.unwrap();
    assert_eq!(over.unwrap().phase, Phase::Finished);
    keys.close().await;
}

#[tokio::test]
async fn a_status_is_kept_of_every_key_with_the_version_that_was_judged_and_of_no_other() {
    let keys = Keys::new().await;
    let other = keys.share("second").await;
    keys.judge(1, KeyStatus::Invalid).await;
    for key in [keys.key(), keys.find(other)] {
        let record = &key.record;
        assert_eq!(record.status, KeyStatus::Invalid);
        assert_eq!(record.status_code, Some(401));
        assert_eq!(record.status_reason.as_deref(), Some("it is refused"));
        assert_eq!(record.status_since, Some(time(5)));
    }
    let revision = keys.registry.snapshot().revision();
    keys.judge(1, KeyStatus::Invalid).await;
    keys.judge(2, KeyStatus::Active).await;
    assert_eq!(keys.registry.snapshot().revision(), revision);
    let lines = keys.lines().await;
    let line = lines.last().unwrap();
    assert_eq!(
        (line.action.as_str(), line.actor.as_str()),
        ("provider_key.status", "system")
    );
    let subject = Subject::ProviderKey(ACCOUNT, keys.key().record.id);
    assert_eq!(line.subject_id, subject.id());

    keys.judge(1, KeyStatus::Active).await;
    assert_eq!(keys.key().record.status, KeyStatus::Active);
    assert_eq!(keys.key().record.status_code, None);
    let loaded = keys.store().load().await.unwrap();
    assert_eq!(loaded.tampered, []);
    keys.close().await;
}
