//! The spend limits of a gateway, a provider key or a token, as requests carry them. Answers have them as they are kept.

use keyward_routes::{
    Budget, BudgetWindow, Money, RuleId, SpendError, SpendLimits, SpendRule, SpendRuleParts, Split,
    Technique,
};
use utoipa::{ToSchema, openapi::Schema};

use crate::{
    envelope::{FieldPath, Problem},
    object::{Field, Object},
    openapi::{Flag, choice, choice_or_null},
};

const FIELDS: &[&str] = &["enabled", "rules"];
const RULE_FIELDS: &[&str] = &[
    "id",
    "enabled",
    "limitType",
    "limit",
    "window",
    "technique",
    "calendar",
    "provider",
    "model",
    "metadata",
];
const SPLIT_FIELDS: &[&str] = &["mode", "values"];

const COST: &str = "cost";
const TECHNIQUES: &[(&str, Technique)] =
    &[("fixed", Technique::Fixed), ("sliding", Technique::Sliding)];
const CALENDARS: &[(&str, BudgetWindow)] = &[
    ("day", BudgetWindow::DAY),
    ("week", BudgetWindow::WEEK),
    ("month", BudgetWindow::MONTH),
];
/// Whether a split is a filter.
const MODES: &[(&str, bool)] = &[("filter", true), ("partition", false)];

/// How much may be spent.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SpendLimits)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub(crate) struct Limits {
    /// Default true.
    enabled: Option<Flag>,
    /// Each has to have room for a request that it is for.
    #[schema(max_items = 20)]
    rules: Option<Vec<Rule>>,
}

/// How much may be spent by some requests in a window.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SpendRule)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
struct Rule {
    /// What was spent is kept by it. Default: `rule-` and the rule's number.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    id: Option<String>,
    /// Default true.
    enabled: Option<Flag>,
    #[schema(rename = "limitType", schema_with = limit_type)]
    limit_type: String,
    /// US dollars, above 0.
    #[schema(exclusive_minimum = 0, maximum = 1_000_000)]
    limit: f64,
    /// Seconds. Either this or `calendar`.
    #[schema(minimum = 1, maximum = 31_622_400)]
    window: Option<u64>,
    /// Of `window`: `fixed`, the default, beside each other on the clock; `sliding`, moving with the request.
    #[schema(schema_with = technique)]
    technique: Option<String>,
    /// Ours: a day, week or month of the calendar, in UTC.
    #[schema(schema_with = calendar)]
    calendar: Option<String>,
    /// Which providers, by slug. Default: all, counted together.
    provider: Option<Part>,
    /// Which models, by name or as `provider/name`. Default: all, counted together.
    model: Option<Part>,
    /// Which requests, by their metadata; those without are not meant. Default: all, counted together.
    metadata: Option<std::collections::BTreeMap<String, Part>>,
}

/// Which values a rule is for.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SpendPart)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
struct Part {
    /// `filter`: requests with one of `values`, counted together. `partition`: all, and each value by itself.
    #[schema(schema_with = mode)]
    mode: String,
    /// Of a filter.
    #[schema(min_items = 1, max_items = 100)]
    values: Option<Vec<String>>,
}

fn limit_type() -> Schema {
    choice([COST])
}

fn technique() -> Schema {
    choice_or_null(TECHNIQUES.iter().map(|(name, _)| *name))
}

fn calendar() -> Schema {
    choice_or_null(CALENDARS.iter().map(|(name, _)| *name))
}

fn mode() -> Schema {
    choice(MODES.iter().map(|(name, _)| *name))
}

/// Reads the limits of a gateway. Left out, they stay as they are: a client that does not know them must not take
/// them away by being silent.
pub(super) fn read(
    body: &mut Object,
    known: Option<&SpendLimits>,
) -> Result<Option<SpendLimits>, Problem> {
    Ok(read_change(body)?.unwrap_or_else(|| known.cloned()))
}

/// Reads the limits of a provider key. The outer `None`: the body says nothing of them.
pub(super) fn read_of_key(body: &mut Object) -> Result<Option<Option<SpendLimits>>, Problem> {
    let path = body.path("spend_limits").name("rules");
    let read = read_change(body)?;
    let rules = read.iter().flatten().flat_map(SpendLimits::rules);
    let is_conditional = |rule: &SpendRule| *rule.provider() != Split::All;
    match rules.enumerate().find(|(_, rule)| is_conditional(rule)) {
        None => Ok(read),
        Some((place, _)) => {
            let reason = "says nothing of a provider key, which is for one provider; leave it out";
            let path = path.index(place).name("provider");
            Err(Problem::invalid(&path, reason))
        }
    }
}

/// Reads the limits of a token. The outer `None`: the body says nothing of them. The inner: there are to be none.
pub(super) fn read_change(body: &mut Object) -> Result<Option<Option<SpendLimits>>, Problem> {
    let field = match body.find_nullable("spend_limits") {
        None => return Ok(None),
        Some(None) => return Ok(Some(None)),
        Some(Some(field)) => field,
    };
    let mut limits = Object::nested(field, FIELDS)?;
    let path = limits.path("rules");
    let enabled = limits.find("enabled").map_or(Ok(true), Field::boolean)?;
    let rules = match limits.find("rules").filter(|rules| !rules.is_off()) {
        None => Vec::new(),
        Some(rules) => rules.list()?,
    };
    let rules = rules
        .into_iter()
        .map(|rule| Object::nested(rule, RULE_FIELDS));
    let mut rules = rules.collect::<Result<Vec<_>, _>>()?;
    let ids = ids(&mut rules)?;
    let rules = rules.into_iter().zip(ids).enumerate();
    let rules = rules.map(|(index, (rule, id))| read_rule(rule, &path.index(index), id));
    let rules = rules.collect::<Result<Vec<_>, _>>()?;
    let limits = SpendLimits::new(enabled, rules);
    limits
        .map(|limits| Some(Some(limits)))
        .map_err(|error| Problem::invalid(&path, error))
}

/// What the rules are called: those without an id by the first number that is free from their own on.
fn ids(rules: &mut [Object]) -> Result<Vec<RuleId>, Problem> {
    let given = rules.iter_mut().map(|rule| rule.find("id"));
    let given = given.map(|id| id.map(|id| id.parsed(RuleId::parse)).transpose());
    let mut ids = given.collect::<Result<Vec<_>, _>>()?;
    for place in 0..ids.len() {
        if ids.get(place).is_some_and(Option::is_none) {
            let mut free = (place..).map(RuleId::of_place);
            let free = free.find(|id| !ids.iter().flatten().any(|taken| taken == id));
            if let Some(id) = ids.get_mut(place) {
                *id = free;
            }
        }
    }
    Ok(ids.into_iter().flatten().collect())
}

fn read_rule(mut rule: Object, path: &FieldPath, id: RuleId) -> Result<SpendRule, Problem> {
    let limit_type = rule.require("limitType")?;
    if !limit_type.is_text(COST) {
        return Err(limit_type.refuse("must be `cost`"));
    }
    let limit = rule.require("limit")?;
    let refuse_limit = limit.refuse(SpendError::Limit);
    let limit = limit.number().and_then(Money::from_dollars);
    let window = read_window(&mut rule, path)?;
    let split = |field: Option<Field>| field.map_or(Ok(Split::All), read_split);
    let metadata = match rule.find("metadata") {
        None => Vec::new(),
        Some(field) if field.is_off() => Vec::new(),
        Some(field) => field.members()?,
    };
    let metadata = metadata.into_iter();
    let metadata = metadata.map(|(name, field)| Ok((name, read_split(field)?)));
    let parts = SpendRuleParts {
        id,
        enabled: rule.find("enabled").map_or(Ok(true), Field::boolean)?,
        budget: limit
            .and_then(|limit| Budget::new(limit, window).ok())
            .ok_or(refuse_limit)?,
        provider: split(rule.find("provider"))?,
        model: split(rule.find("model"))?,
        metadata: metadata.collect::<Result<_, Problem>>()?,
    };
    SpendRule::new(parts).map_err(|error| Problem::invalid(path, error))
}

fn read_window(rule: &mut Object, path: &FieldPath) -> Result<BudgetWindow, Problem> {
    let technique = rule.find("technique");
    let calendar = rule.find("calendar");
    match (rule.find("window"), calendar) {
        (Some(window), None) => {
            let technique =
                technique.map_or(Ok(Technique::Fixed), |field| field.one_of(TECHNIQUES))?;
            let path = window.path().clone();
            let seconds = window.whole(0..=u64::MAX)?;
            let window = BudgetWindow::seconds(seconds, technique);
            window.map_err(|error| Problem::invalid(&path, error))
        }
        (None, Some(calendar)) => match technique {
            None => calendar.one_of(CALENDARS),
            Some(technique) => Err(technique.refuse(SpendError::Technique)),
        },
        (None, None) | (Some(_), Some(_)) => Err(Problem::invalid(path, SpendError::Window)),
    }
}

fn read_split(field: Field) -> Result<Split, Problem> {
    let mut split = Object::nested(field, SPLIT_FIELDS)?;
    if !split.require("mode")?.one_of(MODES)? {
        return match split.find("values") {
            None => Ok(Split::Partition),
            Some(values) => Err(values.refuse("belongs to the mode `filter`")),
        };
    }
    let values = split.require("values")?.list()?.into_iter();
    let values = values.map(|value| value.text(SpendRule::LONGEST_VALUE));
    Ok(Split::Filter(values.collect::<Result<_, _>>()?))
}
