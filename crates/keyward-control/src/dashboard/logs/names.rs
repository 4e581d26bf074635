//! What the keys and tokens of a gateway are called: entries hold their ids alone.

use keyward_auth::{ManagePlace, Permission};
use serde::Deserialize;

use crate::{
    dashboard::{
        keys::Key,
        visit::{To, Visit},
    },
    envelope::Problem,
};

/// More than anybody picks from a drop-down: beyond them, ids are shown.
const MOST_PAGES: usize = 5;
const PER_PAGE: usize = 100;

/// A key or a token.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// The keys of a gateway, and the tokens that are good for it.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) keys: Vec<Named>,
    /// None where the API token may not see them.
    pub(crate) tokens: Vec<Named>,
}

#[derive(Deserialize)]
struct Token {
    id: String,
    name: String,
}

impl Names {
    pub(crate) async fn load(visit: &Visit, gateway: &str) -> Result<Self, Problem> {
        let mut names = Self {
            keys: Vec::new(),
            tokens: Vec::new(),
        };
        for page in 1..=MOST_PAGES {
            let to = To::new("provider_keys_list")
                .with("gateway_id", gateway)
                .with_number("page", page)
                .with_number("per_page", PER_PAGE);
            let answer = visit.get::<Vec<Key>>(to).await?;
            names
                .keys
                .extend(answer.result.into_iter().map(|key| Named {
                    name: key.name(),
                    id: key.id,
                }));
            if page >= answer.result_info.total_pages {
                break;
            }
        }
        if !visit.may(Permission::AccountApiTokensRead, ManagePlace::Token) {
            return Ok(names);
        }
        for page in 1..=MOST_PAGES {
            let to = To::new("token_list")
                .with("kind", "gateway")
                .with("gateway_id", gateway)
                .with_number("page", page)
                .with_number("per_page", PER_PAGE);
            let answer = visit.get::<Vec<Token>>(to).await?;
            names
                .tokens
                .extend(answer.result.into_iter().map(|token| Named {
                    id: token.id,
                    name: token.name,
                }));
            if page >= answer.result_info.total_pages {
                break;
            }
        }
        Ok(names)
    }

    /// What a key is called; its id, where it is gone.
    pub(crate) fn key<'a>(&'a self, id: &'a str) -> &'a str {
        find(&self.keys, id).unwrap_or(id)
    }

    pub(crate) fn has_key(&self, id: &str) -> bool {
        find(&self.keys, id).is_some()
    }

    /// What a token is called; its id, where it is gone or is not for the reader.
    pub(crate) fn token<'a>(&'a self, id: &'a str) -> &'a str {
        find(&self.tokens, id).unwrap_or(id)
    }

    pub(crate) fn has_token(&self, id: &str) -> bool {
        find(&self.tokens, id).is_some()
    }
}

fn find<'a>(all: &'a [Named], id: &str) -> Option<&'a str> {
    let found = all.iter().find(|named| named.id == id);
    found.map(|named| named.name.as_str())
}
