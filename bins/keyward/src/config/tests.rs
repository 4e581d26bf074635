use std::{ffi::OsString, path::Path};

use super::{
    Config, LogFormat,
    fields::{FIELDS, PROVIDER_FIELDS, sample},
};

fn nothing(_: &str) -> Option<OsString> {
    None
}

#[track_caller]
fn check_refused(text: &str, expected: &[&str]) {
    let failure = Config::parse(text, Path::new("dir/keyward.toml"), nothing);
    let told = failure.expect_err(text).to_string();
    for expected in expected {
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn every_listed_field_is_one_of_the_configuration() {
    for field in FIELDS {
        let value = sample(field);
        let text = match field.section {
            "" => format!("{} = {value}", field.name),
            section => format!("[{section}]\n{} = {value}", field.name),
        };
        let parsed = Config::parse(&text, Path::new("keyward.toml"), nothing);
        assert!(parsed.is_ok(), "{text}: {}", parsed.unwrap_err());
    }
    for field in PROVIDER_FIELDS {
        let text = format!("[providers.openai]\n{} = {}", field.name, sample(field));
        assert!(Config::parse(&text, Path::new("keyward.toml"), nothing).is_ok());
    }
}

#[test]
fn an_unknown_key_is_told_with_its_line_and_the_nearest_name() {
    check_refused(
        "\n[gatway]\nlisten = 1",
        &[
            "`gatway` is not a known key",
            "dir/keyward.toml:2:2",
            "did you mean `gateway`?",
        ],
    );
    check_refused(
        "[gateway]\nlisten = \"127.0.0.1:1\"\n  lisen = 1",
        &[
            "`lisen` in `[gateway]`",
            "dir/keyward.toml:3:3",
            "did you mean `listen`?",
        ],
    );
    check_refused(
        "[providers.opnai]\nbase_url = \"https://x.example\"",
        &["no provider `opnai`", ":1:12", "did you mean `openai`?"],
    );
    check_refused(
        "[providers.openai]\nbaseurl = \"https://x.example\"",
        &["`baseurl` in `[providers.openai]`", ":2:1", "`base_url`"],
    );
    check_refused("xyzzy = 1", &["known are data_dir"]);
}

#[test]
fn a_wrong_value_is_told_with_its_line() {
    check_refused("[gateway]\nlisten = \"here\"", &["dir/keyward.toml:2:10"]);
    check_refused("[gateway]\nworkers = 0", &["dir/keyward.toml:2:11"]);
    check_refused("[log]\nformat = \"yaml\"", &["yaml", ":2:10"]);
    check_refused("[gateway\n", &["dir/keyward.toml:1:9"]);
    check_refused(
        "[control]\nallowed_hosts = [\"https://a.example\"]",
        &[
            "`https://a.example` is no host name",
            "leave out the scheme",
            ":2:17",
        ],
    );
}

#[test]
fn paths_are_relative_to_the_file_and_variables_stand_above_it() {
    let text = "data_dir = \"data\"\n[seal]\nkey_file = \"/etc/key\"\n[tls]\nextra_ca_files = [\"ca.pem\"]\n[log]\nformat = \"text\"\n";
    let variables = |name: &str| {
        let value = match name {
            "KEYWARD_LOG_FORMAT" => "json",
            "KEYWARD_GATEWAY_WORKERS" => "3",
            "KEYWARD_CONTROL_ALLOWED_HOSTS" => "a.example, b.example",
            "KEYWARD_PROVIDERS_OPENAI_BASE_URL" => "https://x.example",
            "KEYWARD_LOG" => "debug",
            _ => return None,
        };
        Some(OsString::from(value))
    };
    let config = Config::parse(text, Path::new("/etc/keyward/keyward.toml"), variables).unwrap();
    assert_eq!(config.data_dir(None), Path::new("/etc/keyward/data"));
    assert_eq!(config.seal.key_file.as_deref(), Some(Path::new("/etc/key")));
    assert_eq!(
        config.tls.extra_ca_files,
        [Path::new("/etc/keyward/ca.pem")]
    );
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.filter.as_deref(), Some("debug"));
    assert_eq!(config.gateway(None).workers.get(), 3);
    assert_eq!(config.control.hosts(), ["a.example", "b.example"]);
    let openai = config.providers.get("openai").unwrap();
    assert_eq!(openai.base_url.as_deref(), Some("https://x.example"));
}

#[test]
fn a_wrong_variable_is_told_by_name() {
    for (name, value) in [
        ("KEYWARD_GATEWAY_WORKERS", "many"),
        ("KEYWARD_GATEWAY_WORKERS", "0"),
        ("KEYWARD_CONTROL_LISTEN", "here"),
        ("KEYWARD_DANGER_PLAIN_HTTP_LISTEN", "yes"),
    ] {
        let variables = |asked: &str| (asked == name).then(|| OsString::from(value));
        let failure = Config::parse("", Path::new(""), variables).unwrap_err();
        assert!(failure.to_string().contains(name), "{failure}");
    }
}
