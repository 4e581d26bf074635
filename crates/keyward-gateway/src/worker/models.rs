//! The list of models that the unified endpoint takes: what the providers list, and the gateway's routes.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderValue, Method, Response, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use keyward_forward::BoxError;
use keyward_registry::Route;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;

use super::{
    Worker,
    ways::{Sending, below},
};
use crate::{
    body::AnswerBody,
    request::{Part, Turn, shown},
    respond::Refusal,
    ways::{Form, Way},
};

/// How many providers are asked at most, those first that come first by name. A guess: a gateway has a handful.
const MOST_PROVIDERS: usize = 16;
/// How long a provider's list may take to arrive. A guess: who waits for all of them waits for the slowest.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a provider's list may be, in bytes. A guess: a thousand models with all that is told of them.
const LONGEST_LIST: usize = 1024 * 1024;
/// How many models are told in all.
const MOST_MODELS: usize = 5000;
/// How many providers are asked at once.
const AT_ONCE: usize = 4;
/// The longest name of a model that is told.
const LONGEST_NAME: usize = 256;

/// A list of models in OpenAI's form.
#[derive(Debug, Serialize)]
struct List {
    object: &'static str,
    data: Vec<Model>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Model {
    id: String,
    object: &'static str,
    /// Seconds of Unix time; 0 where nobody says.
    created: u64,
    owned_by: String,
}

impl Model {
    /// Its name without the provider.
    fn name(&self) -> &str {
        self.id.split_once('/').map_or("", |(_provider, name)| name)
    }
}

/// Where a provider's list is.
#[derive(Debug)]
struct Place {
    slug: String,
    path: String,
}

/// What is read of a provider's list.
#[derive(Deserialize)]
struct Listed {
    data: Vec<ListedModel>,
}

#[derive(Deserialize)]
struct ListedModel {
    id: String,
    #[serde(default)]
    created: Value,
}

impl<B> Worker<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// Lists what `model` may be. A provider is asked with the stored key, as the client's token may use it; one that does
    /// not answer with a list in time is left out.
    pub(super) async fn models(
        self: &Arc<Self>,
        sending: &Sending,
        way: &Way,
        source: IpAddr,
    ) -> Result<Response<AnswerBody>, Refusal> {
        if sending.method != Method::GET {
            let method = shown(sending.method.as_str());
            return Err(Refusal::Method { method });
        }
        let (places, mut data) = self.listed(way);
        let sending = &sending.for_list();
        for places in places.chunks(AT_ONCE) {
            let lists = places
                .iter()
                .map(|place| self.models_of(sending, way, place, source));
            for models in join_all(lists).await {
                let room = MOST_MODELS.saturating_sub(data.len());
                let models = models.unwrap_or_default().into_iter();
                let models = models.filter(|model| may(way, &model.owned_by, model.name()));
                data.extend(models.take(room));
            }
        }
        let list = List {
            object: "list",
            data,
        };
        // Texts and numbers alone: it cannot fail.
        let body = serde_json::to_vec(&list).unwrap_or_default();
        let mut response = Response::new(AnswerBody::Own(Some(body.into())));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        Ok(response)
    }

    /// Where the lists are, of the providers for which the gateway has a key, and the gateway's routes: of each what the
    /// token may use.
    fn listed(&self, way: &Way) -> (Vec<Place>, Vec<Model>) {
        let snapshot = self.gateway.registry().snapshot();
        let view = snapshot.gateway(way.account, &way.gateway);
        let (Some(view), Some(token)) = (view, way.token.as_ref()) else {
            return Default::default();
        };
        let providers: BTreeSet<_> = view
            .keys()
            .map(|key| key.record.provider.as_str())
            .collect();
        let grant = &token.record.grant;
        let places = providers.into_iter().filter_map(|provider| {
            let (slug, chat) = self.place(way, provider, Form::Chat).ok()?;
            let path = format!("{}models", chat.strip_suffix("chat/completions")?);
            grant
                .providers
                .allows(&slug)
                .then_some(Place { slug, path })
        });
        let is_of_use = |route: &Route| {
            let mut models = route.graph().into_iter().flat_map(|graph| graph.models());
            // By the slug that scopes hold, where the route has another name of it.
            models.any(|model| {
                let place = self.place(way, model.provider(), Form::Chat);
                place.is_ok_and(|(slug, _chat)| {
                    grant.providers.allows(&slug) && may(way, &slug, model.model())
                })
            })
        };
        let routes = view.routes().filter(|route| is_of_use(route));
        let routes = routes.map(|route| Model {
            id: format!("dynamic/{}", route.record.name),
            object: "model",
            created: 0,
            owned_by: "keyward".to_owned(),
        });
        (
            places.take(MOST_PROVIDERS).collect(),
            routes.take(MOST_MODELS).collect(),
        )
    }

    /// Asks once: a list is worth no second attempt.
    async fn models_of(
        self: &Arc<Self>,
        sending: &Sending,
        way: &Way,
        Place { slug, path }: &Place,
        source: IpAddr,
    ) -> Option<Vec<Model>> {
        let asked = sending.again_to(below(way, slug, path).ok()?);
        let answering = async {
            let answer = Arc::clone(self)
                .answer(
                    asked.request(),
                    source,
                    None,
                    Turn::Inner(Part {
                        until: Some(Instant::now() + PATIENCE),
                        ..Part::default()
                    }),
                )
                .await;
            let answer = answer.unwrap_or_else(|never| match never {});
            let is_list = answer.status().is_success();
            let body = Limited::new(answer.into_body(), LONGEST_LIST);
            let body = is_list.then_some(body)?.collect().await.ok()?;
            read(slug, &body.to_bytes())
        };
        let models = timeout(PATIENCE, Box::pin(answering)).await.ok().flatten();
        if models.is_none() {
            tracing::debug!(provider = slug, "its models are left out of a list");
        }
        models
    }
}

/// Whether the token permits the model.
fn may(way: &Way, provider: &str, model: &str) -> bool {
    let token = way.token.as_ref();
    token.is_some_and(|token| token.record.grant.models.allows(provider, model))
}

/// The models of a provider's list, by the names that the unified endpoint takes.
fn read(slug: &str, list: &[u8]) -> Option<Vec<Model>> {
    let listed: Listed = serde_json::from_slice(list).ok()?;
    let is_told = |model: &ListedModel| {
        let name = model.id.as_str();
        !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains(char::is_control)
    };
    let models = listed.data.into_iter().filter(is_told).take(MOST_MODELS);
    let models = models.map(|model| Model {
        id: format!("{slug}/{}", model.id),
        object: "model",
        created: model.created.as_u64().unwrap_or_default(),
        owned_by: slug.to_owned(),
    });
    Some(models.collect())
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_NAME, read};

    #[test]
    fn lists_are_read_and_what_is_none_is_left_out() {
        let ids = |list: &str| {
            let models = read("openai", list.as_bytes())?;
            Some(
                models
                    .into_iter()
                    .map(|model| (model.id, model.created))
                    .collect::<Vec<_>>(),
            )
        };
        let one = |id: &str, created| Some(vec![(id.to_owned(), created)]);
        assert_eq!(
            ids(r#"{"data":[{"id":"gpt-5","created":7}]}"#),
            one("openai/gpt-5", 7)
        );
        // As Anthropic and OpenRouter list theirs.
        let other = r#"{"data":[{"type":"model","id":"m","created_at":"2026-01-01T00:00:00Z"}],"has_more":false}"#;
        assert_eq!(ids(other), one("openai/m", 0));
        assert_eq!(
            ids(r#"{"data":[{"id":"m","created":1.5}]}"#),
            one("openai/m", 0)
        );
        assert_eq!(ids(r#"{"data":[]}"#), Some(Vec::new()));
        for none in [
            "",
            "[]",
            "{}",
            r#"{"data":{}}"#,
            r#"{"data":[{}]}"#,
            r#"{"data":["m"]}"#,
        ] {
            assert_eq!(ids(none), None, "{none}");
        }
        let long = "m".repeat(LONGEST_NAME + 1);
        let odd =
            format!(r#"{{"data":[{{"id":""}},{{"id":"a\nb"}},{{"id":"{long}"}},{{"id":"x/y"}}]}}"#);
        assert_eq!(ids(&odd), one("openai/x/y", 0));
    }
}
