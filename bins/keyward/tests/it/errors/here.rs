//! The data directory and the vault, without a server.

use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    path::Path,
};

use keyward_testing::assert_texts;
use tempfile::TempDir;

use super::Area;
use crate::{
    slots::{QUICK, configure, secret_file, shell, slots, vault},
    support::{Dev, keyward, run_with},
};

/// Writes into the database at this offset.
fn spoil(data: &Path, at: u64, bytes: &[u8]) {
    let file = fs::OpenOptions::new()
        .write(true)
        .open(data.join("keyward.db"));
    let mut file = file.unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_data_directory_that_cannot_be_used() {
    let dev = Dev::start();
    let path = dev.path().to_owned();
    let mut area = Area::new(&path);
    let status = "vault status --data-dir .keyward";
    area.fails("a server uses it", "keyward.db", status);
    let directory = dev.stop();
    let data = directory.path().join(".keyward");
    let whole = fs::read(data.join("keyward.db")).unwrap();
    area.fails(
        "there is a vault already",
        "keyward.db",
        "vault init --data-dir .keyward --key-file key --token-out token",
    );
    // The header's user version (sqlite.org/fileformat2.html).
    spoil(&data, 60, &99_u32.to_be_bytes());
    area.fails("a newer version wrote it", "keyward.db", status);
    spoil(&data, 0, &[b'x'; 8192]);
    area.fails("it is damaged", "keyward.db", status);
    fs::write(data.join("keyward.db"), whole).unwrap();
    fs::write(data.join("dev.json"), "{\"api_token\": 1}").unwrap();
    area.fails("dev.json is spoilt", "dev.json:1:", "keys list");
    fs::remove_file(data.join("dev.json")).unwrap();
    fs::create_dir(data.join("dev.json")).unwrap();
    area.fails("dev.json is a directory", "dev.json", "keys list");
    fs::write(
        path.join("away.toml"),
        "[store]\npath = \"absent/keyward.db\"\n",
    )
    .unwrap();
    area.fails(
        "the database's directory is away",
        "absent/keyward.db",
        "dev --listen 127.0.0.1:0 --control-listen 127.0.0.1:0 --config away.toml",
    );
    assert_texts!("data", area.texts);
}

#[test]
fn a_vault_that_stays_sealed() {
    let directory = vault();
    let path = directory.path();
    let _right = secret_file(&directory, "phrase");
    let _wrong = secret_file(&directory, "wrong-phrase");
    let mut area = Area::new(path);
    let test = "vault slots test --config keyward.toml";
    let with = |means: &str| format!("{test} --open-with {means}");
    let file = |variable: &'static str, name: &'static str| [(variable, name)];
    area.fails_with(
        "no slot of this kind",
        "",
        &with("passphrase"),
        &file("KEYWARD_PASSPHRASE_FILE", "phrase"),
    );
    let mut add = keyward(
        path,
        &[
            "vault",
            "slots",
            "add",
            "passphrase",
            QUICK,
            "--config",
            "keyward.toml",
        ],
    );
    add.env("KEYWARD_NEW_PASSPHRASE_FILE", "phrase");
    run_with(add, "").ok();
    area.fails_with(
        "a wrong passphrase",
        "",
        &with("passphrase"),
        &file("KEYWARD_PASSPHRASE_FILE", "wrong-phrase"),
    );
    area.fails("no passphrase is named", "", &with("passphrase"));
    area.fails_with(
        "the passphrase's file is away",
        "KEYWARD_PASSPHRASE_FILE: absent",
        &with("passphrase"),
        &file("KEYWARD_PASSPHRASE_FILE", "absent"),
    );
    area.fails_with(
        "a file descriptor that is no number",
        "KEYWARD_PASSPHRASE_FD",
        &with("passphrase"),
        &file("KEYWARD_PASSPHRASE_FD", "three"),
    );
    area.fails("no recovery key is named", "", &with("recovery-key"));
    fs::write(path.join("recovery"), "K3Y0-MISTYPED\n").unwrap();
    area.fails_with(
        "a recovery key that is cut short",
        "KEYWARD_RECOVERY_KEY_FILE: recovery",
        &with("recovery-key"),
        &file("KEYWARD_RECOVERY_KEY_FILE", "recovery"),
    );
    fs::write(path.join("recovery"), "K3Y0!\n").unwrap();
    area.fails_with(
        "a recovery key with another character",
        "KEYWARD_RECOVERY_KEY_FILE: recovery",
        &with("recovery-key"),
        &file("KEYWARD_RECOVERY_KEY_FILE", "recovery"),
    );
    area.fails("no command is configured", "", &with("command"));

    other_means_fail(&mut area, path, test);
    assert_texts!("vault", area.texts);
}

/// The key file, and the command.
fn other_means_fail(area: &mut Area<'_>, path: &Path, test: &str) {
    let key = fs::read(path.join("key")).unwrap();
    fs::write(path.join("key"), "KEYWARD-KEY-FILE-1 AAAA\n").unwrap();
    area.fails("the key file is cut short", "key", test);
    fs::write(path.join("key"), "another file\n").unwrap();
    area.fails("the key file is none", "key", test);
    fs::remove_file(path.join("key")).unwrap();
    area.fails("the key file is away", "key", "serve --config keyward.toml");
    let other = vault();
    fs::copy(other.path().join("key"), path.join("key")).unwrap();
    area.fails("the key file of another vault", "key", test);
    fs::write(path.join("key"), key).unwrap();

    configure(path, &shell(path, "exit 7"));
    area.fails("the command fails", "/bin/sh", test);
    configure(path, &shell(path, "echo short"));
    area.fails("the command writes too little", "/bin/sh", test);
    configure(path, "command = [\"/absent\"]");
    area.fails("the command is away", "/absent", test);
    configure(path, "");
    area.fails(
        "nothing is named that opens it",
        "",
        "serve --config keyward.toml",
    );
    area.redact(other.path().display().to_string(), "<other>");
}

#[test]
fn slots_and_vaults_that_are_not_made() {
    let directory = vault();
    let path = directory.path();
    fs::write(path.join("short"), "too short\n").unwrap();
    let mut area = Area::new(path);
    let slots_of = |what: &str| format!("vault slots {what} --config keyward.toml");
    area.fails("a slot that there is not", "", &slots_of("remove 9 --yes"));
    area.fails("the last slot", "", &slots_of("remove 1 --yes"));
    slots(&directory, &["add", "key-file", "--key-file", "second"]).ok();
    area.fails("the slot that was opened", "", &slots_of("remove 1 --yes"));
    area.fails("a removal without a terminal", "", &slots_of("remove 2"));
    area.fails(
        "a slot for the same key file",
        "",
        &slots_of("add key-file --key-file second"),
    );
    area.fails("no key file is named", "", &slots_of("add key-file"));
    area.fails(
        "too little memory",
        "--memory-mib",
        &slots_of("add passphrase --memory-mib 1"),
    );
    area.fails(
        "a recovery key into a pipe",
        "",
        &slots_of("add recovery-key"),
    );
    area.fails(
        "no new passphrase is named",
        "",
        &slots_of("add passphrase"),
    );
    area.fails_with(
        "a passphrase that is too short",
        "KEYWARD_NEW_PASSPHRASE_FILE: short",
        &slots_of("add passphrase"),
        &[("KEYWARD_NEW_PASSPHRASE_FILE", "short")],
    );
    let init = "vault init --data-dir new --token-out token-of-new";
    area.fails("nothing is named for a new vault", "", init);
    area.fails(
        "a key file beside the data",
        "new/key",
        &format!("{init} --key-file new/key"),
    );
    area.fails(
        "a passphrase and a key file",
        "",
        &format!("{init} --key-file key --passphrase"),
    );
    assert!(!path.join("new").exists() && !path.join("token-of-new").exists());
    assert_texts!("slots", area.texts);
}

/// A directory without a server, and without anything that names one.
#[test]
fn no_control_plane_is_known() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let mut area = Area::new(path);
    area.fails("nothing names one", "", "keys list");
    area.fails("no profile is in use", "", "profile show");
    area.fails(
        "a profile that there is not",
        "",
        "keys list --profile work",
    );
    area.fails("a new profile without a URL", "", "profile set work");
    area.fails(
        "a profile for a token file that is away",
        "absent",
        "profile set work --control-url https://keys.example.com --token-file absent",
    );
    fs::write(path.join("token"), "kw_api_none").unwrap();
    let mode = |path: &Path, mode| {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&path.join("token"), 0o644);
    area.fails(
        "a token file that others may read",
        "token",
        "profile set work --control-url https://keys.example.com --token-file token",
    );
    let profiles = path.join(".config/keyward/profiles.toml");
    fs::create_dir_all(profiles.parent().unwrap()).unwrap();
    fs::write(&profiles, "current = \"work\"\n").unwrap();
    mode(&profiles, 0o666);
    area.fails(
        "profiles that others may write",
        "profiles.toml",
        "keys list",
    );
    fs::write(&profiles, "curent = \"work\"\n").unwrap();
    mode(&profiles, 0o600);
    area.fails("profiles with a mistake", "profiles.toml:1", "keys list");
    fs::remove_file(&profiles).unwrap();
    let url = |url: &str| format!("keys list --control-url {url}");
    let place = "--control-url";
    area.fails(
        "a URL of another scheme",
        place,
        &url("ftp://127.0.0.1:8788"),
    );
    area.fails("a URL without a scheme", place, &url("127.0.0.1:8788"));
    area.fails("a URL with a path", place, &url("http://127.0.0.1:8788/x"));
    area.fails(
        "another machine in clear",
        place,
        &url("http://192.0.2.1:8788"),
    );
    assert_texts!("control_plane", area.texts);
}
