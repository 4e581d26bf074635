//! The pages that say why nothing was done.

use std::sync::Arc;

use askama::Template;
use axum::response::{IntoResponse, Response};

use super::{answer, assets::Assets, marked::Marked, sign_in};
use crate::{control::Shared, envelope::Problem};

/// Why a page was not carried out.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Nobody is signed in, and a page was asked for: on to the page to sign in.
    ToSignIn,
    /// Nobody is signed in, and something was to be changed.
    SignedOut,
    /// The form was not sent from a page of ours.
    Foreign,
    /// What the route said.
    Problem(Problem),
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    assets: Arc<Assets>,
    status: u16,
    title: &'a str,
    text: Marked<'a>,
    link: &'a str,
    link_text: &'a str,
    /// Whether another API token might do: a token that may not see the overview is led there after the sign-in, and
    /// this page has no button to sign out.
    takes_another: bool,
}

/// The page that tells of a fault.
pub(crate) fn respond(shared: &Shared, fault: &Fault) -> Response {
    let (status, title, text) = match fault {
        Fault::ToSignIn => {
            return answer::see(sign_in::PATH).unwrap_or_else(IntoResponse::into_response);
        }
        Fault::SignedOut => (
            answer::REFUSED,
            "You are signed out",
            "Nothing was changed. A session ends after 30 minutes without use, after 12 hours, and with its API token.",
        ),
        Fault::Foreign => (
            answer::REFUSED,
            "This form was not sent from this dashboard",
            "Nothing was changed. Go back, load the page again and repeat it there.",
        ),
        Fault::Problem(problem) => {
            let title = match problem.status().as_u16() {
                401 | 403 => "Your API token may not do this",
                404 => "There is nothing here",
                500.. => "That did not work",
                _ => "Nothing was changed",
            };
            (problem.status(), title, problem.message())
        }
    };
    let (link, link_text) = match fault {
        Fault::SignedOut => (sign_in::PATH, "Sign in"),
        _ => ("/", "Overview"),
    };
    let is_of_a_route = matches!(fault, Fault::Problem(_));
    let page = ErrorPage {
        assets: Arc::clone(&shared.dashboard.assets),
        status: status.as_u16(),
        title,
        text: Marked(text),
        link,
        link_text,
        takes_another: is_of_a_route && matches!(status.as_u16(), 401 | 403),
    };
    answer::page(status, &page).unwrap_or_else(IntoResponse::into_response)
}
