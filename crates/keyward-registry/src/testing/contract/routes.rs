//! What a store promises of routes, their versions and their deployments.

use keyward_routes::RouteName;

use super::{
    ONE, TWO, commit, load, put, read,
    records::{everything, gateway, value},
    time,
};
use crate::{
    Change, Part, RegistryStore, RouteChange, RouteDeploymentId, RouteDeploymentRecord, RouteId,
    RouteRecord, RouteVersionId, RouteVersionRecord, Subject,
};

const ALL: Part = Part {
    skipped: 0,
    most: u32::MAX,
};

pub(super) fn route() -> RouteRecord {
    RouteRecord {
        id: RouteId::from_bytes([0x6e; 16]),
        account: ONE,
        gateway: gateway().id,
        name: RouteName::parse("Support-bot_2.1").expect("a name"),
        deployed: version(1).id,
        versions: u32::MAX,
        deployments: u32::MAX,
        created_at: time(20),
        modified_at: time(21),
    }
}

pub(super) fn version(number: u8) -> RouteVersionRecord {
    RouteVersionRecord {
        id: RouteVersionId::from_bytes([number; 16]),
        account: ONE,
        route: RouteId::from_bytes([0x6e; 16]),
        number: number.into(),
        elements: r#"[ {"id": "naïve 'quoted'"} ]"#.into(),
        comment: Some("a note\nof two lines".to_owned()),
        created_at: time(22),
    }
}

pub(super) fn deployment(number: u8) -> RouteDeploymentRecord {
    RouteDeploymentRecord {
        id: RouteDeploymentId::from_bytes([number; 16]),
        account: ONE,
        route: RouteId::from_bytes([0x6e; 16]),
        number: number.into(),
        version: version(number).id,
        comment: None,
        created_at: time(23),
    }
}

pub(super) fn deployed() -> (RouteRecord, Option<RouteVersionRecord>) {
    (route(), Some(version(1)))
}

async fn numbers(store: &dyn RegistryStore, part: Part) -> (Vec<u32>, Vec<u32>) {
    let id = route().id;
    let versions = store.route_versions(ONE, id, part).await.expect("a list");
    let made = store
        .route_deployments(ONE, id, part)
        .await
        .expect("a list");
    (
        versions.iter().map(|version| version.number).collect(),
        made.iter().map(|made| made.number).collect(),
    )
}

pub(super) async fn a_history_is_read_by_part(store: &dyn RegistryStore) {
    put(store, everything(&value())).await;
    for number in 2..=4 {
        let changes = vec![
            Change::Route(RouteChange::PutVersion(version(number))),
            Change::Route(RouteChange::PutDeployment(deployment(number))),
        ];
        put(store, changes).await;
    }
    assert_eq!(
        numbers(store, ALL).await,
        (vec![4, 3, 2, 1], vec![4, 3, 2, 1])
    );
    let part = Part {
        skipped: 1,
        most: 2,
    };
    assert_eq!(numbers(store, part).await, (vec![3, 2], vec![3, 2]));
    let beyond = Part {
        skipped: 4,
        most: 2,
    };
    assert_eq!(numbers(store, beyond).await, (vec![], vec![]));

    let find = |account, id| store.find_route_version(account, route().id, id);
    let found = find(ONE, version(3).id).await.expect("a look-up");
    assert_eq!(found, Some(version(3)));
    assert_eq!(find(TWO, version(3).id).await.expect("a look-up"), None);
    let unknown = RouteVersionId::from_bytes([0xff; 16]);
    assert_eq!(find(ONE, unknown).await.expect("a look-up"), None);

    // A version is deployed by the route alone.
    let later = RouteRecord {
        deployed: version(3).id,
        ..route()
    };
    put(
        store,
        vec![Change::Route(RouteChange::PutRoute(later.clone()))],
    )
    .await;
    assert_eq!(load(store).await.routes, [(later, Some(version(3)))]);

    let (account, route) = (ONE, route().id);
    let removed = vec![
        Change::Route(RouteChange::DeleteVersion {
            account,
            route,
            number: 2,
        }),
        Change::Route(RouteChange::DeleteDeployment {
            account,
            route,
            number: 1,
        }),
    ];
    put(store, removed).await;
    assert_eq!(numbers(store, ALL).await, (vec![4, 3, 1], vec![4, 3, 2]));
    let feed = store.feed_after(5).await.expect("a feed");
    assert_eq!(feed.subjects, [Subject::Route(ONE, route)]);
}

pub(super) async fn a_deleted_route_takes_its_history_along(store: &dyn RegistryStore) {
    put(store, everything(&value())).await;
    let (account, id) = (ONE, route().id);
    put(
        store,
        vec![Change::Route(RouteChange::DeleteRoute { account, id })],
    )
    .await;
    assert_eq!(numbers(store, ALL).await, (vec![], vec![]));
    assert!(read(store, &Subject::Route(ONE, id)).await.is_none());
    // Made anew under the same id and name, it has no version.
    commit(store, vec![Change::Route(RouteChange::PutRoute(route()))])
        .await
        .expect("the name is free");
    assert_eq!(load(store).await.routes, [(route(), None)]);
}
