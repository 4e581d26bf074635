//! Keys and tokens change while eight connections send without pause.
//!
//! Each request carries a number, taken from one counter before the request is sent. A number that is not
//! below the counter's value at the time a call returned belongs to a request that started after the return.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use keyward_registry::KeyEdit;
use keyward_testing::{Canary, Recorded, client::Client};
use tokio::task::JoinHandle;

use crate::support::{ACCOUNT, ACTOR, CHAT, Running, Setup, code, mint, now, value, wait_until};

const CONNECTIONS: usize = 8;

/// What the senders share.
#[derive(Debug, Default)]
struct Shared {
    next: AtomicU64,
    done: AtomicUsize,
    is_over: AtomicBool,
}

/// What came of one request: its number, and status with code.
type Outcome = (u64, (u16, Option<u64>));

/// Eight connections that send until told to stop.
struct Load {
    shared: Arc<Shared>,
    senders: Vec<JoinHandle<Vec<Outcome>>>,
}

impl Load {
    async fn start(running: &Running, bearer: &str) -> Self {
        let shared = Arc::new(Shared::default());
        let mut senders = Vec::new();
        for _connection in 0..CONNECTIONS {
            let client = running.client().await;
            let path = running.path("openai/chat/completions");
            senders.push(tokio::spawn(send(
                client,
                path,
                bearer.to_owned(),
                Arc::clone(&shared),
            )));
        }
        let load = Self { shared, senders };
        load.go_on(4 * CONNECTIONS).await;
        load
    }

    /// Waits for so many further answers.
    async fn go_on(&self, answers: usize) {
        let wanted = self.shared.done.load(Ordering::SeqCst) + answers;
        wait_until("answers", || {
            self.shared.done.load(Ordering::SeqCst) >= wanted
        })
        .await;
    }

    /// What the next request's number will be: those below it have started.
    fn mark(&self) -> u64 {
        self.shared.next.load(Ordering::SeqCst)
    }

    async fn stop(self) -> Vec<Outcome> {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let mut outcomes = Vec::new();
        for sender in self.senders {
            outcomes.extend(sender.await.unwrap());
        }
        outcomes
    }
}

async fn send(
    mut client: Client,
    path: String,
    bearer: String,
    shared: Arc<Shared>,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    while !shared.is_over.load(Ordering::SeqCst) {
        let number = shared.next.fetch_add(1, Ordering::SeqCst);
        let text = number.to_string();
        let headers = [
            ("cf-aig-authorization", bearer.as_str()),
            ("x-number", &text),
        ];
        let answer = client.post(&path, &headers, CHAT).await.unwrap();
        let own = answer
            .header("cf-aig-error-source")
            .map(|_gateway| code(&answer));
        outcomes.push((number, (answer.status, own)));
        shared.done.fetch_add(1, Ordering::SeqCst);
    }
    assert_eq!(client.connections(), 1);
    outcomes
}

fn number(request: &Recorded) -> u64 {
    request.header("x-number").unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_rotations_under_load_fail_no_request_and_use_no_old_key_after_they_return() {
    let running = Running::start(Setup::default()).await;
    let (first, key) = running.store_key("openai", "default").await;
    let mut keys = vec![first];
    let mut marks = vec![0];
    let load = Load::start(&running, &running.bearer()).await;
    for rotation in 0..50 {
        let next = Canary::new(&format!("rotation-{rotation}"));
        // The provider takes the old one and the new one during the change, and all before: which one a
        // request carried is read off the records below.
        keys.push(next);
        running.provider.accept_keys(keys.iter().map(Canary::text));
        let new = value(keys.last().unwrap());
        running
            .registry
            .rotate_provider_key(ACCOUNT, key.record.id, &new, ACTOR, now())
            .await
            .unwrap();
        marks.push(load.mark());
        // One answer per connection may be to a request that had started before.
        load.go_on(2 * CONNECTIONS).await;
    }
    let outcomes = load.stop().await;
    let failed: Vec<_> = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome != (200, None))
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} failed: {failed:?}",
        failed.len(),
        outcomes.len()
    );

    let seen = running.provider.take_recorded();
    assert_eq!(seen.len(), outcomes.len());
    let mut used = vec![0; keys.len()];
    for request in &seen {
        let sent = request
            .header("authorization")
            .unwrap()
            .strip_prefix("Bearer ")
            .unwrap();
        let which = keys.iter().position(|key| key.text() == sent).unwrap();
        // How many rotations had returned when this request started.
        let returned = marks
            .iter()
            .filter(|mark| **mark <= number(request))
            .count()
            - 1;
        assert!(
            which >= returned,
            "request {} carries key {which} of {returned}",
            number(request)
        );
        used[which] += 1;
    }
    assert!(
        used.iter().all(|count| *count > 0),
        "a key was never used: {used:?}"
    );
    running.stop().await;
}

/// What is taken away, and what requests are told from then on.
#[derive(Clone, Copy, Debug)]
enum Taken {
    Key,
    KeySwitchedOff,
    Token,
    Gateway,
}

impl Taken {
    const fn answer(self) -> (u16, Option<u64>) {
        match self {
            Self::Key => (400, Some(2044)),
            Self::KeySwitchedOff => (424, Some(9010)),
            Self::Token => (401, Some(2009)),
            Self::Gateway => (400, Some(2001)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_revoking_call_returned_no_request_that_starts_succeeds() {
    for taken in [
        Taken::Key,
        Taken::KeySwitchedOff,
        Taken::Token,
        Taken::Gateway,
    ] {
        let running = Running::start(Setup::default()).await;
        let (_, key) = running.store_key("openai", "default").await;
        let (token, minted) = mint(&running.registry, Running::grant()).await;
        let load = Load::start(&running, &format!("Bearer {}", token.text())).await;
        let registry = &running.registry;
        let id = key.record.id;
        match taken {
            Taken::Key => drop(
                registry
                    .delete_provider_key(ACCOUNT, id, ACTOR, now())
                    .await
                    .unwrap(),
            ),
            Taken::KeySwitchedOff => {
                let edit = KeyEdit {
                    enabled: Some(false),
                    ..KeyEdit::default()
                };
                drop(
                    registry
                        .edit_provider_key(ACCOUNT, id, edit, ACTOR, now())
                        .await
                        .unwrap(),
                );
            }
            Taken::Token => {
                drop(
                    registry
                        .delete_token(ACCOUNT, &minted.record.id, ACTOR, now())
                        .await
                        .unwrap(),
                );
            }
            Taken::Gateway => {
                drop(
                    registry
                        .delete_gateway(ACCOUNT, "prod", ACTOR, now())
                        .await
                        .unwrap(),
                );
            }
        }
        let mark = load.mark();
        load.go_on(10 * CONNECTIONS).await;
        let outcomes = load.stop().await;
        let after = outcomes.iter().filter(|(number, _)| *number >= mark);
        assert!(after.clone().count() >= 9 * CONNECTIONS, "{taken:?}");
        for (number, outcome) in after {
            assert_eq!(
                *outcome,
                taken.answer(),
                "{taken:?}, request {number} of {mark}"
            );
        }
        // Those that had started before had one or the other, and nothing else.
        for (number, outcome) in &outcomes {
            assert!(
                [(200, None), taken.answer()].contains(outcome),
                "{taken:?}, request {number}: {outcome:?}"
            );
        }
        let late = running.provider.take_recorded();
        let late: Vec<u64> = late
            .iter()
            .map(number)
            .filter(|number| *number >= mark)
            .collect();
        assert!(late.is_empty(), "{taken:?}: {late:?} reached the provider");
        running.stop().await;
    }
}
