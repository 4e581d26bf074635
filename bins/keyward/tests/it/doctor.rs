//! `keyward doctor`: each check is broken once, and says so.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Dev, Done, keyward, run_with};

const FREE: &str = "[gateway]\nlisten = \"127.0.0.1:0\"\n[control]\nlisten = \"127.0.0.1:0\"\n";

/// A data directory that a server used and left, and a configuration of it.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(Dev::start().stop());
        machine.configure("");
        machine
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn configure(&self, more: &str) {
        let text = format!("data_dir = \".keyward\"\n{FREE}{more}");
        fs::write(self.path().join("keyward.toml"), text).unwrap();
    }

    fn doctor(&self, args: &[&str]) -> Done {
        let args = [&["doctor", "--config", "keyward.toml", "--json"], args].concat();
        run_with(keyward(self.path(), &args), "")
    }

    /// Exactly this check fails, and says this.
    #[track_caller]
    fn fails(&self, args: &[&str], check: &str, says: &[&str]) {
        let done = self.doctor(args);
        assert_eq!(done.code, Some(5), "{done:?}");
        let checks = done.json();
        let failed: Vec<_> = checks
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["result"] == "failed")
            .collect();
        assert_eq!(names(&failed), [check], "{done:?}");
        let error = failed[0]["error"].to_string();
        for text in says {
            assert!(error.contains(text), "no `{text}` in {error}");
        }
        assert!(failed[0]["error"]["help"].is_string());
        // What does not need the broken thing was checked all the same.
        assert_eq!(checks.as_array().unwrap().len(), 12);
    }
}

fn names<'a>(checks: &[&'a Value]) -> Vec<&'a str> {
    checks
        .iter()
        .map(|one| one["check"].as_str().unwrap())
        .collect()
}

#[test]
fn a_machine_that_is_well_passes_and_nothing_is_changed() {
    let machine = Machine::new();
    let files = || {
        let mut files: Vec<_> = fs::read_dir(machine.path().join(".keyward"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
            .collect();
        files.sort();
        files
    };
    let before = files();
    let checks = machine.doctor(&[]).ok().json();
    let results: Vec<_> = checks
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["check"].as_str().unwrap(),
                one["result"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        results,
        [
            ("configuration", "passed"),
            ("folders", "passed"),
            ("clock", "passed"),
            ("roots", "passed"),
            ("certificates", "skipped"),
            ("store", "passed"),
            ("seal", "passed"),
            ("ports", "passed"),
            ("disk", "passed"),
            ("limits", "passed"),
            ("token", "skipped"),
            ("providers", "skipped"),
        ]
    );
    assert!(files() == before, "files were changed");
}

#[test]
fn beside_a_running_server_the_vault_counts_as_open_and_the_ports_as_ours() {
    let dev = Dev::start();
    let address = |name: &str| dev.text(name).trim_start_matches("http://").to_owned();
    let mut command = keyward(dev.path(), &["doctor", "--json"]);
    command
        .env("KEYWARD_GATEWAY_LISTEN", address("gateway_url"))
        .env("KEYWARD_CONTROL_LISTEN", address("control_url"));
    let checks = run_with(command, "").ok().json();
    let find = |name: &str| {
        let mut all = checks.as_array().unwrap().iter();
        all.find(|one| one["check"] == name).unwrap().clone()
    };
    assert_eq!(find("seal")["told"], "a server has the vault open");
    assert_eq!(
        find("ports")["told"]
            .as_str()
            .unwrap()
            .matches("Keyward's own")
            .count(),
        2
    );
    assert_eq!(find("token")["result"], "passed");
    dev.stop();
}

#[test]
fn a_wrong_configuration_is_told_and_the_rest_goes_on() {
    let machine = Machine::new();
    machine.configure("[log]\nfilter = \"a=b=c\"\n");
    machine.fails(&[], "configuration", &["no filter"]);
    machine.configure("[gatway]\n");
    machine.fails(
        &["--data-dir", ".keyward"],
        "configuration",
        &["gatway", "keyward.toml:6", "gateway"],
    );
}

#[test]
fn folders_that_others_may_look_into_are_told() {
    let machine = Machine::new();
    for (file, mode, mends) in [
        (".keyward", 0o755, "chmod 700"),
        (".keyward/key", 0o644, "chmod 600"),
    ] {
        let path = machine.path().join(file);
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        machine.fails(&[], "folders", &["others may read", file, mends]);
        fs::set_permissions(&path, before).unwrap();
    }
}

#[test]
fn a_clock_behind_the_database_is_told() {
    let machine = Machine::new();
    let database = fs::File::options()
        .write(true)
        .open(machine.path().join(".keyward/keyward.db"))
        .unwrap();
    let later =
        fs::metadata(machine.path()).unwrap().modified().unwrap() + Duration::from_secs(86_400);
    database.set_modified(later).unwrap();
    machine.fails(&[], "clock", &["written later", "timedatectl"]);
}

#[test]
fn an_authority_that_is_none_is_told() {
    let machine = Machine::new();
    fs::write(machine.path().join("ca.pem"), "nothing\n").unwrap();
    machine.configure("[tls]\nextra_ca_files = [\"ca.pem\"]\n");
    machine.fails(&[], "roots", &["certificate", "extra_ca_files"]);
}

#[test]
fn a_listeners_certificate_that_is_missing_is_told() {
    let machine = Machine::new();
    let text = format!(
        "data_dir = \".keyward\"\n{}",
        FREE.replace(
            "[control]",
            "tls_cert_file = \"c.pem\"\ntls_key_file = \"k.pem\"\n[control]"
        )
    );
    fs::write(machine.path().join("keyward.toml"), text).unwrap();
    machine.fails(&[], "certificates", &["tls_"]);
}

#[test]
fn a_database_that_is_missing_damaged_or_newer_is_told() {
    let machine = Machine::new();
    let database = machine.path().join(".keyward/keyward.db");
    let whole = fs::read(&database).unwrap();
    let mut newer = whole.clone();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&database, newer).unwrap();
    machine.fails(&[], "store", &["schema 99", "newer"]);
    fs::write(&database, vec![b'x'; 4096]).unwrap();
    machine.fails(&[], "store", &["damaged", "backup"]);
    fs::remove_file(&database).unwrap();
    machine.fails(&[], "store", &["no vault", "vault init"]);
}

#[test]
fn a_key_file_that_does_not_open_the_vault_is_told() {
    let machine = Machine::new();
    let other = Dev::start().stop();
    let key = machine.path().join(".keyward/key");
    fs::copy(other.path().join(".keyward/key"), &key).unwrap();
    machine.fails(&[], "seal", &["stays sealed", ".keyward/key"]);
}

#[test]
fn a_port_that_another_program_has_is_told() {
    let machine = Machine::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    // Whoever connects is turned away at once.
    std::thread::spawn(move || {
        while let Ok((stream, _)) = other.accept() {
            drop(stream)
        }
    });
    let text = format!(
        "data_dir = \".keyward\"\n{}",
        FREE.replacen("127.0.0.1:0", &address, 1)
    );
    fs::write(machine.path().join("keyward.toml"), text).unwrap();
    machine.fails(&[], "ports", &[&address, "ss -ltnp", "[gateway] listen"]);
}

#[test]
fn a_full_disk_is_told() {
    // A file system of no size at all.
    let done = run_with(
        keyward(
            Path::new("/"),
            &["doctor", "--json", "--data-dir", "/proc/self"],
        ),
        "",
    );
    let checks = done.json();
    let disk = checks
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["check"] == "disk")
        .unwrap();
    assert!(
        disk["told"].as_str().unwrap().contains("almost full"),
        "{disk}"
    );
    assert_eq!(disk["error"]["at"], "/proc/self");
}

#[test]
fn limits_that_are_too_low_are_told() {
    let machine = Machine::new();
    let command = format!(
        "ulimit -n 64; exec '{}' doctor --config keyward.toml",
        env!("CARGO_BIN_EXE_keyward")
    );
    let mut limited = std::process::Command::new("/bin/sh");
    limited
        .current_dir(machine.path())
        .args(["-c", &command])
        .env_clear();
    let done = run_with(limited, "");
    assert_eq!(done.code, Some(5), "{done:?}");
    assert!(
        done.out.contains("FAILED   limits         only 64 files"),
        "{done:?}"
    );
    assert!(done.out.contains("LimitNOFILE"), "{done:?}");
}

#[test]
fn a_token_that_is_not_accepted_is_told() {
    let dev = Dev::start();
    fs::write(dev.path().join("other"), "kw_api_AAAAAAAAAAAA_nothing").unwrap();
    let mut command = keyward(dev.path(), &["doctor"]);
    command
        .env("KEYWARD_GATEWAY_LISTEN", "127.0.0.1:0")
        .env("KEYWARD_CONTROL_LISTEN", "127.0.0.1:0")
        .env("KEYWARD_API_TOKEN_FILE", "other")
        .env("KEYWARD_CONTROL_URL", dev.text("control_url"));
    let done = run_with(command, "");
    assert_eq!(done.code, Some(5), "{done:?}");
    assert!(
        done.out
            .contains("FAILED   token          the control plane does not accept"),
        "{done:?}"
    );
    assert!(done.err.contains("1 of 12 checks failed"), "{done:?}");
    dev.stop();
}

#[test]
fn a_provider_that_cannot_be_reached_is_told_and_only_when_asked_for() {
    let machine = Machine::new();
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    machine.configure(&format!(
        "[providers.openai]\nbase_url = \"https://{address}\"\n"
    ));
    machine.doctor(&[]).ok();
    machine.fails(
        &["--online"],
        "providers",
        &[&address.to_string(), "refused"],
    );
}
