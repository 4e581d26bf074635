//! Waits for the client's answer and rewrites it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Response, StatusCode};

use super::InjectError;
use crate::{BoxError, RuleSet, ScrubbedBody, Target, headers};

/// The answer to come.
pub struct InjectFuture<F> {
    state: State<F>,
}

enum State<F> {
    Refused(InjectError),
    Waiting {
        inner: Pin<Box<F>>,
        target: Target,
        rules: Arc<RuleSet>,
    },
    Done,
}

impl<F> InjectFuture<F> {
    pub(crate) const fn refused(error: InjectError) -> Self {
        Self {
            state: State::Refused(error),
        }
    }

    pub(crate) fn waiting(inner: F, target: Target, rules: Arc<RuleSet>) -> Self {
        Self {
            state: State::Waiting {
                inner: Box::pin(inner),
                target,
                rules,
            },
        }
    }
}

impl<F, R, E> Future for InjectFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<ScrubbedBody<R>>, InjectError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.state {
            State::Waiting {
                inner,
                target,
                rules,
            } => ready!(inner.as_mut().poll(cx))
                .map_err(InjectError::inner)
                .and_then(|answer| rewrite(answer, target, rules)),
            State::Refused(_) | State::Done => {
                match std::mem::replace(&mut self.state, State::Done) {
                    State::Refused(error) => Err(error),
                    // Polled after its end: there is nothing more to come.
                    State::Waiting { .. } | State::Done => return Poll::Pending,
                }
            }
        };
        self.state = State::Done;
        Poll::Ready(answer)
    }
}

fn rewrite<R>(
    answer: Response<R>,
    target: &Target,
    rules: &RuleSet,
) -> Result<Response<ScrubbedBody<R>>, InjectError> {
    let rules = rules.lend();
    let (mut parts, body) = answer.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(InjectError::unasked_upgrade());
    }
    headers::prepare_response(&mut parts.headers, parts.status, target, &rules)
        .map_err(InjectError::redirect_outside)?;
    let body = ScrubbedBody::new(body, parts.status, &parts.headers, rules.scrubber);
    Ok(Response::from_parts(parts, body))
}

impl<F> fmt::Debug for InjectFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Refused(_) => "refused",
            State::Waiting { .. } => "waiting",
            State::Done => "done",
        };
        f.debug_struct("InjectFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
