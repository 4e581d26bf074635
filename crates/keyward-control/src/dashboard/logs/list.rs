//! The log of requests to a gateway, as a table.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::{
    Entry,
    filter::{Filter, GROUPS},
    names::Names,
};
use crate::{
    dashboard::{
        answer,
        gateways::{Gateway, Gateways, find},
        providers::Providers,
        view::{ByHand, Frame, Section},
        visit::{Answer, To, Visit},
        wrong::Wrong,
    },
    envelope::Problem,
};

const PER_PAGE: usize = 50;

/// What stands above table and plots: what they are narrowed to.
pub(crate) struct Bar {
    pub(crate) gateway: String,
    pub(crate) filter: Filter,
    pub(crate) names: Names,
    pub(crate) providers: Providers,
    pub(crate) gateways: Gateways,
    /// By what plots are told apart.
    pub(crate) by: &'static str,
    pub(crate) wrong: Wrong,
}

impl Bar {
    pub(crate) async fn load(visit: &Visit, gateway: &Gateway) -> Result<Self, Problem> {
        Ok(Self {
            gateway: gateway.id.clone(),
            filter: Filter::of(visit),
            names: Names::load(visit, &gateway.id).await?,
            providers: Providers::load(visit).await?,
            gateways: Gateways::load(visit).await?,
            by: "provider",
            wrong: Wrong::default(),
        })
    }

    /// The address of a page of this log that is narrowed to the same.
    pub(crate) fn to(&self, page: &str) -> String {
        self.filter.link(&self.path(page), &[])
    }

    /// The same without what it is narrowed to.
    pub(crate) fn path(&self, page: &str) -> String {
        format!("/gateways/{}/logs{page}", self.gateway)
    }
}

#[derive(Template)]
#[template(path = "logs.html")]
struct LogsPage {
    frame: Frame,
    bar: Bar,
    entries: Vec<Entry>,
    newer: Option<String>,
    older: Option<String>,
    by_hand: ByHand,
}

pub(crate) async fn show(visit: Visit) -> Result<Response, Problem> {
    let gateway = find(&visit).await?;
    let mut bar = Bar::load(&visit, &gateway).await?;
    let (before, after) = (visit.query("before"), visit.query("after"));
    let is_rising = !after.is_empty();
    let to = To::new("log_scan")
        .at("gateway", &gateway.id)
        .with_number("limit", PER_PAGE)
        .with("direction", if is_rising { "asc" } else { "desc" })
        .with("cursor", if is_rising { after } else { before });
    let read = bar.filter.read::<Vec<Entry>>(&visit, to).await;
    let (status, answer) = or_wrong(read, &mut bar.wrong)?;
    let (mut entries, cursor) = answer.map_or_else(Default::default, |answer| {
        (answer.result, answer.result_info.cursor)
    });
    if is_rising {
        entries.reverse();
    }
    let ends = entries.first().zip(entries.last());
    let ends = ends.map(|(first, last)| (first.id.clone(), last.id.clone()));
    let has_more = cursor.is_some();
    let (has_newer, has_older) = match is_rising {
        true => (has_more, true),
        false => (!before.is_empty(), has_more),
    };
    let path = bar.path("");
    let link = |name, id: &str| bar.filter.link(&path, &[(name, id)]);
    let newer = ends.as_ref().filter(|_| has_newer);
    let older = ends.as_ref().filter(|_| has_older);
    let call = To::new("log_list").at("gateway", &gateway.id);
    let call = bar.filter.narrow(call).curl(&visit.account(), None);
    let command = |options| format!("keyward logs list --gateway {}{options}", gateway.id);
    let by_hand = match bar.filter.options() {
        Some(options) => ByHand::new(command(options), call),
        None => ByHand::call(call),
    };
    let page = LogsPage {
        frame: visit.frame(Section::Logs),
        newer: newer.map(|(first, _)| link("after", first)),
        older: older.map(|(_, last)| link("before", last)),
        by_hand,
        entries,
        bar,
    };
    answer::page(status, &page)
}

/// What was read. A filter that cannot be meant is told of on the page, which then has nothing else.
pub(super) fn or_wrong<T>(
    read: Result<Answer<T>, Problem>,
    wrong: &mut Wrong,
) -> Result<(StatusCode, Option<Answer<T>>), Problem> {
    match read {
        Ok(answer) => Ok((answer::SHOWN, Some(answer))),
        Err(problem) if problem.status() == answer::MISTYPED => {
            *wrong = Wrong::of(&problem);
            Ok((answer::MISTYPED, None))
        }
        Err(problem) => Err(problem),
    }
}
