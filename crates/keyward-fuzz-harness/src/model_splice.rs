//! A body's model: the one that `serde_json` reads, and replaced without touching another byte.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use keyward_routes::JsonBody;
use serde_json::Value;

const NEW: &str = "provider/model-\"2\"";

/// Every member of an object in order, with those that are there twice.
struct Members(Vec<(String, Value)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

fn members(bytes: &[u8]) -> Option<Vec<(String, Value)>> {
    let read: Result<Members, _> = serde_json::from_slice(bytes);
    read.ok().map(|members| members.0)
}

/// Reads `data` as a body, and replaces its model.
///
/// # Panics
///
/// When a promise is broken.
pub fn check(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    let ours = JsonBody::read(&body);
    let theirs = members(data);
    let Some(theirs) = theirs else {
        // Numbers out of range and halves of characters are refused by `serde_json` alone: only what we read must agree.
        if let Ok(body) = ours
            && let Ok(sent) = body.with_model(NEW)
        {
            JsonBody::read(&Bytes::from(sent.to_vec())).expect("what was sent is read again");
        }
        return;
    };
    let like_model = |key: &str| key.eq_ignore_ascii_case("model");
    let models: Vec<_> = theirs.iter().filter(|(key, _)| like_model(key)).collect();
    let unclear = theirs.iter().any(|(key, _)| key.contains('\0'));
    let body = match (models.as_slice(), ours) {
        ([], ours) => {
            let ours = ours.map(|body| body.model().map(str::to_owned));
            assert!(unclear == ours.is_err(), "an object without a model");
            return;
        }
        ([(key, Value::String(model))], Ok(body)) => {
            assert!(!unclear && key == "model");
            assert_eq!(body.model().expect("a model"), model, "another model");
            body
        }
        ([(key, Value::String(model))], Err(_)) => {
            let fits = (1..=256).contains(&model.len()) && !model.contains(char::is_control);
            assert!(
                unclear || key != "model" || !fits,
                "a good model is refused"
            );
            return;
        }
        (_, ours) => {
            assert!(ours.is_err(), "two models, or one that is no text");
            return;
        }
    };
    let span = body.model_span().expect("a model");
    let sent = body.with_model(NEW).expect("a model to replace");
    assert_eq!(&sent.parts[0][..], &data[..span.start]);
    assert_eq!(&sent.parts[2][..], &data[span.end..]);
    assert_eq!(sent.len(), sent.to_vec().len());
    let mut expected: BTreeMap<_, _> = theirs.into_iter().collect();
    expected.insert("model".to_owned(), Value::from(NEW));
    let read = members(&sent.to_vec()).expect("JSON as before");
    assert_eq!(read.into_iter().collect::<BTreeMap<_, _>>(), expected);
}
