//! What an explanation tells of tokens, keys and refusals, and what it does not.

use std::net::Ipv4Addr;

use keyward_auth::Scope;
use keyward_gateway::explain::{Credential, NotFollowed, Outcome, Token};

use super::{Asked, chat, explain, forwarded, refused};
use crate::support::{ACCOUNT, ACTOR, CHAT, Running, Setup, mint, now};

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_names_token_and_key_and_uses_neither() {
    let running = Running::start(Setup::default()).await;
    let (canary, key) = running.store_key("openai", "team").await;
    let (token, minted) = mint(&running.registry, Running::grant()).await;
    let bearer = format!("Bearer {}", token.text());
    let asked = chat(
        &running,
        &[
            ("cf-aig-authorization", &bearer),
            ("cf-aig-byok-alias", "team"),
        ],
    );
    let explained = explain(&running, &asked);
    assert_eq!(explained.token, Token::Known(minted.record.id));
    let told = format!("{explained:?}");
    assert!(
        !told.contains(canary.text()) && !told.contains(token.text()),
        "{told}"
    );
    let said = forwarded(explained);
    match &said.credential {
        Credential::Stored {
            key: id,
            version,
            is_asked_for,
            ..
        } => {
            assert_eq!(
                (*id, version.get(), *is_asked_for),
                (key.record.id, 1, true)
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(said.provider, "openai");
    assert!(
        said.cut_from_answer.contains(&"set-cookie") && !said.may_be_compressed,
        "{said:?}"
    );
    let unknown = chat(&running, &[("cf-aig-authorization", "kw_gw_none")]);
    assert_eq!(refused(explain(&running, &unknown)).code, Some(2009));

    let used = || {
        let snapshot = running.registry.snapshot();
        let token = snapshot
            .tokens()
            .find_by_id(minted.record.id)
            .unwrap()
            .last_used
            .get();
        let key = snapshot
            .provider_key(ACCOUNT, key.record.id)
            .unwrap()
            .last_used
            .get();
        (token.is_some(), key.is_some())
    };
    assert_eq!(used(), (false, false));
    let mut client = running.client().await;
    let headers = [
        ("cf-aig-authorization", bearer.as_str()),
        ("cf-aig-byok-alias", "team"),
    ];
    let answer = client.post(&asked.target, &headers, CHAT).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(used(), (true, true));
    running.stop().await;
}

/// Else who asks often enough would be taken for a guesser.
#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_counts_no_failed_authentication() {
    let running = Running::start(Setup::default()).await;
    let asked = chat(&running, &[("cf-aig-authorization", "kw_gw_none")]);
    let source = Ipv4Addr::new(198, 51, 100, 77);
    for _ in 0..100 {
        let explained = running
            .gateway
            .explain(asked.request(), source.into(), now());
        assert_eq!(refused(explained).code, Some(2009));
    }
    // A source that is over its limit is logged.
    let logs = running.logs.contents();
    assert!(!logs.contains(&source.to_string()));
    running.stop().await;
}

/// Keys and tokens in the wrong places: in the path, as names, encoded.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_may_be_a_key_is_repeated() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let (text, bearer) = (running.token.text(), running.bearer());
    let secret = text.rsplit('_').next().unwrap();
    let key = format!("AIza{}", &secret[..24]);
    for target in [
        running.path(&format!("openai/v1/{key}")),
        running.path(&format!("openai/v1/models?{key}=")),
        running.path(&format!("openai/v1/models?x&{secret}==")),
        running.path(&format!("openai/v1/models?session={}", &secret[..20])),
        running.path(&format!("openai/%6b{}", &text[1..])),
        running.path(&format!("openai/v1/models?%6b{}", &text[1..])),
        running.path(&format!("{key}/v1/models")),
        running.path(&format!("%6b{}/v1/models", &text[1..])),
        format!("/v1/{ACCOUNT}/{key}/openai/v1/models"),
        format!("/v1/{ACCOUNT}/%6b{}/openai/v1/models", &text[1..]),
    ] {
        let mut asked = chat(&running, &[("cf-aig-authorization", bearer.as_str())]);
        asked.target = target;
        let told = format!("{:?}", explain(&running, &asked));
        assert!(!told.contains(&secret[..16]), "{told}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_why_and_what_mends_it() {
    let running = Running::start(Setup::default()).await;
    let mut narrowed = Running::grant();
    narrowed.providers = Scope::only(["anthropic".to_owned()]);
    let (narrowed, minted) = mint(&running.registry, narrowed).await;
    let says = |asked: &Asked, reason: &str, help: &str| {
        let said = refused(explain(&running, asked));
        let (why, what) = (
            said.reason.unwrap_or(said.message),
            said.help.unwrap_or_default(),
        );
        assert!(why.contains(reason), "no `{reason}` in {why}");
        assert!(what.contains(help), "no `{help}` in {what}");
    };
    says(
        &chat(&running, &[]),
        "wants a gateway token",
        "keyward tokens create NAME --gateway prod",
    );
    says(
        &chat(&running, &[("authorization", narrowed.text())]),
        "not for this provider",
        &format!("keyward tokens show {}", minted.record.id),
    );
    says(
        &chat(&running, &[("cf-aig-authorization", &running.bearer())]),
        "no stored key",
        "keyward keys add openai --gateway prod",
    );
    // Nothing happened, so nothing is logged.
    let id = minted.record.id.to_string();
    assert!(!running.logs.contents().contains(&id));
    // A token of another account is as unknown as one that never was, however it stands there.
    let mut other = Running::grant();
    other.disabled = true;
    other.account = keyward_secret::AccountId::from_bytes([0xAD; 16]);
    let account = keyward_registry::AccountRecord {
        id: other.account,
        name: "other".to_owned(),
        created_at: now(),
    };
    running
        .registry
        .create_account(account, ACTOR)
        .await
        .unwrap();
    let (other, _) = mint(&running.registry, other).await;
    let asked = chat(&running, &[("cf-aig-authorization", other.text())]);
    assert_eq!(explain(&running, &asked).token, Token::Unknown);
    says(
        &asked,
        "the account has no such token",
        "keyward tokens list",
    );
    running.stop().await;
}

/// A way that names no provider is not followed, and that is said: not that there is no such provider.
#[tokio::test(flavor = "multi_thread")]
async fn a_way_that_names_no_provider_is_not_followed() {
    let running = Running::start(Setup::default()).await;
    let (token, minted) = mint(&running.registry, Running::grant()).await;
    let bearer = format!("Bearer {}", token.text());
    let asked = |target: String, token: &str| Asked {
        target,
        ..chat(&running, &[("cf-aig-authorization", token)])
    };
    let known = Token::Known(minted.record.id);
    let base = running.path("");
    let below = |rest: &str| format!("{}{rest}", base.trim_end_matches('/'));
    let inference = format!("/client/v4/accounts/{ACCOUNT}/ai/v1/chat/completions");
    for (target, way, token) in [
        (
            below("/compat/chat/completions"),
            NotFollowed::Unified,
            known,
        ),
        (below("/compat/models"), NotFollowed::Models, known),
        (below(""), NotFollowed::Universal, known),
        (below("/"), NotFollowed::Universal, known),
        (inference, NotFollowed::Inference, Token::Absent),
    ] {
        let said = explain(&running, &asked(target.clone(), &bearer));
        assert_eq!(said.token, token, "{target}");
        assert_eq!(said.target, target);
        match said.outcome {
            Outcome::NotFollowed(said) => assert_eq!(said, way, "{target}"),
            other => panic!("{target}: {other:?}"),
        }
    }
    // What is refused before the body is read is refused.
    for target in [below("/compat/chat/completions"), below("")] {
        let said = explain(&running, &asked(target, "kw_gw_none"));
        assert_eq!(refused(said).code, Some(2009));
    }
    let elsewhere = asked(below("/compat/embeddings"), &bearer);
    let mut client = running.client().await;
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let answer = client
        .post(&elsewhere.target, &headers, CHAT)
        .await
        .unwrap();
    let said = refused(explain(&running, &elsewhere));
    assert_eq!(said.status, answer.status);
    assert!(answer.text().contains(&said.message), "{}", answer.text());
    running.stop().await;
}

/// Time limits and attempts are headers of the gateway's own: such a request goes on, and bad ones are refused.
#[tokio::test(flavor = "multi_thread")]
async fn how_a_request_is_to_be_sent_is_decided_too() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let (token, _) = mint(&running.registry, Running::grant()).await;
    let bearer = format!("Bearer {}", token.text());
    let with = |attempts: &str| {
        let headers = [
            ("cf-aig-authorization", bearer.as_str()),
            ("cf-aig-max-attempts", attempts),
        ];
        explain(&running, &chat(&running, &headers))
    };
    assert_eq!(forwarded(with("3")).provider, "openai");
    let said = refused(with("many"));
    assert_eq!(said.status, 400);
    assert!(said.message.contains("cf-aig-max-attempts"), "{said:?}");
    running.stop().await;
}
