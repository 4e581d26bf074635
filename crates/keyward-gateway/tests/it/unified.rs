//! One endpoint for every provider, in OpenAI's form.

use keyward_auth::{Grant, Scope};
use keyward_providers::Catalogue;
use keyward_testing::{Behaviour, Placement, client::RawAnswer};
use serde_json::json;

use crate::support::{ACCOUNT, Running, Setup, code, mint};

async fn ask(running: &Running, body: &[u8], headers: &[(&str, &str)]) -> RawAnswer {
    let path = running.path("compat/chat/completions");
    let mut client = running.client().await;
    client.post(&path, headers, body).await.unwrap()
}

async fn authorized(running: &Running, body: &[u8]) -> RawAnswer {
    let bearer = running.bearer();
    ask(running, body, &[("cf-aig-authorization", &bearer)]).await
}

fn body(model: &str) -> Vec<u8> {
    // As no serialiser would write it.
    format!("{{ \"messages\":[ ] ,\"model\" :\"{model}\",\n\"n\": 1.0, \"n\": 2}} ").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_provider_gets_its_own_path_its_key_and_the_rest_of_the_body_as_it_came() {
    let running = Running::start(Setup {
        slugs: &["openai", "anthropic", "groq", "google-ai-studio"],
        placement: Placement::bearer(),
        ..Setup::default()
    })
    .await;
    let catalogue = Catalogue::built_in().unwrap();
    for (slug, model) in [
        ("openai", "gpt-5"),
        ("anthropic", "claude-sonnet-4-5"),
        ("groq", "openai/gpt-oss-20b"),
        ("google-ai-studio", "gemini-2.5-pro"),
    ] {
        let (key, _) = running.store_key(slug, "default").await;
        let answer = authorized(&running, &body(&format!("{slug}/{model}"))).await;
        assert_eq!(answer.status, 200, "{slug}: {}", answer.text());
        assert_eq!(answer.header("cf-aig-provider"), Some(slug));
        assert_eq!(answer.header("cf-aig-model"), Some(model));
        assert_eq!(answer.header("cf-aig-step"), Some("0"));
        let recorded = running.provider.take_recorded();
        let [request] = recorded.as_slice() else {
            panic!("one request");
        };
        let chat = catalogue.find(slug).unwrap().compat().unwrap().chat();
        assert!(request.path().ends_with(chat), "{}", request.path());
        assert_eq!(request.body, body(model), "{slug}");
        let length = request.header("content-length").map(str::to_owned);
        assert_eq!(length, Some(request.body.len().to_string()));
        let bearer = format!("Bearer {}", key.text());
        assert_eq!(request.header_all("authorization"), [bearer.as_bytes()]);
        assert_eq!(request.header("x-api-key"), None);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_may_stand_where_openais_key_would_and_a_key_of_the_clients_own_goes_through() {
    let running = Running::start(Setup::default()).await;
    let (stored, _) = running.store_key("openai", "default").await;
    let bearer = running.bearer();
    let answer = ask(
        &running,
        &body("openai/gpt-5"),
        &[("authorization", &bearer)],
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = running.provider.take_recorded();
    let expected = format!("Bearer {}", stored.text());
    assert_eq!(sent[0].header("authorization"), Some(expected.as_str()));
    let own = keyward_testing::Canary::new("own");
    running.provider.accept_keys([own.text(), stored.text()]);
    let own = format!("Bearer {}", own.text());
    let headers = [
        ("cf-aig-authorization", bearer.as_str()),
        ("authorization", own.as_str()),
    ];
    let answer = ask(&running, &body("openai/gpt-5"), &headers).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = running.provider.take_recorded();
    assert_eq!(sent[0].header("authorization"), Some(own.as_str()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_wrongly_is_told() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    for (sent, status, expected, part) in [
        (body("gpt-5"), 400, 2019, "PROVIDER/MODEL"),
        (body("openai/"), 400, 2019, "PROVIDER/MODEL"),
        (body("nobody/gpt-5"), 400, 2008, "no provider `nobody`"),
        (body("custom-nobody/x"), 400, 2008, "no provider"),
        (body("dynamic/nothing"), 400, 2005, "no route"),
        (
            body("deepgram/nova-3"),
            400,
            2008,
            "no endpoint of this form",
        ),
        (b"{}".to_vec(), 400, 2019, "model"),
        (b"not json".to_vec(), 400, 2019, "JSON"),
        (
            br#"{"model":"openai/gpt-5","model":"openai/gpt-4"}"#.to_vec(),
            400,
            2019,
            "model",
        ),
        (vec![b' '; 10 * 1024 * 1024 + 1], 413, 9028, "10 MiB"),
    ] {
        let answer = authorized(&running, &sent).await;
        let text = answer.text();
        assert_eq!((answer.status, code(&answer)), (status, expected), "{text}");
        assert!(text.contains(part), "{text}");
    }
    let bearer = running.bearer();
    let headers = [
        ("cf-aig-authorization", bearer.as_str()),
        ("content-encoding", "gzip"),
    ];
    let answer = ask(&running, &body("openai/gpt-5"), &headers).await;
    assert_eq!((answer.status, code(&answer)), (400, 2019));
    let mut client = running.client().await;
    for rest in ["compat/embeddings", "compat", "compat/"] {
        let path = running.path(rest);
        let answer = client.post(&path, &headers[..1], b"{}").await.unwrap();
        assert_eq!((answer.status, code(&answer)), (400, 9007), "{rest}");
    }
    assert!(running.provider.take_recorded().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_this_way_who_would_not_by_the_providers_own_path() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    let answer = ask(&running, &body("openai/gpt-5"), &[]).await;
    assert_eq!((answer.status, code(&answer)), (401, 2009));
    let foreign = ask(
        &running,
        &body("openai/gpt-5"),
        &[("cf-aig-authorization", "Bearer kw_gw_wrong")],
    )
    .await;
    assert_eq!((foreign.status, code(&foreign)), (401, 2009));
    // For another provider.
    let grant = Grant {
        providers: Scope::only(["groq"]),
        ..Running::grant()
    };
    let (token, _) = mint(&running.registry, grant).await;
    let bearer = format!("Bearer {}", token.text());
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let answer = ask(&running, &body("openai/gpt-5"), &headers).await;
    assert_eq!((answer.status, code(&answer)), (401, 2009));
    // For other models.
    let pattern = keyward_auth::ModelPattern::parse("openai/gpt-5*").unwrap();
    let grant = Grant {
        models: keyward_auth::Models::only([pattern]),
        ..Running::grant()
    };
    let (token, _) = mint(&running.registry, grant).await;
    let bearer = format!("Bearer {}", token.text());
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let permitted = ask(&running, &body("openai/gpt-5-mini"), &headers).await;
    assert_eq!(permitted.status, 200, "{}", permitted.text());
    let other = ask(&running, &body("openai/o3"), &headers).await;
    assert_eq!((other.status, code(&other)), (401, 2009));
    assert_eq!(running.provider.take_recorded().len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_seen_to_and_not_asked_for_again() {
    let running = Running::start(Setup::default()).await;
    running.store_key("openai", "default").await;
    running.provider.behave(Behaviour::CutMidBody);
    let bearer = running.bearer();
    let headers = [
        ("cf-aig-authorization", bearer.as_str()),
        ("cf-aig-max-attempts", "5"),
    ];
    let path = running.path("compat/chat/completions");
    let mut client = running.client().await;
    let cut = client.post(&path, &headers, &body("openai/gpt-5")).await;
    assert!(cut.is_err() || cut.is_ok_and(|answer| answer.truncated));
    assert_eq!(running.provider.take_recorded().len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_paths_lead_to_the_provider_that_the_model_names() {
    let running = Running::start(Setup {
        slugs: &["openai", "anthropic"],
        placement: Placement::bearer(),
        ..Setup::default()
    })
    .await;
    let (openai, _) = running.store_key("openai", "default").await;
    let bearer = running.bearer();
    let headers = [
        ("authorization", bearer.as_str()),
        ("cf-aig-gateway-id", "prod"),
        ("cf-aig-byok-alias", "other"),
    ];
    let account = ACCOUNT;
    let mut client = running.client().await;
    for form in ["chat/completions", "responses"] {
        let path = format!("/client/v4/accounts/{account}/ai/v1/{form}");
        let answer = client
            .post(&path, &headers, &body("openai/gpt-5"))
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{form}: {}", answer.text());
        let sent = running.provider.take_recorded();
        assert!(sent[0].path().ends_with(&format!("v1/{form}")), "{form}");
        let key = format!("Bearer {}", openai.text());
        assert_eq!(sent[0].header("authorization"), Some(key.as_str()));
        assert_eq!(sent[0].body, body("gpt-5"));
    }
    let path = format!("/client/v4/accounts/{account}/ai/v1/messages");
    let answer = client
        .post(&path, &headers, &body("openai/gpt-5"))
        .await
        .unwrap();
    assert_eq!((answer.status, code(&answer)), (400, 2008));
    // Without a header it is the gateway `default`, which is not there.
    let answer = client
        .post(&path, &headers[..1], &body("anthropic/x"))
        .await
        .unwrap();
    assert_eq!((answer.status, code(&answer)), (400, 2001));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_of_all_providers_with_a_key_are_listed_by_the_names_that_are_taken() {
    let running = Running::start(Setup {
        slugs: &["openai", "groq", "mistral", "deepseek"],
        ..Setup::default()
    })
    .await;
    let (openai, _) = running.store_key("openai", "default").await;
    let (groq, _) = running.store_key("groq", "default").await;
    let (mistral, _) = running.store_key("mistral", "default").await;
    let keys = [openai.text(), groq.text(), mistral.text()];
    running.provider.accept_keys(keys);
    // One that is down is left out; DeepSeek has no key.
    running.provider.answer_key(mistral.text(), 503, &[], "{}");
    let bearer = running.bearer();
    let own = format!("Bearer {}", keyward_testing::Canary::new("own").text());
    let headers = [
        ("cf-aig-authorization", bearer.as_str()),
        ("authorization", own.as_str()),
        ("accept-encoding", "gzip"),
    ];
    let list = running.path("compat/models");
    let answer = running.client().await.get(&list, &headers).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer.json();
    assert_eq!(told["object"], "list");
    let ids: Vec<_> = told["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["id"])
        .collect();
    let expected = [
        "groq/fake-model",
        "groq/fake-embedding",
        "openai/fake-model",
        "openai/fake-embedding",
    ];
    assert_eq!(ids, expected);
    // Each with its stored key, and never with one of the client's own.
    let recorded = running.provider.take_recorded();
    assert_eq!(recorded.len(), 3);
    for request in &recorded {
        let sent = request.header("authorization").unwrap();
        assert!(
            keys.iter().any(|key| sent == format!("Bearer {key}")),
            "{}",
            request.target
        );
        assert_ne!(request.header("accept-encoding"), Some("gzip"));
    }
    let answer = running
        .client()
        .await
        .post(&list, &headers[..1], b"{}")
        .await
        .unwrap();
    assert_eq!((answer.status, code(&answer)), (405, 9005));
    let answer = running.client().await.get(&list, &[]).await.unwrap();
    assert_eq!((answer.status, code(&answer)), (401, 2009));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_sees_the_models_of_no_provider_that_it_may_not_use() {
    let running = Running::start(Setup {
        slugs: &["openai", "groq"],
        ..Setup::default()
    })
    .await;
    let grant = Grant {
        providers: Scope::only(["groq"]),
        ..Running::grant()
    };
    let (token, _) = mint(&running.registry, grant).await;
    let (openai, _) = running.store_key("openai", "default").await;
    let (groq, _) = running.store_key("groq", "default").await;
    running.provider.accept_keys([openai.text(), groq.text()]);
    for (name, provider) in [("ours", "groq"), ("theirs", "openai")] {
        let to = |element: &str| json!({"elementId": element});
        let elements = json!([
            {"id": "start", "type": "start", "outputs": {"next": to("model")}},
            {"id": "model", "type": "model", "outputs": {"success": to("end")},
             "properties": {"provider": provider, "model": "some"}},
            {"id": "end", "type": "end", "outputs": {}},
        ]);
        running.route(name, &elements).await;
    }
    let bearer = format!("Bearer {}", token.text());
    let list = running.path("compat/models");
    let headers = [("cf-aig-authorization", bearer.as_str())];
    let answer = running.client().await.get(&list, &headers).await.unwrap();
    let text = answer.text();
    assert!(
        text.contains("groq/fake-model") && !text.contains("openai"),
        "{text}"
    );
    assert!(
        text.contains("dynamic/ours") && !text.contains("theirs"),
        "{text}"
    );
    // Of a provider that the token is not for nothing was asked.
    assert_eq!(running.provider.take_recorded().len(), 1);
    running.stop().await;
}
