//! kill -9 at a random moment: nothing that was acknowledged is lost, and the vault opens.
//!
//! The test starts this very binary again, as a process that writes and prints what was acknowledged. The
//! variable `KEYWARD_KILL_ROUNDS` sets how often it is killed (10).

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use keyward_registry::{Change, RegistryStore, Row, Subject};
use keyward_secret::Origin;
use keyward_store::{
    AuditEvidence, AuditPublicKey, AuditVerdict, CheckpointFile, CheckpointSettings, DatabaseCopy,
    SqliteStore,
};
use keyward_vault::{KeyFile, SecretId, Vault};
use tokio::sync::oneshot;

use crate::support::{
    ACCOUNT, ORIGIN, commit, database, gateway, init, new_secret, put_token, record_id,
    replacement, token, unseal,
};

/// Where the writing process finds the database; unset in an ordinary run.
const DIRECTORY: &str = "KEYWARD_KILL_DIRECTORY";
const SUBJECTS: u64 = 8;
const CHECKPOINTS: &str = "checkpoints";

/// What a subject was last acknowledged to hold: the mark of the write, or nothing.
type Acknowledged = BTreeMap<String, Option<u64>>;

fn random() -> u64 {
    getrandom::u64().unwrap()
}

fn key_file(directory: &Path) -> KeyFile {
    KeyFile::parse(&std::fs::read(directory.join("key")).unwrap()).unwrap()
}

fn secret_id(number: u64) -> SecretId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    SecretId::from_bytes(bytes)
}

/// Makes one random write; returns its revision, its subject, and the mark that the subject holds now.
async fn write(store: &SqliteStore, vault: &Vault) -> (u64, String, Option<u64>) {
    use keyward_vault::VaultStore;
    let (number, mark) = (random() % SUBJECTS, random());
    let (name, mark, changes) = match random() % 6 {
        0 => {
            let changes = vec![Change::Vault(keyward_vault::Change::DeleteSecret {
                account: ACCOUNT,
                secret: secret_id(number),
            })];
            (format!("secret{number}"), None, changes)
        }
        1 | 2 => {
            let (id, value) = (secret_id(number), format!("sk-{mark}"));
            let changes = match store.find_secret(ACCOUNT, id).await.unwrap() {
                None => new_secret(vault, id, &value),
                Some(_) => replacement(store, vault, id, &value).await,
            };
            (format!("secret{number}"), Some(mark), changes)
        }
        3 => {
            let changes = vec![Change::Token(keyward_auth::Change::DeleteToken {
                account: ACCOUNT,
                id: token(number, "").id,
            })];
            (format!("token{number}"), None, changes)
        }
        4 => {
            let changes = vec![put_token(token(number, &mark.to_string()))];
            (format!("token{number}"), Some(mark), changes)
        }
        _ => {
            let mut record = gateway(&format!("g{number}"));
            record.settings.store_id = Some(mark.to_string());
            let changes = vec![Change::PutGateway(record)];
            (format!("gateway{number}"), Some(mark), changes)
        }
    };
    (commit(store, changes).await.unwrap(), name, mark)
}

/// What the store holds of a subject.
async fn read(store: &SqliteStore, vault: &Vault, name: &str) -> Option<u64> {
    let kind = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number: u64 = name[kind.len()..].parse().unwrap();
    let subject = match kind {
        "secret" => Subject::Secret(ACCOUNT, secret_id(number)),
        "token" => Subject::Token(ACCOUNT, token(number, "").id),
        _ => Subject::Gateway(ACCOUNT, gateway(&format!("g{number}")).id),
    };
    match RegistryStore::read(store, &subject).await.unwrap()? {
        Row::Secret(secret) => {
            let version = secret.1.expect("a secret without its value");
            let origin = Origin::parse(ORIGIN).unwrap();
            let sealed = version.sealed.unwrap();
            let id = record_id(version.secret, version.number);
            let opened = vault.open(&sealed, &id, &origin).unwrap();
            let text = std::str::from_utf8(opened.value.expose()).unwrap();
            text.strip_prefix("sk-").unwrap().parse().ok()
        }
        Row::Token(token) => token.name.parse().ok(),
        Row::Gateway(gateway) => gateway.settings.store_id.unwrap().parse().ok(),
        Row::Account(_)
        | Row::ProviderKey(_)
        | Row::CustomProvider(_)
        | Row::SecretsStore(_)
        | Row::Route(_) => {
            unreachable!("none is written")
        }
    }
}

/// The process that is killed. In an ordinary run it makes a few writes of its own and ends.
#[tokio::test]
async fn the_process_that_writes() {
    let own = tempfile::tempdir().unwrap();
    let killed = env::var_os(DIRECTORY).map(PathBuf::from);
    let directory = killed.as_deref().unwrap_or(own.path());
    if killed.is_none() {
        let file = init(&database(directory)).await;
        std::fs::write(directory.join("key"), file.to_text().expose()).unwrap();
    }
    let (store, vault) = unseal(&database(directory), &key_file(directory)).await;
    let store = Arc::new(store);
    let settings = CheckpointSettings {
        file: CheckpointFile::open(&directory.join(CHECKPOINTS)).unwrap(),
        every: Duration::from_secs(1),
        lines: 1,
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let watching = Arc::clone(&store);
    let watch = tokio::spawn(async move {
        let stopped = async {
            let _dropped = stopped.await;
        };
        watching.watch_audit(Some(settings), stopped).await;
    });
    let mut left = 20;
    while killed.is_some() || left > 0 {
        left -= 1_i64;
        let (revision, name, mark) = write(&store, &vault).await;
        let mark = mark.map_or_else(|| "-".to_owned(), |mark| mark.to_string());
        if killed.is_some() {
            let mut out = std::io::stdout().lock();
            writeln!(out, "ack {revision} {name} {mark}").unwrap();
            out.flush().unwrap();
        }
    }
    drop(stop);
    watch.await.unwrap();
    store.close().await;
}

/// Every checkpoint is of a line that is durable, and the chain is as it was signed. Returns how many there are.
async fn check_checkpoints(directory: &Path, key: AuditPublicKey) -> u64 {
    let text = std::fs::read_to_string(directory.join(CHECKPOINTS)).unwrap();
    if text.is_empty() {
        return 0;
    }
    let mut copy = DatabaseCopy::open(&database(directory)).await.unwrap();
    let evidence = AuditEvidence {
        checkpoints: Some((&text, key)),
        vault: None,
    };
    let report = copy.check_audit(&evidence).await.unwrap();
    assert_eq!(report.findings, []);
    report.checkpoints
}

fn start(directory: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "killed::the_process_that_writes", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets the process write for `time` after its first acknowledgement, kills it, and takes in what was
/// acknowledged. Returns the newest revision of it.
fn write_and_kill(directory: &Path, time: Duration, known: &mut Acknowledged) -> u64 {
    let mut child = start(directory);
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            // Where the test is over, nobody listens.
            let _nobody = sender.send(line);
        }
    });
    let mut revision = 0;
    let mut take = |line: &str| {
        // A line that was cut off by the end has no mark.
        let fields: Vec<_> = line.split(' ').collect();
        if let ["ack", number, name, mark] = fields.as_slice() {
            revision = number.parse().unwrap();
            known.insert((*name).to_owned(), mark.parse().ok());
            return true;
        }
        false
    };
    let start = Instant::now();
    while !take(&lines.recv_timeout(Duration::from_secs(30)).unwrap()) {
        assert!(start.elapsed() < Duration::from_secs(30), "it never wrote");
    }
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        if let Ok(line) = lines.recv_timeout(left) {
            take(&line);
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    lines.iter().for_each(|line| {
        take(&line);
    });
    revision
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_and_the_vault_opens() {
    let rounds: u32 = env::var("KEYWARD_KILL_ROUNDS").map_or(10, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let path = database(directory.path());
    let file = init(&path).await;
    std::fs::write(directory.path().join("key"), file.to_text().expose()).unwrap();

    let mut known = Acknowledged::new();
    let mut checkpoints = 0;
    for round in 0..rounds {
        let time = Duration::from_micros(random() % 60_000);
        let acknowledged = write_and_kill(directory.path(), time, &mut known);

        let (store, vault) = unseal(&path, &file).await;
        let loaded = store.load().await.unwrap();
        assert_eq!(loaded.tampered, [], "round {round}");
        // One write at most was under way when the process ended.
        let under_way = loaded.revision.checked_sub(acknowledged).expect("lost");
        assert!(under_way <= 1, "round {round}: {under_way}");
        let feed = store.feed_after(acknowledged).await.unwrap();
        assert_eq!(feed.subjects.len(), usize::try_from(under_way).unwrap());
        let verdict = store.verify_audit().await.unwrap();
        let lines = loaded.revision;
        assert_eq!(verdict, AuditVerdict::Whole { lines }, "round {round}");

        let key = store.audit_public_key().await.unwrap();
        checkpoints = check_checkpoints(directory.path(), key).await;

        let mut changed = 0;
        for (name, mark) in &mut known {
            let stored = read(&store, &vault, name).await;
            if stored != *mark {
                changed += 1;
                *mark = stored;
            }
        }
        assert!(changed <= under_way, "round {round}: {changed} were lost");
        store.close().await;
    }
    assert!(checkpoints > 0, "nothing was ever signed");
}
