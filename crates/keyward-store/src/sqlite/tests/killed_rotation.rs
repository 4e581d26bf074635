//! kill -9 at every write of a rotation: what is left is what docs/rotation.md says, and the rotation goes on.
//!
//! The test starts this very binary again, as a process that takes a rotation from step to step and kills itself at
//! the n-th row that it writes, the n-th commit or the n-th acknowledgement; for every n, until it comes to its end.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use keyward_providers::Catalogue;
use keyward_registry::{
    AccountRecord, Actor, Alias, CurrentValue, ExpiresAction, GatewayId, GatewaySettings,
    KeySource, KeyValue, NewProviderKey, ProviderKey, ProviderSlug, Registry, RegistryStore,
};
use keyward_secret::{AccountId, Origin, SecretBytes};
use keyward_vault::{
    KeyFile, PassphraseParams, RecordId, Slot, Unlock, Vault, VersionNumber,
    rotation::{Event, RequestId, RotationRequest},
    status::{Charge, Finding, Refusal},
};
use rustix::process::{Signal, getpid, kill_process};
use tokio::task::JoinSet;

use crate::{AuditVerdict, Database, SqliteStore};

/// Where the process finds its database, how far it goes, and where it ends; unset in an ordinary run.
const DIRECTORY: &str = "KEYWARD_ROTATION_DIRECTORY";
const COURSE: &str = "KEYWARD_ROTATION_COURSE";
const KILL_AT: &str = "KEYWARD_ROTATION_KILL_AT";

const ACCOUNT: AccountId = AccountId::from_bytes([0xa1; 16]);
const ACTOR: Actor = Actor::Command("test");
const BAD: Finding = Finding::Bad(Refusal::new(Charge::Rejected, 401));

/// What a request may be sent with: the current value, a staged one, a retiring one.
type Values = [Option<&'static str>; 3];
const BEFORE: Values = [Some("sk-1"), None, None];

#[derive(Clone, Copy)]
enum Step {
    Begin { verify: bool },
    Happened(Event),
    Replace,
}

/// Steps, each with what there is once it was taken.
struct Course {
    name: &'static str,
    steps: Vec<(Step, Values)>,
}

fn courses() -> [Course; 4] {
    let two = VersionNumber::new(2).unwrap();
    let probed = |finding| {
        Step::Happened(Event::Probed {
            version: two,
            finding,
        })
    };
    let compared = |new, old| {
        Step::Happened(Event::Compared {
            version: two,
            new,
            old,
            took: Duration::from_secs(1),
        })
    };
    let staged = (
        Step::Begin { verify: true },
        [Some("sk-1"), Some("sk-2"), None],
    );
    let overlapping = [Some("sk-2"), None, Some("sk-1")];
    let [first, second] = ["sk-1", "sk-2"].map(|value| [Some(value), None, None]);
    [
        Course {
            name: "to-the-end",
            steps: vec![
                staged,
                (probed(Finding::Unclear), staged.1),
                (probed(Finding::Good), overlapping),
                (compared(BAD, BAD), overlapping),
                (Step::Happened(Event::Tick), second),
            ],
        },
        Course {
            name: "refused",
            steps: vec![staged, (probed(BAD), first)],
        },
        Course {
            name: "rolled-back",
            steps: vec![
                (Step::Begin { verify: false }, overlapping),
                (compared(BAD, Finding::Good), first),
            ],
        },
        Course {
            name: "replaced",
            steps: vec![staged, (Step::Replace, [Some("sk-3"), None, None])],
        },
    ]
}

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn value(text: &str) -> KeyValue {
    KeyValue::parse(&SecretBytes::copy_from(text.as_bytes())).unwrap()
}

fn database(directory: &Path) -> PathBuf {
    directory.join("keyward.db")
}

/// An unsealed store with its registry, as a server has it.
struct Server {
    store: Arc<SqliteStore>,
    vault: Arc<Vault>,
    registry: Registry,
}

impl Server {
    async fn start(directory: &Path) -> Self {
        let file = fs::read(directory.join("key")).unwrap();
        let file = KeyFile::parse(&file).unwrap();
        let database = Database::open(&database(directory)).await.unwrap();
        let state = database.load_seal().await.unwrap().unwrap();
        let vault = Arc::new(Vault::unseal(&state, &Unlock::KeyFile(&file)).unwrap());
        let store = Arc::new(database.unlock(Arc::clone(&vault)).await.unwrap());
        let catalogue = Arc::new(Catalogue::built_in().unwrap());
        let registry = Registry::open(Arc::clone(&store) as _, Arc::clone(&vault), catalogue);
        Self {
            registry: registry.await.unwrap(),
            store,
            vault,
        }
    }

    fn key(&self) -> Arc<ProviderKey> {
        let snapshot = self.registry.snapshot();
        let account = snapshot.account(ACCOUNT).unwrap();
        Arc::clone(account.provider_keys().next().unwrap())
    }

    async fn take(&self, step: Step) {
        let key = self.key();
        match step {
            Step::Begin { verify } => {
                let asked = RotationRequest {
                    request: RequestId::parse("one").unwrap(),
                    overlap: Duration::from_secs(600),
                    verify,
                };
                let new = value("sk-2");
                let begun = self.registry.begin_rotation(
                    ACCOUNT,
                    key.record.id,
                    &new,
                    asked,
                    ACTOR,
                    time(1),
                );
                drop(begun.await.unwrap());
            }
            Step::Happened(event) => {
                let secret = key.record.secret;
                // Within the overlap, and after its end.
                let now = match event {
                    Event::Tick => time(10_000),
                    _ => time(100),
                };
                let advanced =
                    self.registry
                        .advance_rotation(ACCOUNT, secret, event, Actor::System, now);
                advanced.await.unwrap();
            }
            Step::Replace => {
                let new = value("sk-3");
                let replaced =
                    self.registry
                        .rotate_provider_key(ACCOUNT, key.record.id, &new, ACTOR, time(2));
                drop(replaced.await.unwrap());
            }
        }
    }

    fn values(&self) -> [Option<String>; 3] {
        let key = self.key();
        let open = |value: &CurrentValue| {
            let id = RecordId {
                account: ACCOUNT,
                secret: key.record.secret,
                version: value.version,
            };
            let origin = Origin::parse("https://api.openai.com").unwrap();
            let opened = self.vault.open(&value.sealed, &id, &origin).unwrap();
            String::from_utf8(opened.value.expose().to_vec()).unwrap()
        };
        [key.current.as_ref(), key.staged(), key.previous()].map(|value| value.map(open))
    }

    /// Calls `happened` at each row that is written and before each commit.
    async fn watch_writes(&self, happened: impl Fn() + Clone + Send + Sync + 'static) {
        let mut connection = self.store.writer().acquire().await.unwrap();
        let mut handle = connection.lock_handle().await.unwrap();
        let committed = happened.clone();
        handle.set_update_hook(move |_row| happened());
        handle.set_commit_hook(move || {
            committed();
            true
        });
    }
}

/// A vault, the account and its key: where every process begins.
async fn make(directory: &Path) {
    let file = KeyFile::generate().unwrap();
    let (vault, root) = Vault::create().unwrap();
    let params = PassphraseParams::build(PassphraseParams::MIN_MEMORY_KIB, 1, 1).unwrap();
    let slot = Slot::wrap(1, vault.id(), &root, &Unlock::KeyFile(&file), params).unwrap();
    let state = vault.seal_state(&root, vec![slot]).unwrap();
    let database = Database::open(&database(directory)).await.unwrap();
    database.save_seal(state, None).await.unwrap();
    database.close().await;
    fs::write(directory.join("key"), file.to_text().expose()).unwrap();

    let server = Server::start(directory).await;
    let account = AccountRecord {
        id: ACCOUNT,
        name: "test".to_owned(),
        created_at: time(0),
    };
    server
        .registry
        .create_account(account, ACTOR)
        .await
        .unwrap();
    let gateway = GatewayId::parse("prod").unwrap();
    let settings = GatewaySettings::default();
    let made = server
        .registry
        .create_gateway(ACCOUNT, gateway.clone(), settings, ACTOR, time(0));
    drop(made.await.unwrap());
    let new = NewProviderKey {
        account: ACCOUNT,
        gateway,
        provider: ProviderSlug::parse("openai").unwrap(),
        alias: Alias::default(),
        source: KeySource::Value(value("sk-1")),
        description: String::new(),
        default_config: true,
        expires_at: None,
        expires_action: ExpiresAction::Stop,
        rate_limit: None,
        spend_limits: None,
    };
    let made = server.registry.create_provider_key(new, ACTOR, time(0));
    drop(made.await.unwrap());
    server.store.close().await;
}

/// The process that kills itself. In an ordinary run it goes every course to its end.
#[tokio::test]
async fn the_process_that_rotates() {
    let kill_at = env::var(KILL_AT).map(|text| text.parse::<u64>().unwrap());
    let wanted = env::var(COURSE);
    for course in courses() {
        if wanted.as_ref().is_ok_and(|name| name != course.name) {
            continue;
        }
        let own = tempfile::tempdir().unwrap();
        let given = env::var_os(DIRECTORY).map(PathBuf::from);
        let directory = given.as_deref().unwrap_or(own.path());
        if given.is_none() {
            make(directory).await;
        }
        let server = Server::start(directory).await;
        let writes = Arc::new(AtomicU64::new(0));
        let (counted, kill_at) = (Arc::clone(&writes), kill_at.clone().unwrap_or(0));
        let count = move || {
            if counted.fetch_add(1, Ordering::SeqCst) + 1 == kill_at {
                kill_process(getpid(), Signal::KILL).unwrap();
            }
        };
        server.watch_writes(count.clone()).await;
        for (number, (step, values)) in course.steps.iter().enumerate() {
            server.take(*step).await;
            // Stored, and nobody was told.
            count();
            assert_eq!(
                server.values(),
                values.map(|value| value.map(str::to_owned))
            );
            println!("\ntaken {}", number + 1);
        }
        assert!(writes.load(Ordering::SeqCst) > 0, "the hooks heard nothing");
        println!("\nended");
        server.store.close().await;
    }
}

/// Goes the course in a process of its own that ends at its `kill_at`-th write. Says how many steps were acknowledged,
/// and whether it came to the end.
async fn go(directory: &Path, course: &Course, kill_at: u64) -> (usize, bool) {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "sqlite::tests::killed_rotation::the_process_that_rotates",
            "--nocapture",
        ])
        .env(DIRECTORY, directory)
        .env(COURSE, course.name)
        .env(KILL_AT, kill_at.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || command.output());
    let output = ended.await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut taken = text.lines().filter_map(|line| line.strip_prefix("taken "));
    let taken = taken
        .next_back()
        .map_or(0, |number| number.parse().unwrap());
    let is_ended = text.lines().any(|line| line == "ended");
    assert_eq!(output.status.success(), is_ended, "{text}");
    (taken, is_ended)
}

/// What is left after a kill is what there was before the step under way, or what there is after it; nothing is
/// tampered with, the audit log is whole, and the course goes on to its end from there.
async fn check(directory: &Path, course: &Course, kill_at: u64, taken: usize) {
    let place = format!("{} at write {kill_at}, step {}", course.name, taken + 1);
    let server = Server::start(directory).await;
    assert_eq!(server.registry.tampered(), [], "{place}");
    let shown = |values: Values| values.map(|value| value.map(str::to_owned));
    let after = |steps: usize| match steps.checked_sub(1) {
        None => BEFORE,
        Some(last) => course.steps[last].1,
    };
    let left = server.values();
    let is_known = left == shown(after(taken)) || left == shown(after(taken + 1));
    assert!(is_known, "{place}: {left:?}");
    for (step, _values) in &course.steps[taken..] {
        server.take(*step).await;
    }
    let end = course.steps.last().unwrap().1;
    assert_eq!(server.values(), shown(end), "{place}");
    let open = server.registry.snapshot().open_rotations().count();
    assert_eq!(open, 0, "{place}");
    let lines = server.store.load().await.unwrap().revision;
    let verdict = server.store.verify_audit().await.unwrap();
    assert_eq!(verdict, AuditVerdict::Whole { lines }, "{place}");
    server.store.close().await;
}

async fn check_course(course: Course, first: PathBuf) -> u64 {
    for kill_at in 1.. {
        let directory = tempfile::tempdir().unwrap();
        for name in ["keyward.db", "key"] {
            fs::copy(first.join(name), directory.path().join(name)).unwrap();
        }
        let (taken, is_ended) = go(directory.path(), &course, kill_at).await;
        if is_ended {
            assert_eq!(taken, course.steps.len());
            return kill_at - 1;
        }
        check(directory.path(), &course, kill_at, taken).await;
    }
    unreachable!("every course ends")
}

#[tokio::test]
async fn after_a_kill_at_any_write_the_state_is_a_documented_one_and_the_rotation_goes_on() {
    let first = tempfile::tempdir().unwrap();
    make(first.path()).await;
    let mut running = JoinSet::new();
    for course in courses() {
        let first = first.path().to_owned();
        running.spawn(async move { (course.name, check_course(course, first).await) });
    }
    while let Some(ended) = running.join_next().await {
        let (name, kills) = ended.unwrap();
        println!("{name}: killed at each of {kills} writes");
        assert!(kills > 10, "{name}");
    }
}
