//! A stored key goes in as the provider wants it on the path that is asked for.

use keyward_testing::Placement;

use crate::support::{CHAT, Running, Setup};

/// Which credential headers the provider got, in one request to `rest`.
async fn sent(running: &Running, rest: &str, headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let bearer = running.bearer();
    let token = [("cf-aig-authorization", bearer.as_str())];
    let path = running.path(rest);
    running
        .client()
        .await
        .post(&path, &[&token, headers].concat(), CHAT)
        .await
        .unwrap();
    let recorded = running.provider.take_recorded();
    let request = recorded.last().unwrap();
    let credentials = ["authorization", "x-api-key", "x-goog-api-key"];
    let lower = request.headers.iter().map(|(name, value)| {
        let value = String::from_utf8(value.clone()).unwrap();
        (name.to_ascii_lowercase(), value)
    });
    lower
        .filter(|(name, _)| credentials.contains(&name.as_str()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_where_each_path_wants_it_and_nowhere_else() {
    let running = Running::start(Setup {
        slugs: &["anthropic", "google-ai-studio"],
        placement: Placement::bearer(),
        ..Setup::default()
    })
    .await;
    for (slug, own, header, compat) in [
        (
            "anthropic",
            "v1/messages",
            "x-api-key",
            "v1/chat/completions",
        ),
        (
            "google-ai-studio",
            "v1beta/models/gemini-2.5-pro:generateContent",
            "x-goog-api-key",
            "v1beta/openai/chat/completions",
        ),
    ] {
        let (key, _) = running.store_key(slug, "default").await;
        let own_form = vec![(header.to_owned(), key.text().to_owned())];
        let compat_form = vec![("authorization".to_owned(), format!("Bearer {}", key.text()))];
        // Again after the other: what was opened for one is not used for the other.
        for _ in 0..2 {
            assert_eq!(
                sent(&running, &format!("{slug}/{own}"), &[]).await,
                own_form
            );
            assert_eq!(
                sent(&running, &format!("{slug}/{compat}"), &[]).await,
                compat_form
            );
        }
        // A token that stands where the key would is removed from either place.
        let bearer = running.bearer();
        let beside = [
            ("authorization", bearer.as_str()),
            (header, running.token.text()),
        ];
        assert_eq!(
            sent(&running, &format!("{slug}/{compat}"), &beside).await,
            compat_form
        );
        assert_eq!(
            sent(&running, &format!("{slug}/{own}"), &beside).await,
            own_form
        );
    }
    running.stop().await;
}
