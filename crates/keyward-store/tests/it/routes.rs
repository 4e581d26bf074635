//! Dynamic routes through the registry, over this store: what a change publishes, what is kept, what is honoured.

use std::{path::Path, sync::Arc, time::SystemTime};

use keyward_providers::Catalogue;
use keyward_registry::{
    AccountRecord, Actor, AuditStore, Change, ChangeError, GatewayId, GatewaySettings,
    KEPT_DEPLOYMENTS, KEPT_VERSIONS, LONGEST_COMMENT, MOST_ROUTES, NewRoute, Part, Refusal,
    Registry, RegistryStore, Route, RouteChange, RouteId, RouteVersionId, RouteVersionRecord,
    Subject,
};
use keyward_routes::RouteName;
use sqlx::{Connection, migrate::Migrator};

use crate::support::{
    ACCOUNT, Fixture, commit, database, gateway, open, put_token, stranger, time, token,
};

const PROD: (keyward_secret::AccountId, &str) = (ACCOUNT, "prod");
const ACTOR: Actor = Actor::Command("test");
const ALL: Part = Part {
    skipped: 0,
    most: u32::MAX,
};

fn elements(model: &str) -> String {
    format!(
        r#"[{{"id":"s","type":"start","outputs":{{"next":{{"elementId":"m"}}}}}},{{"id":"m","type":"model","properties":{{"provider":"openai","model":"{model}"}},"outputs":{{"success":{{"elementId":"e"}}}}}},{{"id":"e","type":"end","outputs":{{}}}}]"#
    )
}

fn name(text: &str) -> RouteName {
    RouteName::parse(text).unwrap()
}

async fn registry(fixture: &Fixture) -> Registry {
    let store = Arc::clone(&fixture.store) as Arc<dyn RegistryStore>;
    let catalogue = Arc::new(Catalogue::built_in().unwrap());
    Registry::open(store, Arc::clone(&fixture.vault), catalogue)
        .await
        .unwrap()
}

/// An account with a gateway.
async fn start() -> (Fixture, Registry) {
    let fixture = Fixture::new().await;
    let registry = registry(&fixture).await;
    let account = AccountRecord {
        id: ACCOUNT,
        name: "default".to_owned(),
        created_at: time(0),
    };
    registry.create_account(account, ACTOR).await.unwrap();
    make_gateway(&registry, "prod").await;
    (fixture, registry)
}

async fn make_gateway(registry: &Registry, id: &str) {
    let id = GatewayId::parse(id).unwrap();
    let settings = GatewaySettings::default();
    let made = registry.create_gateway(ACCOUNT, id, settings, ACTOR, time(0));
    made.await.unwrap();
}

async fn create(registry: &Registry, route: &str, model: &str) -> Result<Arc<Route>, ChangeError> {
    let new = NewRoute {
        account: ACCOUNT,
        gateway: GatewayId::parse("prod").unwrap(),
        name: name(route),
        elements: elements(model),
        comment: None,
    };
    registry.create_route(new, ACTOR, time(1)).await
}

async fn save(registry: &Registry, id: RouteId, model: &str) -> RouteVersionRecord {
    let saved = (elements(model), Some(format!("for {model}")));
    let made = registry.create_route_version(PROD, id, saved, ACTOR, time(2));
    made.await.unwrap()
}

async fn deploy(
    registry: &Registry,
    id: RouteId,
    version: RouteVersionId,
    now: SystemTime,
) -> Result<Arc<Route>, ChangeError> {
    let deployed = registry.deploy_route(PROD, id, (version, None), ACTOR, now);
    deployed.await
}

/// The model that requests for a route are sent to: as the request path finds it.
fn model(registry: &Registry, route: &str) -> Option<String> {
    let snapshot = registry.snapshot();
    let route = snapshot.gateway(ACCOUNT, "prod")?.route(route)?;
    let model = route.graph()?.models().next()?.model().to_owned();
    Some(model)
}

#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T, ChangeError>) -> Refusal {
    result.expect_err("it was done").refusal().clone()
}

/// The audit log agrees with the tables, row by row.
async fn check_audit(fixture: &Fixture) {
    let state = fixture.store.check_audit().await.unwrap();
    assert_eq!(state.findings, []);
    assert!(state.verified_to > 0);
}

async fn numbers(registry: &Registry, id: RouteId) -> (Vec<u32>, Vec<u32>) {
    let store = registry.store();
    let versions = store.route_versions(ACCOUNT, id, ALL).await.unwrap();
    let made = store.route_deployments(ACCOUNT, id, ALL).await.unwrap();
    (
        versions.iter().map(|version| version.number).collect(),
        made.iter().map(|made| made.number).collect(),
    )
}

#[tokio::test]
async fn a_version_is_followed_from_its_deployment_on() {
    let (mut fixture, first) = start().await;
    let route = create(&first, "bot", "one").await.unwrap();
    let id = route.record.id;
    let version_one = route.deployed().unwrap().id;
    assert_eq!(model(&first, "bot").as_deref(), Some("one"));

    let second = save(&first, id, "two").await;
    assert_eq!(model(&first, "bot").as_deref(), Some("one"));
    let mut reader = first.reader();
    let deployed = deploy(&first, id, second.id, time(3)).await.unwrap();
    // A worker sees it with its next request.
    let (snapshot, _is_new) = reader.current();
    let seen = snapshot.gateway(ACCOUNT, "prod").unwrap().route("bot");
    assert_eq!(seen.unwrap().record, deployed.record);
    assert_eq!(model(&first, "bot").as_deref(), Some("two"));

    // Back, which is a deployment as well.
    deploy(&first, id, version_one, time(4)).await.unwrap();
    assert_eq!(model(&first, "bot").as_deref(), Some("one"));
    assert_eq!(numbers(&first, id).await, (vec![2, 1], vec![3, 2, 1]));
    let saved = first.store().find_route_version(ACCOUNT, id, second.id);
    assert_eq!(&*saved.await.unwrap().unwrap().elements, elements("two"));

    drop(first);
    fixture.reopen().await;
    let again = registry(&fixture).await;
    assert!(again.tampered().is_empty());
    assert_eq!(model(&again, "bot").as_deref(), Some("one"));
    check_audit(&fixture).await;
    fixture.store.close().await;
}

#[tokio::test]
async fn a_name_is_one_routes_at_a_time() {
    let (fixture, registry) = start().await;
    let one = create(&registry, "one", "m").await.unwrap();
    let id = one.record.id;
    create(&registry, "two", "m").await.unwrap();
    let taken = Refusal::RouteExists("two".to_owned());
    assert_eq!(refusal(create(&registry, "two", "m").await), taken);
    let renamed = registry.rename_route(PROD, id, name("two"), ACTOR, time(2));
    assert_eq!(refusal(renamed.await), taken);

    let renamed = registry.rename_route(PROD, id, name("uno"), ACTOR, time(2));
    assert_eq!(renamed.await.unwrap().record.name, name("uno"));
    assert_eq!(model(&registry, "one"), None);
    assert_eq!(model(&registry, "uno").as_deref(), Some("m"));
    // To its own name, and the old one is free.
    let same = registry.rename_route(PROD, id, name("uno"), ACTOR, time(3));
    same.await.unwrap();
    create(&registry, "one", "n").await.unwrap();
    assert_eq!(model(&registry, "one").as_deref(), Some("n"));
    fixture.store.close().await;
}

#[tokio::test]
async fn what_is_no_route_is_refused_and_stored_nowhere() {
    let (fixture, registry) = start().await;
    let id = create(&registry, "bot", "m").await.unwrap().record.id;
    let before = fixture.store.load().await.unwrap().revision;
    let new = |gateway: &str, elements: &str| NewRoute {
        account: ACCOUNT,
        gateway: GatewayId::parse(gateway).unwrap(),
        name: name("other"),
        elements: elements.to_owned(),
        comment: None,
    };
    let unknown = elements("m").replace("openai", "opnai");
    let faulty = registry.create_route(new("prod", &unknown), ACTOR, time(2));
    let Refusal::RouteElements(error) = refusal(faulty.await) else {
        panic!("another refusal");
    };
    assert_eq!(error.faults().len(), 1);
    assert_eq!(error.faults()[0].element(), Some("m"));
    let nowhere = registry.create_route(new("none", &elements("m")), ACTOR, time(2));
    let none = Refusal::GatewayNotFound("none".to_owned());
    assert_eq!(refusal(nowhere.await), none);

    let version = registry.create_route_version(PROD, id, ("[]".to_owned(), None), ACTOR, time(2));
    assert!(matches!(refusal(version.await), Refusal::RouteElements(_)));
    let missing = RouteVersionId::from_bytes([0xee; 16]);
    let deployed = deploy(&registry, id, missing, time(2)).await;
    assert_eq!(
        refusal(deployed),
        Refusal::RouteVersionNotFound(missing.to_string())
    );
    // Under another gateway it is not there.
    make_gateway(&registry, "other").await;
    let elsewhere = registry.delete_route((ACCOUNT, "other"), id, ACTOR, time(2));
    assert_eq!(
        refusal(elsewhere.await),
        Refusal::RouteNotFound(id.to_string())
    );
    // The gateway alone was written.
    let after = fixture.store.load().await.unwrap();
    assert_eq!((after.revision, after.routes.len()), (before + 1, 1));
    fixture.store.close().await;
}

#[tokio::test]
async fn a_comment_that_is_too_long_is_refused_and_nothing_is_stored() {
    let (fixture, registry) = start().await;
    let route = create(&registry, "bot", "m").await.unwrap();
    let (id, version) = (route.record.id, route.deployed().unwrap().id);
    let longest = "é".repeat(LONGEST_COMMENT / 2);
    let longer = format!("{longest}a");
    let before = fixture.store.load().await.unwrap().revision;
    for (comment, is_refused) in [(longer, true), (longest, false)] {
        let comment = Some(comment);
        let new = NewRoute {
            account: ACCOUNT,
            gateway: GatewayId::parse("prod").unwrap(),
            name: name("other"),
            elements: elements("m"),
            comment: comment.clone(),
        };
        let created = registry.create_route(new, ACTOR, time(2)).await.map(drop);
        let saved = (elements("m"), comment.clone());
        let saved = registry.create_route_version(PROD, id, saved, ACTOR, time(2));
        let saved = saved.await.map(drop);
        let deployed = registry.deploy_route(PROD, id, (version, comment), ACTOR, time(2));
        let deployed = deployed.await.map(drop);
        for result in [created, saved, deployed] {
            if is_refused {
                let too_long = Refusal::CommentTooLong(LONGEST_COMMENT);
                assert_eq!(refusal(result), too_long);
            } else {
                result.unwrap();
            }
        }
        let written = if is_refused { 0 } else { 3 };
        let after = fixture.store.load().await.unwrap().revision;
        assert_eq!(after, before + written);
    }
    fixture.store.close().await;
}

#[tokio::test]
async fn a_version_of_another_route_is_not_deployed() {
    let (fixture, registry) = start().await;
    let one = create(&registry, "one", "m").await.unwrap();
    let two = create(&registry, "two", "n").await.unwrap();
    let foreign = two.deployed().unwrap().id;
    let deployed = deploy(&registry, one.record.id, foreign, time(2)).await;
    let missing = Refusal::RouteVersionNotFound(foreign.to_string());
    assert_eq!(refusal(deployed), missing);
    fixture.store.close().await;
}

#[tokio::test]
async fn the_newest_versions_and_the_deployed_one_are_kept() {
    let (fixture, registry) = start().await;
    let id = create(&registry, "bot", "first").await.unwrap().record.id;
    let mut newest = save(&registry, id, "next").await;
    for _ in 2..KEPT_VERSIONS + 2 {
        newest = save(&registry, id, "next").await;
    }
    let (versions, _) = numbers(&registry, id).await;
    // The first is deployed; the second went.
    assert_eq!(newest.number, KEPT_VERSIONS + 2);
    let kept: Vec<_> = (3..=KEPT_VERSIONS + 2).rev().chain([1]).collect();
    assert_eq!(versions, kept);
    assert_eq!(model(&registry, "bot").as_deref(), Some("first"));

    // It goes when another takes its place.
    deploy(&registry, id, newest.id, time(3)).await.unwrap();
    let (versions, _) = numbers(&registry, id).await;
    let kept: Vec<_> = (3..=KEPT_VERSIONS + 2).rev().collect();
    assert_eq!(versions, kept);
    for _ in 0..KEPT_DEPLOYMENTS {
        deploy(&registry, id, newest.id, time(4)).await.unwrap();
    }
    let (_, made) = numbers(&registry, id).await;
    let kept: Vec<_> = (3..=KEPT_DEPLOYMENTS + 2).rev().collect();
    assert_eq!(made, kept);
    // What went is told of in the audit log, which agrees with the tables.
    check_audit(&fixture).await;
    fixture.store.close().await;
}

#[tokio::test]
async fn a_gateway_has_so_many_routes() {
    let (fixture, registry) = start().await;
    let first = create(&registry, "first", "m").await.unwrap();
    let (record, version) = (first.record.clone(), first.deployed().unwrap().clone());
    let mut changes = Vec::new();
    for number in 1..MOST_ROUTES {
        let mut bytes = [0xcc; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        let id = RouteId::from_bytes(bytes);
        let mut record = record.clone();
        (record.id, record.name) = (id, name(&format!("r{number}")));
        let mut version = version.clone();
        version.route = id;
        changes.extend([
            Change::Route(RouteChange::PutRoute(record)),
            Change::Route(RouteChange::PutVersion(version)),
        ]);
    }
    commit(&fixture.store, changes).await.unwrap();
    let registry = self::registry(&fixture).await;
    let refused = refusal(create(&registry, "more", "m").await);
    assert_eq!(refused, Refusal::TooManyRoutes(MOST_ROUTES));
    registry
        .delete_route(PROD, first.record.id, ACTOR, time(2))
        .await
        .unwrap();
    create(&registry, "more", "m").await.unwrap();
    fixture.store.close().await;
}

#[tokio::test]
async fn a_deleted_route_and_a_deleted_gateway_leave_nothing() {
    let (fixture, registry) = start().await;
    let one = create(&registry, "one", "m").await.unwrap().record.id;
    let two = create(&registry, "two", "m").await.unwrap().record.id;
    save(&registry, two, "n").await;
    let gone = registry.delete_route(PROD, one, ACTOR, time(2)).await;
    assert_eq!(gone.unwrap().record.name, name("one"));
    assert_eq!(model(&registry, "one"), None);
    assert_eq!(numbers(&registry, one).await, (vec![], vec![]));

    registry
        .delete_gateway(ACCOUNT, "prod", ACTOR, time(3))
        .await
        .unwrap();
    assert!(registry.snapshot().route(ACCOUNT, two).is_none());
    assert_eq!(numbers(&registry, two).await, (vec![], vec![]));
    // A gateway that is made anew has no route.
    make_gateway(&registry, "prod").await;
    assert_eq!(model(&registry, "two"), None);
    let loaded = fixture.store.load().await.unwrap();
    assert!(loaded.routes.is_empty());
    check_audit(&fixture).await;
    fixture.store.close().await;
}

/// Whoever can write to the file alone changes no way.
#[tokio::test]
async fn what_was_changed_by_hand_is_not_followed() {
    for (edit, kind) in [
        ("UPDATE routes SET name = 'other'", "route"),
        (
            "UPDATE routes SET deployed = (SELECT id FROM route_versions WHERE number = 2)",
            "route",
        ),
        (
            "UPDATE route_versions SET elements = replace(elements, 'one', 'evil') WHERE number = 1",
            "route_version",
        ),
    ] {
        let (mut fixture, first) = start().await;
        let id = create(&first, "bot", "one").await.unwrap().record.id;
        save(&first, id, "two").await;
        drop(first);
        let mut stranger = fixture.stranger().await;
        let edited = sqlx::query(edit).execute(&mut stranger).await.unwrap();
        assert_eq!(edited.rows_affected(), 1);
        stranger.close().await.unwrap();
        fixture.reopen().await;

        let again = registry(&fixture).await;
        let tampered = again.tampered();
        assert_eq!(tampered.len(), 1, "{edit}");
        assert_eq!(tampered[0].kind, kind, "{edit}");
        assert_eq!(model(&again, "bot"), None, "{edit}");
        assert_eq!(model(&again, "other"), None, "{edit}");
        if kind == "route" {
            // What is not honoured keeps no name.
            let name = if edit.contains("other") {
                "other"
            } else {
                "bot"
            };
            create(&again, name, "new").await.unwrap();
            assert_eq!(model(&again, name).as_deref(), Some("new"));
        } else {
            // The route is there, and another version can be deployed.
            let saved = save(&again, id, "new").await;
            deploy(&again, id, saved.id, time(5)).await.unwrap();
            assert_eq!(model(&again, "bot").as_deref(), Some("new"));
        }
        fixture.store.close().await;
    }
}

/// A release may take less than the one that stored it.
#[tokio::test]
async fn a_version_that_is_no_graph_any_more_stops_its_route_alone() {
    let (mut fixture, first) = start().await;
    let route = create(&first, "bot", "one").await.unwrap();
    create(&first, "other", "two").await.unwrap();
    let id = route.record.id;
    let mut record = route.record.clone();
    record.versions = 2;
    let mut version = route.deployed().unwrap().clone();
    version.id = RouteVersionId::from_bytes([0xaa; 16]);
    version.number = 2;
    version.elements = r#"[{"id":"s","type":"of a later release"}]"#.into();
    record.deployed = version.id;
    let unusable = version.id;
    let changes = vec![
        Change::Route(RouteChange::PutRoute(record)),
        Change::Route(RouteChange::PutVersion(version)),
    ];
    commit(&fixture.store, changes).await.unwrap();
    drop(first);
    fixture.reopen().await;

    let again = registry(&fixture).await;
    assert_eq!(model(&again, "bot"), None);
    assert_eq!(model(&again, "other").as_deref(), Some("two"));
    let snapshot = again.snapshot();
    let kept = snapshot.route(ACCOUNT, id).unwrap();
    assert!(kept.graph().is_none() && kept.deployed().is_some());
    let deployed = deploy(&again, id, unusable, time(5)).await;
    assert!(matches!(refusal(deployed), Refusal::RouteElements(_)));
    let back = route.deployed().unwrap().id;
    deploy(&again, id, back, time(5)).await.unwrap();
    assert_eq!(model(&again, "bot").as_deref(), Some("one"));
    fixture.store.close().await;
}

#[tokio::test]
async fn every_change_has_its_line_in_the_audit_log() {
    let (fixture, registry) = start().await;
    let id = create(&registry, "bot", "one").await.unwrap().record.id;
    let saved = save(&registry, id, "two").await;
    deploy(&registry, id, saved.id, time(3)).await.unwrap();
    let renamed = registry.rename_route(PROD, id, name("b"), ACTOR, time(4));
    renamed.await.unwrap();
    let deleted = registry.delete_route(PROD, id, ACTOR, time(5));
    deleted.await.unwrap();
    let mut stranger = fixture.stranger().await;
    let actions: Vec<String> = sqlx::query_scalar(
        "SELECT action FROM audit WHERE subject_kind = 'route' AND subject_id = $1 ORDER BY seq",
    )
    .bind(id.to_string())
    .fetch_all(&mut stranger)
    .await
    .unwrap();
    let written = [
        "route.create",
        "route_version.create",
        "route_deployment.create",
        "route.rename",
        "route.delete",
    ];
    assert_eq!(actions, written);
    stranger.close().await.unwrap();
    fixture.store.close().await;
}

/// A database that is older than routes is brought up to date, and takes them.
#[tokio::test]
async fn a_database_of_schema_8_takes_routes() {
    let mut fixture = Fixture::new().await;
    fixture.store.close().await;
    let path = database(fixture.directory.path());
    std::fs::remove_file(&path).unwrap();
    std::fs::File::create(&path).unwrap();
    let mut old = stranger(&path).await;
    let migrator = Migrator::new(Path::new("migrations")).await.unwrap();
    migrator.run_to(8, &mut old).await.unwrap();
    old.close().await.unwrap();
    fixture.store = Arc::new(open(&path, &fixture.vault).await);
    let changes = vec![
        Change::PutGateway(gateway("prod")),
        put_token(token(1, "one")),
    ];
    commit(&fixture.store, changes).await.unwrap();
    let account = AccountRecord {
        id: ACCOUNT,
        name: "default".to_owned(),
        created_at: time(0),
    };
    commit(&fixture.store, vec![Change::PutAccount(account)])
        .await
        .unwrap();
    let registry = registry(&fixture).await;
    let route = create(&registry, "bot", "one").await.unwrap();
    let subject = Subject::Route(ACCOUNT, route.record.id);
    assert!(fixture.store.read(&subject).await.unwrap().is_some());
    assert_eq!(model(&registry, "bot").as_deref(), Some("one"));
    fixture.store.close().await;
}
