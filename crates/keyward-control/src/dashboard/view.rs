//! What every page shows, and the small parts that pages are made of.

use std::{fmt, sync::Arc};

use askama::filters::HtmlSafe;

use super::{assets::Assets, nonce::Nonce};

/// What the frame around every page shows.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) assets: Arc<Assets>,
    pub(crate) section: Section,
    pub(crate) csrf: Arc<Nonce>,
    pub(crate) account: String,
    pub(crate) token: String,
    pub(crate) version: String,
}

/// Where a page belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Overview,
    Keys,
    Gateways,
    Logs,
    Tokens,
    ApiTokens,
    Secrets,
    CustomProviders,
    Playground,
    Audit,
    Settings,
}

/// One line of the menu.
pub(crate) struct Entry {
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    pub(crate) icon: Icon,
    pub(crate) is_here: bool,
}

impl Frame {
    pub(crate) fn icon(&self, name: &'static str) -> Icon {
        Icon {
            assets: Arc::clone(&self.assets),
            name,
            class: "",
        }
    }

    pub(crate) fn icon_of(&self, name: &'static str, class: &'static str) -> Icon {
        Icon {
            class,
            ..self.icon(name)
        }
    }

    pub(crate) fn badge(&self, status: &str) -> Badge {
        Badge::new(self, status)
    }

    pub(crate) fn menu(&self) -> Vec<Entry> {
        let entry = |section, path, name, icon| Entry {
            path,
            name,
            icon: self.icon(icon),
            is_here: self.section == section,
        };
        vec![
            entry(Section::Overview, "/", "Overview", "overview"),
            entry(Section::Keys, "/keys", "Provider keys", "key"),
            entry(Section::Gateways, "/gateways", "Gateways", "gateway"),
            entry(Section::Logs, "/logs", "Request log", "requests"),
            entry(Section::Tokens, "/tokens", "Gateway tokens", "token"),
            entry(Section::ApiTokens, "/api-tokens", "API tokens", "terminal"),
            entry(Section::Secrets, "/secrets", "Secrets stores", "store"),
            entry(
                Section::CustomProviders,
                "/providers",
                "Custom providers",
                "provider",
            ),
            entry(Section::Playground, "/playground", "Playground", "play"),
            entry(Section::Audit, "/audit", "Audit log", "log"),
            entry(Section::Settings, "/settings", "Settings", "settings"),
        ]
    }

    /// The account's id, short enough to tell accounts apart by.
    pub(crate) fn account_short(&self) -> String {
        let ends = self.account.get(..8).zip(self.account.get(28..));
        ends.map_or_else(
            || self.account.clone(),
            |(start, end)| format!("{start}…{end}"),
        )
    }

    /// The hidden field of every form.
    pub(crate) fn csrf(&self) -> Csrf {
        Csrf(Arc::clone(&self.csrf))
    }
}

/// A picture of the sprite. The word beside it says what it means.
pub(crate) struct Icon {
    assets: Arc<Assets>,
    name: &'static str,
    class: &'static str,
}

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            assets,
            name,
            class,
        } = self;
        let kind = if *name == "logo" { "logo" } else { "icon" };
        write!(
            f,
            r##"<svg class="{kind}{class}" aria-hidden="true"><use href="{}#{name}"/></svg>"##,
            assets.icons
        )
    }
}

impl HtmlSafe for Icon {}

/// The hidden field that shows that a form is ours.
pub(crate) struct Csrf(Arc<Nonce>);

impl fmt::Display for Csrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0.expose();
        write!(f, r#"<input type="hidden" name="csrf" value="{value}">"#)
    }
}

impl HtmlSafe for Csrf {}

/// A status with its colour and picture.
pub(crate) struct Badge {
    icon: Icon,
    class: &'static str,
    name: &'static str,
}

impl Badge {
    fn new(frame: &Frame, status: &str) -> Self {
        let (name, class, icon) = match status {
            "active" => ("active", "ok", "active"),
            "disabled" => ("disabled", "", "disabled"),
            "expired" => ("expired", "warn", "expired"),
            "denied" => ("denied", "bad", "invalid"),
            "unauthenticated" => ("not authenticated", "bad", "invalid"),
            "done" => ("done", "ok", "active"),
            "failed" => ("failed", "bad", "invalid"),
            _ => ("invalid", "bad", "invalid"),
        };
        Self {
            icon: frame.icon(icon),
            class,
            name,
        }
    }
}

impl fmt::Display for Badge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { icon, class, name } = self;
        write!(f, r#"<span class="badge {class}">{icon}{name}</span>"#)
    }
}

impl HtmlSafe for Badge {}

/// One thing to copy.
pub(crate) struct Code {
    /// Unique on the page.
    pub(crate) id: String,
    pub(crate) label: &'static str,
    pub(crate) text: String,
    /// Whether it is one line that may wrap.
    pub(crate) is_line: bool,
}

/// How to do what a page does without it.
pub(crate) struct ByHand {
    /// None: no command does it.
    pub(crate) command: Option<Code>,
    pub(crate) call: Code,
}

impl ByHand {
    pub(crate) fn new(command: String, call: String) -> Self {
        Self {
            command: Some(line("by-command", "Command", command)),
            ..Self::call(call)
        }
    }

    /// Of what no command does.
    pub(crate) fn call(call: String) -> Self {
        Self {
            command: None,
            call: line("by-call", "API call", call),
        }
    }
}

fn line(id: &str, label: &'static str, text: String) -> Code {
    Code {
        id: id.to_owned(),
        label,
        text,
        is_line: true,
    }
}
