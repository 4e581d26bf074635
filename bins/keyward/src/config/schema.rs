//! The configuration as JSON Schema, out of the table that the parser checks names with.

use keyward_providers::Catalogue;
use serde_json::{Map, Value, json};

use super::{
    defaults,
    fields::{FIELDS, Field, Kind, NAMED, Named, PROVIDER_FIELDS},
};

/// The schema (draft 2020-12) of a configuration file.
pub(crate) fn schema() -> Value {
    let mut top = Map::new();
    for field in FIELDS {
        let place = match field.section {
            "" => &mut top,
            section => {
                let table = top.entry(section).or_insert_with(|| table(&Map::new()));
                match table.get_mut("properties").and_then(Value::as_object_mut) {
                    Some(properties) => properties,
                    None => continue,
                }
            }
        };
        place.insert(field.name.to_owned(), described(field));
    }
    top.insert("providers".to_owned(), providers());
    top.extend(
        NAMED
            .iter()
            .map(|tables| (tables.section.to_owned(), named(tables))),
    );
    let mut schema = table(&top);
    if let Some(schema) = schema.as_object_mut() {
        let about = [
            ("$schema", "https://json-schema.org/draft/2020-12/schema"),
            ("title", "Configuration of Keyward"),
        ];
        schema.extend(about.map(|(name, text)| (name.to_owned(), text.into())));
    }
    schema
}

fn table(properties: &Map<String, Value>) -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn providers() -> Value {
    let fields = PROVIDER_FIELDS.iter();
    let fields = fields.map(|field| (field.name.to_owned(), described(field)));
    let catalogue = Catalogue::built_in().ok();
    let providers = catalogue.iter().flat_map(Catalogue::iter);
    let mut names: Vec<_> = providers
        .flat_map(|provider| {
            let aliases = provider.aliases().iter().map(AsRef::as_ref);
            [provider.slug()]
                .into_iter()
                .chain(aliases)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    names.sort_unstable();
    json!({
        "type": "object",
        "description": "Changes of built-in providers, by slug",
        "propertyNames": { "enum": names },
        "additionalProperties": table(&fields.collect()),
    })
}

fn named(tables: &Named) -> Value {
    let fields = tables.fields.iter();
    let fields = fields.map(|field| (field.name.to_owned(), described(field)));
    let mut each = table(&fields.collect());
    if let Some(each) = each.as_object_mut() {
        each.insert("required".to_owned(), json!(tables.required));
    }
    json!({
        "type": "object",
        "description": tables.meaning,
        "propertyNames": { "pattern": "^[a-z0-9-]{1,32}$" },
        "additionalProperties": each,
    })
}

fn described(field: &Field) -> Value {
    let mut schema = kind(field.kind);
    if let Some(object) = schema.as_object_mut() {
        let description = match defaults::of(field) {
            Some(default) => format!("{}. Default: {default}", field.meaning),
            None => field.meaning.to_owned(),
        };
        object.insert("description".to_owned(), description.into());
    }
    schema
}

fn kind(kind: Kind) -> Value {
    let texts = |item: Value| json!({ "type": "array", "items": item });
    match kind {
        Kind::Text | Kind::Path => json!({ "type": "string" }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Address => json!({
            "type": "string",
            "pattern": r"^(\d{1,3}(\.\d{1,3}){3}|\[[0-9A-Fa-f:.%]+\]):\d{1,5}$",
        }),
        Kind::Bytes => json!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": r"^\s*\d+\s*(B|KiB|MiB|GiB)?\s*$" },
        ] }),
        Kind::Number(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Hosts => texts(json!({ "type": "string", "pattern": r"^[^/@?#* ]+$" })),
        Kind::Networks => {
            texts(json!({ "type": "string", "pattern": r"^[0-9A-Fa-f:.]+(/\d{1,3})?$" }))
        }
        Kind::Paths => texts(json!({ "type": "string" })),
        Kind::Span => json!({ "type": "string", "pattern": r"^\d+[smhd]$" }),
        Kind::Texts => texts(json!({ "type": "string" })),
        Kind::Keys => {
            let name =
                || json!({ "type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" });
            texts(json!({
                "type": "object",
                "additionalProperties": false,
                "required": ["gateway", "provider"],
                "properties": { "gateway": name(), "provider": name(), "alias": name() },
            }))
        }
        Kind::Dollars => dollars(),
        Kind::Ratio => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Kind::Prices => texts(price()),
        Kind::Command => json!({
            "type": "array",
            "minItems": 1,
            "prefixItems": [{ "type": "string", "pattern": "^/" }],
            "items": { "type": "string" },
        }),
    }
}

fn dollars() -> Value {
    json!({ "type": "number", "minimum": 0, "maximum": 1_000_000 })
}

/// What some models of one provider cost.
fn price() -> Value {
    let tokens = || json!({ "type": "integer", "minimum": 1 });
    let mut rates = Map::new();
    for kind in [
        "input",
        "output",
        "cache_read",
        "cache_write",
        "cache_write_hour",
    ] {
        rates.insert(kind.to_owned(), dollars());
    }
    let mut tier = rates.clone();
    tier.insert(
        "above".to_owned(),
        json!({ "type": "integer", "minimum": 0 }),
    );
    let mut tier = table(&tier);
    let mut model = rates;
    let name =
        json!({ "type": "string", "pattern": r"^[!-)+-~]*\*?$", "minLength": 1, "maxLength": 256 });
    if let Some(tier) = tier.as_object_mut() {
        tier.insert("required".to_owned(), json!(["above", "input"]));
    }
    let others = [
        ("provider", json!({ "type": "string" })),
        (
            "names",
            json!({ "type": "array", "items": name, "minItems": 1 }),
        ),
        (
            "from",
            json!({ "type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$" }),
        ),
        ("tiers", json!({ "type": "array", "items": tier })),
        ("context", tokens()),
        ("max_output", tokens()),
    ];
    model.extend(others.map(|(field, schema)| (field.to_owned(), schema)));
    let mut model = table(&model);
    if let Some(model) = model.as_object_mut() {
        model.insert("required".to_owned(), json!(["provider", "names", "input"]));
    }
    model
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::{
        super::{Config, fields::sample},
        FIELDS, Field, Kind, NAMED, PROVIDER_FIELDS, schema,
    };

    fn is_valid(text: &str) -> bool {
        let parsed: toml::Table = toml::from_str(text).unwrap();
        let value: Value = serde_json::to_value(parsed).unwrap();
        jsonschema::validator_for(&schema())
            .unwrap()
            .is_valid(&value)
    }

    /// The schema and the parser say the same of `text`.
    #[track_caller]
    fn check(text: &str, expected: bool) {
        assert_eq!(is_valid(text), expected, "the schema of {text}");
        let parsed = Config::parse(text, Path::new("keyward.toml"), |_| None);
        assert_eq!(parsed.is_ok(), expected, "the parser of {text}");
    }

    fn line(field: &Field, value: &str) -> String {
        match field.section {
            "" => format!("{} = {value}", field.name),
            "providers" => format!("[providers.openai]\n{} = {value}", field.name),
            section => format!("[{section}]\n{} = {value}", field.name),
        }
    }

    #[test]
    fn the_schema_is_one() {
        assert!(jsonschema::meta::is_valid(&schema()));
    }

    #[test]
    fn the_documented_sample_is_valid() {
        let page = include_str!("../../../../docs/configuration.md");
        let (_, rest) = page.split_once("```toml\n").unwrap();
        let (sample, _) = rest.split_once("```").unwrap();
        assert!(sample.contains("[gateway]"));
        check(sample, true);
    }

    #[test]
    fn schema_and_parser_agree_on_every_field() {
        for field in FIELDS.iter().chain(PROVIDER_FIELDS) {
            check(&line(field, &sample(field).to_string()), true);
            check(&line(field, "{ a = 1 }"), false);
            check(&line(field, "-1"), false);
            if let Kind::Number(least, most) = field.kind {
                check(&line(field, &least.to_string()), true);
                if let Some(less) = least.checked_sub(1) {
                    check(&line(field, &less.to_string()), false);
                }
                if most < i64::MAX.unsigned_abs() {
                    check(&line(field, &most.to_string()), true);
                    check(&line(field, &(most + 1).to_string()), false);
                }
            }
        }
    }

    #[test]
    fn schema_and_parser_agree_on_tables_that_have_names() {
        for named in NAMED {
            let text = |changed: &Field, value: Option<&str>| {
                let line = |field: &Field| {
                    let value = match (field.name == changed.name, value) {
                        (true, None) => return None,
                        (true, Some(value)) => value.to_owned(),
                        (false, _) => sample(field).to_string(),
                    };
                    Some(format!("{} = {value}", field.name))
                };
                let lines: Vec<_> = named.fields.iter().filter_map(line).collect();
                format!("[{}.any-1]\n{}", named.section, lines.join("\n"))
            };
            for field in named.fields {
                check(&text(field, Some(&sample(field).to_string())), true);
                check(&text(field, None), !named.required.contains(&field.name));
                check(&text(field, Some("{ a = 1 }")), false);
                check(&text(field, Some("-1")), false);
            }
            let field = &named.fields[0];
            let good = text(field, Some(&sample(field).to_string()));
            check(&format!("{good}\nxyzzy = 1"), false);
            check(&good.replace("any-1", "Any_1"), false);
        }
    }

    #[test]
    fn schema_and_parser_agree_on_what_is_wrong() {
        for text in [
            "xyzzy = 1",
            "[gateway]\nlisen = \"127.0.0.1:1\"",
            "[gateway]\nlisten = \"localhost:1\"",
            "[gateway]\nmemory_budget = \"1 MB\"",
            "[control]\nallowed_hosts = [\"https://a.example\"]",
            "[gateway]\ntrusted_proxies = [\"here\"]",
            "[seal]\ncommand = [\"relative\"]",
            "[seal]\ncommand = []",
            "[log]\nformat = \"yaml\"",
            "[providers.opnai]\nbase_url = \"https://a.example\"",
            "[providers.openai]\nbaseurl = \"https://a.example\"",
            "[prices]\nunknown_input = 1000001",
            "[prices]\nmodels = [{ provider = \"openai\", names = [\"a*b\"], input = 1 }]",
            "[prices]\nmodels = [{ provider = \"openai\", names = [], input = 1 }]",
            "[prices]\nmodels = [{ provider = \"openai\", names = [\"m\"], input = 1, reasoning = 1 }]",
        ] {
            check(text, false);
        }
        check("[gateway]\nmemory_budget = 1000", true);
    }
}
