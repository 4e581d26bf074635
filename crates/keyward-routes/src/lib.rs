//! Which way a request to an AI provider goes: dynamic routes, rate limits, and what of a request's body decides them.
//!
//! - [`RouteName`] names a route; a request asks for it with the model `dynamic/NAME`.
//! - [`JsonBody`] finds the model of a JSON body and replaces it without copying the rest; [`multipart_model`] finds that of
//!   a form. What two parsers could read differently is refused.
//! - [`Graph`] is a route's elements, parsed from JSON with every fault told at once, and compiled. [`Graph::begin`] follows
//!   a request's way from stop to stop; [`Graph::explain`] says in words which way that is.
//! - [`Attempts`] says how often a request is sent again, and after what wait.
//! - [`Facts`] is what a graph reads of a request: headers, body and [`Metadata`] (`cf-aig-metadata`).
//! - [`Limit`] is so much per window; [`Counters`] say which request is over one, [`MemoryCounters`] within one process.
//!   A store elsewhere keeps [`Counted`] and judges it by [`Counted::fit_of`] and [`Decision::and`].
//! - [`Money`] is an exact amount. [`Prices`] is the price table, a [`Price`] what one model costs: of an answer's
//!   [`Usage`](keyward_providers::Usage) exactly, of a request as an estimate. [`CustomCost`] is a client's own price.
//! - [`Budget`] is so much [`Money`] per window; [`Budgets`] say which request one has room for, reserve what it is estimated
//!   to cost and count what it did cost, [`MemoryBudgets`] within one process. A store elsewhere keeps two [`Counted`] for
//!   each and judges them by [`Standing`].
//!
//! Decisions are pure and synchronous: no I/O, no clock (`now` is an argument), no runtime.
//!
//! ```
//! use bytes::Bytes;
//! use keyward_routes::{JsonBody, RouteName};
//!
//! let body = Bytes::from_static(br#"{"model": "dynamic/support-bot", "messages": []}"#);
//! let body = JsonBody::read(&body)?;
//! let name = body.model()?.strip_prefix("dynamic/").unwrap_or_default();
//! assert_eq!(RouteName::parse(name)?.as_str(), "support-bot");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A graph, and the way of one request:
//!
//! ```
//! use http::HeaderMap;
//! use keyward_routes::{Facts, Graph, Metadata, Step};
//!
//! let graph = Graph::parse_stored(
//!     r#"[
//!         {"id": "start", "type": "start", "outputs": {"next": {"elementId": "plan"}}},
//!         {"id": "plan", "type": "conditional", "properties": {"conditions": {"metadata.plan": "free"}},
//!          "outputs": {"true": {"elementId": "small"}, "false": {"elementId": "large"}}},
//!         {"id": "large", "type": "model", "properties": {"provider": "openai", "model": "gpt-5"},
//!          "outputs": {"success": {"elementId": "end"}, "fallback": {"elementId": "small"}}},
//!         {"id": "small", "type": "model", "properties": {"provider": "groq", "model": "llama-3.1-8b-instant"},
//!          "outputs": {"success": {"elementId": "end"}}},
//!         {"id": "end", "type": "end", "outputs": {}}
//!     ]"#,
//! )?;
//! let (headers, metadata) = (HeaderMap::new(), Metadata::parse(br#"{"plan":"paid"}"#));
//! let mut asked = Vec::new();
//! let mut step = graph.begin(Facts::new(&headers, &metadata), 0);
//! loop {
//!     step = match step {
//!         Step::Model(at) => {
//!             asked.push(at.model().model());
//!             // The first model fails, the second answers.
//!             if asked.len() == 1 { at.failed() } else { at.succeeded() }
//!         }
//!         Step::Rate(at) => at.within(),
//!         Step::End(_) => break,
//!     };
//! }
//! assert_eq!(asked, ["gpt-5", "llama-3.1-8b-instant"]);
//! # Ok::<(), keyward_routes::GraphError>(())
//! ```
//!
//! # Conditions
//!
//! `body.a.0.b`, `headers.name` and `metadata.key`, each with a value or with `$eq $ne $gt $gte $lt $lte $in $nin $exists
//! $regex $not`, joined by `$and`, `$or`, `$not`. Nothing fails while a request is served: an absent field is equal to `null`
//! alone and before or behind nothing; values of different types are different and have no order; arrays and objects are
//! equal to nothing; a header's text is read as a number or a boolean where it is compared with one. `docs/routes.md` of the
//! repository has the table, which a test runs, and every limit.
//!
//! # Features
//!
//! - `testing` (off): [`testing`] has the contract suite that every store of counters should run.

mod body;
mod budget;
mod condition;
mod cost;
mod counter;
mod explain;
mod facts;
mod field;
mod graph;
mod grid;
mod limit;
mod metadata;
mod money;
mod name;
mod number;
mod retry;
mod spend;
#[cfg(feature = "testing")]
pub mod testing;
mod window;

pub use self::{
    body::{
        BodyError, ConversationStart, JsonBody, LONGEST_MODEL, Spliced, check_encoding,
        check_model, multipart_model, sole_model,
    },
    budget::{
        Admission, Budget, BudgetError, BudgetRow, BudgetWindow, Budgets, Held, Looking,
        MemoryBudgets, Overspent, Reservation, Reserving, Settling, Spend, Standing,
    },
    cost::{
        BYTES_PER_TOKEN, CustomCost, CustomCostError, Price, PriceEntry, PriceEntryError,
        PriceSource, Prices, PricesError, Reserve, UnknownModel,
    },
    counter::{Ask, Counters, Decision, Loss, MemoryCounters, Taking},
    explain::{Explanation, Output, Visit},
    facts::Facts,
    field::{Field, may_carry_credentials},
    graph::{
        AtEnd, AtModel, AtRate, Bound, Element, Fault, Graph, GraphError, Known, LONGEST_ELEMENTS,
        MOST_ELEMENTS, Model, Partition, Rate, Segment, Servable, Step, Technique, Warning,
    },
    limit::{CounterKey, CounterKeys, Limit, LimitError, Limited},
    metadata::{Metadata, MetadataValue},
    money::Money,
    name::{ParseRouteNameError, RouteName},
    retry::{Attempts, Backoff, LONGEST_WAIT, may_be_repeated},
    spend::{RuleId, SpendError, SpendLimits, SpendRule, SpendRuleParts, Split},
    window::{Counted, Fit},
};
