//! What the configuration and the files say.

use std::{fs, net::TcpListener, path::Path};

use keyward_testing::assert_texts;
use tempfile::TempDir;

use super::Area;

/// `dev` on free ports.
const DEV: &str = "dev --listen 127.0.0.1:0 --control-listen 127.0.0.1:0 --workers 1";

#[test]
fn a_configuration_that_cannot_be_used() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let mut area = Area::new(path);
    let dev = &format!("{DEV} --config c.toml");
    let mut written = |how: &str, place: &str, text: &str, line: &str| {
        fs::write(path.join("c.toml"), text).unwrap();
        area.fails(how, place, line);
    };
    written("the syntax is wrong", "c.toml:1:9", "[gateway\n", dev);
    written("an unknown section", "c.toml:1:2", "[gatway]\n", dev);
    written(
        "an unknown key",
        "c.toml:2:1",
        "[gateway]\nlisen = \"127.0.0.1:1\"\n",
        dev,
    );
    written(
        "a key that is like no other",
        "c.toml:2:1",
        "[gateway]\ncolour = 1\n",
        dev,
    );
    written(
        "a bad value",
        "c.toml:2:11",
        "[gateway]\nworkers = 0\n",
        dev,
    );
    written(
        "a value of another kind",
        "c.toml:2:11",
        "[gateway]\nworkers = \"many\"\n",
        dev,
    );
    written(
        "a host name for an address",
        "c.toml:2:10",
        "[gateway]\nlisten = \"localhost:8787\"\n",
        dev,
    );
    written(
        "an unknown provider",
        "c.toml:1:12",
        "[providers.opnai]\nbase_url = \"x\"\n",
        dev,
    );
    written(
        "a base URL in clear",
        "c.toml: [providers.openai]",
        "[providers.openai]\nbase_url = \"http://a.example\"\n",
        dev,
    );
    written(
        "a filter that is none",
        "KEYWARD_LOG",
        "[log]\nfilter = \"a=b=c\"\n",
        dev,
    );
    written(
        "a file of authorities that is away",
        "absent.pem",
        "[tls]\nextra_ca_files = [\"absent.pem\"]\n",
        dev,
    );
    written(
        "a checkpoint file that cannot be made",
        "absent/checkpoints",
        "[audit]\ncheckpoint_file = \"absent/checkpoints\"\n",
        dev,
    );
    fails_the_check(&mut area, path);
    assert_texts!("configuration", area.texts);
}

/// What a check finds without a start.
fn fails_the_check(area: &mut Area<'_>, path: &Path) {
    let mut written = |how: &str, place: &str, text: &str, line: &str| {
        fs::write(path.join("c.toml"), text).unwrap();
        area.fails(how, place, line);
    };
    let check = "config check c.toml";
    written(
        "a certificate without its key",
        "c.toml",
        "[gateway]\ntls_cert_file = \"cert.pem\"\n",
        check,
    );
    written(
        "a key file and a command",
        "c.toml",
        "[seal]\nkey_file = \"key\"\ncommand = [\"/bin/true\"]\n",
        check,
    );
    written(
        "two reasons",
        "c.toml",
        "[control]\nlisten = \"0.0.0.0:8788\"\n[gateway]\nmemory_budget = \"1 MiB\"\nmax_connections = 16\n",
        check,
    );
    area.fails(
        "the file is away",
        "absent.toml",
        &format!("{DEV} --config absent.toml"),
    );
    area.fails("the file is a directory", "/", "config check /");
    area.fails_with(
        "a variable with a bad value",
        "KEYWARD_GATEWAY_WORKERS",
        DEV,
        &[("KEYWARD_GATEWAY_WORKERS", "many")],
    );
    area.fails_with(
        "a variable that is mistyped",
        "the environment",
        "config check",
        &[("KEYWARD_GATWAY_LISTEN", "127.0.0.1:1")],
    );
}

/// A file that exists stands where a new one is to be made, or a directory is away.
#[test]
fn a_file_that_cannot_be_used() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    fs::write(path.join("file"), "mine").unwrap();
    let mut area = Area::new(path);
    let init = "vault init --data-dir data --key-file key";
    area.fails(
        "a file for a token that exists",
        "file",
        &format!("{init} --token-out file"),
    );
    area.fails(
        "a file for a token in a directory that is away",
        "absent/token",
        &format!("{init} --token-out absent/token"),
    );
    area.fails("a token into a pipe", "", init);
    area.fails(
        "a data directory that is a file",
        "file",
        &format!("{DEV} --data-dir file"),
    );
    area.fails("manual pages into a file", "file", "man file");
    area.fails(
        "a copy of the log that is away",
        "absent.db",
        "audit verify absent.db",
    );
    area.fails(
        "a copy that is no database and no export",
        "file",
        "audit verify file",
    );
    area.fails("no vault", "keyward.db", "vault status --data-dir absent");
    assert_eq!(fs::read(path.join("file")).unwrap(), b"mine");
    assert_texts!("files", area.texts);
}

/// `serve` on this address.
fn serve(path: &Path, listen: &str) {
    let text = format!(
        "data_dir = \"data\"\n[seal]\nkey_file = \"key\"\n[gateway]\nlisten = \"{listen}\"\n"
    );
    fs::write(path.join("serve.toml"), text).unwrap();
}

#[test]
fn an_address_that_cannot_be_listened_on() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = busy.local_addr().unwrap().to_string();
    let mut area = Area::new(path);
    area.redact(&taken, "127.0.0.1:<taken>");
    area.fails(
        "a port that is taken",
        "--listen",
        &format!("dev --listen {taken} --control-listen 127.0.0.1:0"),
    );
    area.fails(
        "a port that is taken, for the control plane",
        "--control-listen",
        &format!("dev --listen 127.0.0.1:0 --control-listen {taken}"),
    );
    drop(busy);
    area.fails(
        "dev for other machines",
        "--listen",
        "dev --listen 0.0.0.0:0 --control-listen 127.0.0.1:0",
    );
    serve(path, "0.0.0.0:0");
    area.fails(
        "a public address in clear",
        "[gateway] listen",
        "serve --config serve.toml",
    );
    assert_texts!("listeners", area.texts);
}
