//! What a client changes of an entry.

use keyward_registry::{LogMark, LogMetadata, LogPatch};
use keyward_routes::Metadata;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    call::Call,
    envelope::Problem,
    object::{Field, Object, Shape},
};

/// What is changed of an entry; what is left out stays.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LogPatch)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub(crate) struct Patch {
    /// What a person thinks of the answer; null takes it away.
    #[schema(minimum = -1, maximum = 1, required = false)]
    feedback: Option<f64>,
    /// How good the answer is; null takes it away.
    #[schema(minimum = 0, maximum = 100, required = false)]
    score: Option<f64>,
    /// At most five entries: texts, numbers, `true` or `false`. They take the place of those that there are; null takes those
    /// away.
    #[schema(value_type = Option<Object>, required = false)]
    metadata: Option<String>,
}

const SHAPE: Shape = Shape {
    known: &["feedback", "score", "metadata"],
    skipped: &[],
    secrets: &[],
};

pub(super) fn patch(call: &mut Call) -> Result<LogPatch, Problem> {
    let mut body = call.take_body(SHAPE)?;
    Ok(LogPatch {
        feedback: mark(
            &mut body,
            "feedback",
            LogMark::feedback,
            "must be a number from -1 to 1",
        )?,
        score: mark(
            &mut body,
            "score",
            LogMark::score,
            "must be a number from 0 to 100",
        )?,
        metadata: match body.find_nullable("metadata") {
            None => None,
            Some(None) => Some(LogMetadata::default()),
            Some(Some(field)) => Some(metadata(field)?),
        },
    })
}

fn mark(
    body: &mut Object,
    name: &'static str,
    read: fn(f64) -> Option<LogMark>,
    reason: &'static str,
) -> Result<Option<Option<LogMark>>, Problem> {
    match body.find_nullable(name) {
        None => Ok(None),
        Some(None) => Ok(Some(None)),
        Some(Some(field)) => {
            let mark = field.number().and_then(read);
            mark.map(|mark| Some(Some(mark)))
                .ok_or_else(|| field.refuse(reason))
        }
    }
}

fn metadata(field: Field) -> Result<LogMetadata, Problem> {
    let path = field.path().clone();
    let Value::Object(json) = field.into_value() else {
        return Err(Problem::invalid(&path, "must be an object"));
    };
    let sent = json.len();
    let read = Metadata::parse(Value::Object(json).to_string().as_bytes());
    if read.len() != sent {
        let reason = "must have at most five entries, each a text, a number or a boolean, whose names do not begin with `cf.`";
        return Err(Problem::invalid(&path, reason));
    }
    Ok(LogMetadata::from(&read))
}
