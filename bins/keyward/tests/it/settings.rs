//! What a server tells of how it is set up.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::{Value, json};

use crate::{
    serve::serve,
    support::{Dev, send},
};

fn settings(control_url: &str, token: &str) -> Value {
    let url = format!("{control_url}/client/v4/keyward/settings");
    let bearer = format!("Bearer {token}");
    let answer = send("GET", &url, &[("authorization", &bearer)], "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["result"].clone()
}

/// The warnings whose text says this.
fn warnings<'a>(settings: &'a Value, says: &str) -> Vec<&'a Value> {
    let all = settings["setup"]["warnings"].as_array().unwrap();
    let said = |warning: &&Value| warning["what"].as_str().unwrap().contains(says);
    all.iter().filter(said).collect()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn dev_tells_where_it_listens_what_opens_it_and_that_the_key_lies_beside_the_data() {
    let dev = Dev::start();
    let told = settings(dev.text("control_url"), dev.text("api_token"));
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(told["sealed"], false);
    let setup = &told["setup"];
    assert_eq!(
        setup["slots"],
        json!([{"number": 1, "opened_by": "key file"}])
    );
    assert_eq!(setup["opened_by"], "key file");
    let address = |name: &str| dev.text(name).strip_prefix("http://").unwrap();
    assert_eq!(
        setup["listeners"],
        json!([
            {"plane": "data", "address": address("gateway_url"), "tls": false},
            {"plane": "control", "address": address("control_url"), "tls": false},
        ])
    );
    let [beside] = warnings(&told, "beside the data").try_into().unwrap();
    assert_eq!(beside["setting"], "[seal] key_file");
    assert!(warnings(&told, "others may").is_empty(), "{told}");
    let text = told.to_string();
    assert!(!text.contains("kw_"), "{text}");
    dev.stop();
}

#[test]
fn serve_tells_of_what_others_may_read_and_which_setting_mends_it() {
    let dev = Dev::start();
    let token = dev.text("api_token").to_owned();
    let directory = dev.stop();
    let file = "data_dir = \".keyward\"\n[seal]\nkey_file = \".keyward/key\"\ndanger_key_beside_data = true\n\
                [gateway]\nlisten = \"127.0.0.1:0\"\nworkers = 1\n[control]\nlisten = \"127.0.0.1:0\"\n\
                [log]\nformat = \"json\"\n[secrets_store]\nquota = 17\n";
    fs::write(directory.path().join("keyward.toml"), file).unwrap();
    let data = directory.path().join(".keyward");
    mode(&data, 0o755);
    mode(&data.join("key"), 0o644);
    let (server, _) = serve(directory.path(), &[("KEYWARD_NO_SUCH", "1")]);
    let logged = server.logged();
    let lines = logged
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let mut controls = lines.filter(|line: &Value| line["message"] == "control plane");
    let url = controls.next().unwrap()["url"].as_str().unwrap().to_owned();
    let told = settings(&url, &token);
    let [beside] = warnings(&told, "beside the data").try_into().unwrap();
    assert_eq!(beside["setting"], "[seal] danger_key_beside_data");
    let open = warnings(&told, "others may read or change");
    let helps: Vec<_> = open
        .iter()
        .map(|one| one["help"].as_str().unwrap())
        .collect();
    assert!(
        helps.iter().any(|help| help.starts_with("chmod 700"))
            && helps
                .iter()
                .any(|help| help.starts_with("chmod 600") && help.ends_with("key")),
        "{helps:?}"
    );
    assert_eq!(warnings(&told, "KEYWARD_NO_SUCH").len(), 1);
    let limits = told["setup"]["limits"].as_array().unwrap();
    assert!(
        limits
            .iter()
            .any(|limit| limit["setting"] == "[secrets_store] quota" && limit["value"] == "17"),
        "{limits:?}"
    );
    server.stop();
}
