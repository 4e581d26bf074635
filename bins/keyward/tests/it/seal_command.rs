//! `[seal] command`: what it may do, and how it ends.

use std::{fs, process::Command};

use crate::{
    serve::serve,
    slots::{QUICK, configure, secret_file, shell, slots, vault},
    support::{keyward, run, run_with, until},
};

#[test]
fn serve_opens_by_command_and_never_by_recovery_key() {
    let directory = vault();
    let _kms = secret_file(&directory, "kms");
    let seen = directory.path().join("environ");
    let script = format!(
        "cat /proc/self/environ > {}\ncat {}\necho complaint >&2\n",
        seen.display(),
        directory.path().join("kms").display()
    );
    let seal = shell(directory.path(), &script);
    configure(directory.path(), &seal);
    let add = ["add", "command", QUICK, "--open-key-file", "key"];
    slots(&directory, &add).ok();
    let environment = [("KEYWARD_LOG", "trace"), ("LEAK", "of the environment")];
    let (server, _url) = serve(directory.path(), &environment);
    assert!(server.logged().contains("opened by command"));
    assert!(!server.logged().contains("complaint"));
    server.stop();
    // The shell sets some of its own; none came from us.
    let environ = fs::read_to_string(&seen).unwrap();
    assert!(
        !environ.contains("LEAK") && !environ.contains("KEYWARD"),
        "{environ}"
    );

    configure(directory.path(), "");
    let recover = [
        "add",
        "recovery-key",
        "--recovery-out",
        "recovery",
        "--open-key-file",
        "key",
    ];
    slots(&directory, &recover).ok();
    let mut command = keyward(directory.path(), &["serve", "--config", "keyward.toml"]);
    command.env("KEYWARD_RECOVERY_KEY_FILE", "recovery");
    run_with(command, "").failed(3, &["nothing that opens it is named"]);
}

#[test]
fn a_command_that_fails_leaves_the_vault_sealed() {
    let directory = vault();
    let _kms = secret_file(&directory, "kms");
    let kms = directory.path().join("kms").display().to_string();
    let serve = ["serve", "--config", "keyward.toml"];
    for (script, says) in [
        (format!("cat {kms}; exit 7"), "exit status: 7"),
        ("echo null".to_owned(), "the output is 4 bytes long"),
        ("exit 0".to_owned(), "the output is 0 bytes long"),
        (
            format!("cat {kms}; head -c 70000 /dev/zero"),
            "more than 65536 bytes",
        ),
        ("yes".to_owned(), "more than 65536 bytes"),
        (format!("cat {kms}; kill -9 $$"), "signal: 9"),
    ] {
        configure(directory.path(), &shell(directory.path(), &script));
        run(directory.path(), &serve)
            .failed(3, &["did not give what opens the vault", says, "/bin/sh"]);
    }
    // It gives something, and that is not it.
    configure(
        directory.path(),
        &shell(directory.path(), &format!("cat {kms}")),
    );
    run(directory.path(), &serve).failed(3, &["stays sealed", "it has no command slot"]);
    configure(directory.path(), "command = [\"/no/such/program\"]");
    run(directory.path(), &serve).failed(3, &["could not be started", "No such file"]);
}

#[test]
fn a_command_that_hangs_is_killed_with_what_it_started() {
    let directory = vault();
    let pids = directory.path().join("pids");
    // One hangs with the pipe open, one without; the grandchild holds the pipe in both.
    for script in [
        "sleep 1000 & echo $! $$ > PIDS; wait",
        "sleep 1000 & echo $! $$ > PIDS; exit 0",
    ] {
        let script = script.replace("PIDS", &pids.display().to_string());
        let seal = format!(
            "{}\ncommand_timeout_secs = 1",
            shell(directory.path(), &script)
        );
        configure(directory.path(), &seal);
        let serve = run(directory.path(), &["serve", "--config", "keyward.toml"]);
        serve.failed(3, &["did not end within 1 s, and was killed"]);
        for pid in fs::read_to_string(&pids).unwrap().split_whitespace() {
            until("the process is gone", || is_gone(pid));
        }
    }
}

/// Ended; whether its parent has asked for how does not matter.
fn is_gone(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    state.is_empty() || state.starts_with('Z')
}

#[test]
fn the_command_is_named_by_path_in_the_file_alone() {
    let directory = vault();
    let serve = ["serve", "--config", "keyward.toml"];
    for seal in [
        "command = []",
        "command = [\"sh\", \"x\"]",
        "command = [\"./x\"]",
    ] {
        configure(directory.path(), seal);
        run(directory.path(), &serve).failed(1, &["absolute path", "keyward.toml:3:11"]);
    }
    configure(directory.path(), "command = \"/bin/sh x\"");
    run(directory.path(), &serve).failed(1, &["keyward.toml:3:11"]);
    configure(
        directory.path(),
        "command = [\"/bin/true\"]\ncommand_timeout_secs = 61",
    );
    run(directory.path(), &serve).failed(1, &["1 to 60 seconds"]);
    configure(directory.path(), "key_file = \"key\"");
    let mut command = keyward(directory.path(), &serve);
    command.env("KEYWARD_SEAL_COMMAND", "/bin/true");
    run_with(command, "").failed(1, &["KEYWARD_SEAL_COMMAND", "configuration file only"]);
    configure(
        directory.path(),
        "key_file = \"key\"\ncommand = [\"/bin/true\"]",
    );
    run(directory.path(), &serve).failed(1, &["both a key file and a command"]);
    let program = directory.path().join("program");
    fs::write(&program, "#!/bin/sh\n").unwrap();
    assert!(
        Command::new("chmod")
            .arg("775")
            .arg(&program)
            .status()
            .unwrap()
            .success()
    );
    configure(
        directory.path(),
        &format!("command = [\"{}\"]", program.display()),
    );
    run(directory.path(), &serve).failed(3, &["may change it", "chmod go-w"]);
}
