use std::{collections::BTreeSet, fs, io, path::Path, time::Duration};

use keyward_auth::Permission;
use keyward_providers::BaseUrl;
use keyward_registry::{Refusal, testing::every_refusal};
use keyward_testing::{Texts, assert_texts};

use super::{FieldPath, Problem, Step};

#[test]
fn paths_read_as_people_write_them() {
    let path = FieldPath::body().name("policies").index(0).name("effect");
    assert_eq!(path.to_string(), "policies[0].effect");
    assert_eq!(
        serde_json::to_string(&path.0).unwrap(),
        r#"["body","policies",0,"effect"]"#
    );
}

/// What is made without the registry: a problem for each function that makes one, by its name.
fn made() -> Vec<(&'static str, Problem)> {
    let field = &FieldPath::body().name("alias");
    let secret = &FieldPath::body().name("secret");
    let missing = || Problem::invalid(field, "is required");
    let error = io::Error::other("the disk is gone");
    let base_url = BaseUrl::parse("http://a.example").unwrap_err();
    vec![
        ("unauthenticated", Problem::unauthenticated()),
        ("forbidden", Problem::forbidden()),
        (
            "may_not_weaken",
            Problem::may_not_weaken(field, Permission::SecretsStoreWrite),
        ),
        ("no_account", Problem::no_account()),
        ("no_route", Problem::no_route()),
        ("no_method", Problem::no_method()),
        ("malformed_host", Problem::malformed_host()),
        ("host_not_allowed", Problem::host_not_allowed()),
        ("from_a_page", Problem::from_a_page()),
        ("gateway_not_found", Problem::gateway_not_found("staging")),
        ("key_not_found", Problem::key_not_found("0a1b")),
        ("route_not_found", Problem::route_not_found("0a1b")),
        ("log_not_found", Problem::log_not_found("0a1b")),
        ("no_log_body", Problem::no_log_body("0a1b")),
        (
            "route_version_not_found",
            Problem::route_version_not_found("0a1b"),
        ),
        ("no_rotation", Problem::no_rotation()),
        ("token_not_found", Problem::token_not_found("4pHFIHbBrKxd")),
        ("invalid", missing()),
        (
            "custom_base_url",
            Problem::custom_base_url(&FieldPath::body().name("base_url"), &base_url),
        ),
        (
            "invalid_body",
            Problem::invalid_body("the body was cut off"),
        ),
        ("of_secrets_store", missing().of_secrets_store()),
        (
            "changed_meanwhile",
            Problem::changed_meanwhile("if_revision"),
        ),
        (
            "not_verified",
            Problem::not_verified(secret, "wrong key", true),
        ),
        (
            "not_verified, unclear",
            Problem::not_verified(secret, "the provider is failing", false),
        ),
        (
            "too_many_verifications",
            Problem::too_many_verifications(Duration::from_secs(30)),
        ),
        ("too_large", Problem::too_large(1024)),
        ("too_slow", Problem::too_slow(Duration::from_secs(30))),
        ("internal", Problem::internal("show a token", &error)),
        ("unavailable", Problem::unavailable(&error)),
    ]
}

/// The functions of the source that make a problem.
fn makers() -> BTreeSet<&'static str> {
    let source = include_str!("../envelope.rs");
    let (_, source) = source.split_once("\nimpl Problem {\n").unwrap();
    let (source, _) = source.split_once("\n}\n").unwrap();
    let functions = source.split("fn ").skip(1);
    let functions = functions.filter(|function| {
        let signature = function.split('{').next().unwrap();
        signature.contains("-> Self")
    });
    let names = functions.map(|function| function.split('(').next().unwrap());
    // These two finish what others begin.
    names.filter(|name| !["new", "at"].contains(name)).collect()
}

fn told(problem: &Problem) -> String {
    let inner = &problem.0;
    let steps = inner.path.iter().map(|step| match step {
        Step::Name(name) => name.to_string(),
        Step::Index(index) => index.to_string(),
    });
    let steps: Vec<_> = steps.collect();
    let at = match steps.as_slice() {
        [] => String::new(),
        steps => format!("\nat {}", steps.join(" / ")),
    };
    format!("{}, {}\n{}{at}", inner.status, inner.code, inner.message)
}

/// Status and code of each row of the page, in the part about the control plane.
fn written() -> BTreeSet<(u16, u32)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, page) = page.split_once("\n## Control plane\n").unwrap();
    let (page, _) = page.split_once("\n## ").unwrap();
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.trim_matches(['|', ' ']).split(" | ");
        Some((cells.next()?.parse().ok()?, cells.next()?.parse().ok()?))
    });
    rows.collect()
}

#[test]
fn every_problem_says_what_is_wrong_and_stands_in_the_page_of_errors() {
    let made = made();
    // Behind a comma stands which of several.
    let maker = |name: &'static str| name.split(',').next().unwrap();
    let names: BTreeSet<_> = made.iter().map(|(name, _)| maker(name)).collect();
    assert_eq!(names, makers());
    let mut texts = Texts::default();
    let mut given = BTreeSet::new();
    let mut add = |name: &str, problem: &Problem| {
        texts.add(name, &told(problem));
        given.insert((problem.0.status.as_u16(), problem.0.code));
    };
    for (name, problem) in &made {
        add(name, problem);
    }
    for (variant, refusal) in every_refusal() {
        let is_ours = refusal == Refusal::Failed;
        let problem = Problem::from(refusal);
        assert_eq!(problem.status().is_server_error(), is_ours, "{variant}");
        add(&variant, &problem);
    }
    assert_texts!("Problem", texts);
    assert_eq!(written(), given);
}
