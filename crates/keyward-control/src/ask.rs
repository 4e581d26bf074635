//! What is asked of a route, by a request or by a page, and how it is carried out: the one way to a handler.

use std::time::SystemTime;

use axum::body::Body;
use http::Method;
use tokio::task::JoinError;

use crate::{
    body,
    call::{Call, Parameters, Surroundings},
    caller::Caller,
    envelope::{Problem, Reply},
    erased::Buffer,
    refused,
    route::{Access, Route},
};

/// What is asked of a route.
pub(crate) struct Ask {
    pub(crate) route: &'static Route,
    pub(crate) parameters: Parameters,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) content: Content,
}

/// The body of what is asked.
pub(crate) enum Content {
    /// Of a request: read once it is known that the caller may.
    Coming(Body),
    /// In hand already.
    Here(Buffer),
}

impl Ask {
    /// Decides whether `caller` may, and calls the handler. The audit log is told of a refusal.
    pub(crate) async fn carry_out(
        self,
        surroundings: &Surroundings,
        caller: Caller,
        now: SystemTime,
    ) -> Result<Reply, Problem> {
        let (route, parameters, known) = (self.route, self.parameters.clone(), caller.clone());
        let outcome = self.run(surroundings, caller, now).await;
        outcome.inspect_err(|problem| {
            let registry = &surroundings.registry;
            refused::note(registry, route, &known, &parameters, problem, now);
        })
    }

    async fn run(
        self,
        surroundings: &Surroundings,
        caller: Caller,
        now: SystemTime,
    ) -> Result<Reply, Problem> {
        let route = self.route;
        let caller = match route.access {
            Access::Verify => caller,
            Access::AnyToken | Access::Permission(..) => caller.in_force(now)?,
        };
        let (parameters, query) = (self.parameters, self.query);
        let admit = |caller: Caller| {
            let (parameters, query) = (parameters.clone(), query.clone());
            Call::admit(surroundings, route.access, caller, parameters, query, now)
        };
        let call = admit(caller.clone())?;
        if route.method == Method::GET {
            return (route.handler)(call).await;
        }
        let body = match self.content {
            Content::Coming(body) => body::read(body).await?,
            Content::Here(buffer) => buffer,
        };
        // A body may come slowly, and nothing starts for a token that was revoked meanwhile. A page's body came before.
        let caller = caller.renewed(&surroundings.registry.snapshot(), now)?;
        let mut call = admit(caller)?;
        call.set_body(body);
        // On a task of its own: a client that hangs up must not stop a change between its being stored and its
        // being seen by everyone.
        let outcome = tokio::spawn((route.handler)(call)).await;
        outcome.map_err(|error: JoinError| Problem::internal("finish a change", &error))?
    }
}
