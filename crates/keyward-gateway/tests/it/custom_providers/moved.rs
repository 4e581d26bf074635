//! A provider that leads elsewhere, or is made anew: what was stored for it stays behind.

use keyward_registry::{CustomProviderEdit, HeaderInput, KeySource, NewCustomProvider, Refusal};
use keyward_testing::{Canary, Placement};

use super::{World, headers};
use crate::support::{ACCOUNT, ACTOR, code, new_key, now};

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_base_url_takes_no_key_and_no_header_along() {
    let world = World::new(Placement::bearer()).await;
    let origin = world.running.provider.origin();
    let secret = Canary::new("header");
    let json = format!(r#"{{"X-Org":"{}"}}"#, secret.text());
    let new = NewCustomProvider {
        headers: headers(&json),
        ..world.new_provider(&origin)
    };
    let provider = world.add(new).await;
    let (_, key) = world.running.store_key("custom-mine", "default").await;
    assert_eq!(world.chat(&[]).await.status, 200);

    world.move_to(&provider, world.evil_url()).await;
    let own = [("authorization", "Bearer own")];
    for sent in [&[][..], &own] {
        let refused = world.chat(sent).await;
        assert_eq!((refused.status, code(&refused)), (424, 9012));
        assert!(refused.text().contains(&origin), "{}", refused.text());
    }
    // The masks that an answer shows keep what is stored where it is, and move nothing.
    let record = &world.running.registry.snapshot();
    let record = &record.custom_provider(ACCOUNT, "mine").unwrap().record;
    let mask = record.headers.as_ref().unwrap().masks[0].1.clone();
    let kept = headers(&format!(r#"{{"x-org":"{mask}"}}"#));
    let with = |headers| CustomProviderEdit {
        headers: Some(headers),
        ..CustomProviderEdit::default()
    };
    world.edit(&provider, with(kept)).await;
    assert_eq!(code(&world.chat(&own).await), 9012);
    let mixed = headers(&format!(r#"{{"x-org":"{mask}","x-new":"a"}}"#));
    let registry = &world.running.registry;
    let id = provider.record.id;
    let edited = registry.edit_custom_provider(ACCOUNT, id, with(mixed), ACTOR, now());
    let refusal = edited.await.unwrap_err();
    let refusal = refusal.refusal();
    assert!(
        matches!(refusal, Refusal::HeadersElsewhere { .. }),
        "{refusal}"
    );
    // Without headers, the key is still for where it was entered.
    world.edit(&provider, with(HeaderInput::none())).await;
    assert_eq!(code(&world.chat(&[]).await), 9012);
    // A secret that is sealed for elsewhere is not bound to where the provider is now.
    let source = KeySource::Secret(key.record.secret);
    let mut bound = new_key("prod", "custom-mine", source);
    bound.alias = keyward_registry::Alias::parse("second").unwrap();
    let bound = registry.create_provider_key(bound, ACTOR, now()).await;
    assert!(matches!(
        bound.unwrap_err().refusal(),
        Refusal::WrongDestination { .. }
    ));

    // Back where they were entered, they are good again.
    let base_url = provider.record.base_url.clone();
    world.move_to(&provider, base_url).await;
    assert_eq!(world.chat(&[]).await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_made_anew_inherits_no_key() {
    let world = World::new(Placement::bearer()).await;
    let provider = world.add_mine().await;
    world.running.store_key("custom-mine", "team").await;
    world.running.store_key("custom-mine", "default").await;
    assert_eq!(world.chat(&[]).await.status, 200);
    let registry = &world.running.registry;
    let deleted = registry.delete_custom_provider(ACCOUNT, provider.record.id, ACTOR, now());
    assert_eq!(deleted.await.unwrap().1.len(), 2);
    assert_eq!(code(&world.chat(&[]).await), 2008);

    world.add(world.new_provider(&world.evil.origin())).await;
    assert_eq!(code(&world.chat(&[]).await), 2044);
    assert_eq!(
        code(&world.chat(&[("cf-aig-byok-alias", "team")]).await),
        2044
    );
    let account = registry.snapshot().account(ACCOUNT).cloned().unwrap();
    assert_eq!(account.provider_keys().count(), 0);
    world.end().await;
}
