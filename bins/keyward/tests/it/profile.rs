//! Profiles: which control plane and which token a command uses.

use std::{
    fs, io,
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use crate::support::{Dev, Done, keyward, run_with};

fn at_home(dev: &Dev, directory: &Path, args: &[&str]) -> Command {
    let mut command = keyward(directory, args);
    command.env("HOME", dev.path());
    command
}

/// A server, and a profile `here` for it, with a token of its own.
fn profiled() -> Dev {
    let dev = Dev::start();
    dev.make_api_token("mine", "AI Gateway Read");
    let url = dev.text("control_url");
    let set = [
        "profile",
        "set",
        "here",
        "--control-url",
        url,
        "--token-file",
        "mine",
    ];
    run_with(at_home(&dev, dev.path(), &set), "").ok();
    dev
}

fn status(dev: &Dev, prepare: impl FnOnce(&mut Command)) -> Done {
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = at_home(dev, elsewhere.path(), &["status", "--json"]);
    prepare(&mut command);
    run_with(command, "")
}

#[test]
fn a_profile_says_where_and_as_whom_from_any_directory() {
    let dev = profiled();
    let told = status(&dev, |_| ()).ok().json();
    assert_eq!(told["profile"], "here");
    assert_eq!(told["token"]["name"], "mine");
    let file = dev.path().join(".config/keyward/profiles.toml");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert!(!fs::read_to_string(&file).unwrap().contains("kw_api_"));
    dev.stop();
}

#[test]
fn what_to_do_next_names_the_profile() {
    let dev = profiled();
    dev.run(&["keys", "delete", "echo", "--yes"]).ok();
    let told = status(&dev, |_| ()).ok().json();
    assert_eq!(
        told["attention"][0]["command"],
        "keyward keys add openai --profile here"
    );
    dev.stop();
}

#[test]
fn options_stand_above_the_environment_and_that_above_the_profile() {
    let dev = profiled();
    fs::write(dev.path().join("admin"), dev.text("api_token")).unwrap();
    let admin = dev.path().join("admin");
    let told = status(&dev, |command| {
        command.env("KEYWARD_API_TOKEN_FILE", &admin);
    });
    assert_eq!(told.ok().json()["token"]["name"], "made by keyward dev");
    // An URL that is named stands above the profile's, and its token is not sent there.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", other.local_addr().unwrap());
    let told = status(&dev, |command| {
        command.env("KEYWARD_CONTROL_URL", &url);
    });
    told.failed_json(4, "not sent to");
    other.set_nonblocking(true).unwrap();
    assert_eq!(
        other.accept().unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    let named = status(&dev, |command| {
        command
            .env("KEYWARD_PROFILE", "nowhere")
            .args(["--profile", "here"]);
    });
    assert_eq!(named.ok().json()["profile"], "here");
    // A data directory that is named stands above the profile in use.
    let dev_json = status(&dev, |command| {
        command.arg("--data-dir").arg(dev.path().join(".keyward"));
    });
    assert_eq!(dev_json.ok().json()["token"]["name"], "made by keyward dev");
    dev.stop();
}

#[test]
fn profiles_that_others_may_write_are_not_used() {
    let dev = profiled();
    let file = dev.path().join(".config/keyward/profiles.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o620)).unwrap();
    status(&dev, |_| ()).failed_json(1, "others may read or write them");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(
        &file,
        "current = \"x\"\n[profile.x]\ncontrol_ur = \"https://a.example\"\n",
    )
    .unwrap();
    status(&dev, |_| ()).failed_json(1, "profiles.toml:3");
    dev.stop();
}

#[test]
fn a_token_is_never_taken_from_a_variable() {
    let dev = profiled();
    let token = dev.text("api_token").to_owned();
    let told = status(&dev, |command| {
        command.env("KEYWARD_API_TOKEN", &token);
    });
    told.failed_json(2, "never taken from a variable");
    assert!(!told.err.contains(&token));
    dev.stop();
}

#[test]
fn a_profile_does_not_carry_its_token_to_another_control_plane() {
    let dev = profiled();
    let elsewhere = "https://keys.example.com";
    let set = |more: &[&str]| {
        let args = [
            &["profile", "set", "here", "--control-url", elsewhere],
            more,
        ]
        .concat();
        run_with(at_home(&dev, dev.path(), &args), "")
    };
    let url = dev.text("control_url");
    set(&[]).failed(2, &["is for", url, "--token-file FILE"]);
    let args = ["profile", "show", "here"];
    let shown = run_with(at_home(&dev, dev.path(), &args), "").ok().out;
    assert!(shown.contains(url) && !shown.contains(elsewhere), "{shown}");
    set(&["--token-file", "mine"]).ok();
    dev.stop();
}
