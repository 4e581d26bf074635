//! Spend limits, in words.

use keyward_routes::SpendLimits;
use serde_json::Value;

/// The limits of a key or a token: each rule with its amount and window. For which requests it is, `--json` shows.
pub(super) fn told(of: &Value) -> String {
    let limits = of.get("spend_limits").cloned().unwrap_or_default();
    if limits.is_null() {
        return "none".to_owned();
    }
    let Ok(limits) = serde_json::from_value::<SpendLimits>(limits) else {
        return "some that this version does not know; --json shows them".to_owned();
    };
    let rules = limits.rules().iter().map(|rule| {
        let budget = rule.budget();
        let off = match limits.is_enabled() && rule.is_enabled() {
            true => "",
            false => " (off)",
        };
        format!(
            "{} {} USD per {}{off}",
            rule.id(),
            budget.limit(),
            budget.window()
        )
    });
    match limits.rules() {
        [] => "none".to_owned(),
        _ => rules.collect::<Vec<_>>().join("; "),
    }
}
