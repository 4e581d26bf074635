//! The elements of a route as they are drawn and listed: also of what is no route yet, as far as it can be read.

use serde_json::{Map, Value};

/// More elements than a route has, and as many as are drawn.
pub(super) const MOST_DRAWN: usize = 200;
/// More outputs than an element has, and as many as are drawn.
const MOST_OUTPUTS: usize = 8;
/// The longest text of a property, in characters.
const LONGEST: usize = 200;

/// The elements of a route, as far as they can be read.
#[derive(Debug)]
pub(super) struct Sketch {
    pub(super) elements: Vec<Element>,
}

#[derive(Debug)]
pub(super) struct Element {
    pub(super) id: String,
    pub(super) kind: String,
    /// The property that tells it from others of its type. Empty: there is none.
    pub(super) what: String,
    pub(super) outputs: Vec<Output>,
}

#[derive(Debug)]
pub(super) struct Output {
    pub(super) name: String,
    /// The id that it names. Empty: it names none.
    pub(super) to: String,
    /// Which element that is. None: there is none.
    pub(super) at: Option<usize>,
}

impl Sketch {
    /// Reads JSON. None: it is no array of objects, or one with more than [`MOST_DRAWN`] elements.
    pub(super) fn read(text: &str) -> Option<Self> {
        Self::of(&serde_json::from_str(text).ok()?)
    }

    /// The same of JSON that is read already.
    pub(super) fn of(elements: &Value) -> Option<Self> {
        let elements = elements.as_array()?;
        if elements.len() > MOST_DRAWN {
            return None;
        }
        let elements: Option<Vec<_>> = elements.iter().map(Value::as_object).collect();
        let mut elements: Vec<_> = elements?.into_iter().map(Element::read).collect();
        let ids: Vec<_> = elements.iter().map(|element| element.id.clone()).collect();
        for element in &mut elements {
            for output in &mut element.outputs {
                let is_it = |id: &String| !id.is_empty() && *id == output.to;
                output.at = ids.iter().position(is_it);
            }
        }
        Some(Self { elements })
    }

    /// The element with an id.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        let id = readable(id);
        self.elements.iter().position(|element| element.id == id)
    }

    /// Which of an element's outputs has a name.
    pub(super) fn find_output(&self, element: usize, name: &str) -> Option<usize> {
        let (name, element) = (readable(name), self.elements.get(element)?);
        element
            .outputs
            .iter()
            .position(|output| output.name == name)
    }

    /// The names of the models, each once, in the order of the elements.
    pub(super) fn models(&self) -> Vec<&str> {
        let mut models = Vec::new();
        for element in &self.elements {
            if element.kind == "model" && !models.contains(&element.what.as_str()) {
                models.push(&element.what);
            }
        }
        models
    }
}

impl Element {
    fn read(element: &Map<String, Value>) -> Self {
        let text = |name| element.get(name).and_then(Value::as_str).map(readable);
        let kind = text("type").unwrap_or_default();
        let nothing = Map::new();
        let of = |name| element.get(name).and_then(Value::as_object);
        let properties = of("properties").unwrap_or(&nothing);
        let outputs = of("outputs").unwrap_or(&nothing).iter();
        let mut outputs: Vec<_> = outputs.take(MOST_OUTPUTS).map(Output::read).collect();
        // The way that is meant comes first, what is left for the others last.
        outputs.sort_by_key(|output| matches!(&*output.name, "false" | "fallback" | "else"));
        Self {
            id: text("id").unwrap_or_default(),
            what: what(&kind, properties),
            kind,
            outputs,
        }
    }
}

impl Output {
    fn read((name, target): (&String, &Value)) -> Self {
        let to = target.get("elementId").and_then(Value::as_str);
        Self {
            name: readable(name),
            to: to.map(readable).unwrap_or_default(),
            at: None,
        }
    }
}

/// What an element does, in few words.
fn what(kind: &str, properties: &Map<String, Value>) -> String {
    let text = |names: &[&str]| {
        let mut found = names.iter().filter_map(|name| properties.get(*name));
        found.next().map(|value| match value {
            Value::String(text) => readable(text),
            value => readable(&value.to_string()),
        })
    };
    match kind {
        "conditional" => {
            let condition = text(&["conditions", "condition"]);
            condition.unwrap_or_else(|| "every request".to_owned())
        }
        "percentage" => "by chance".to_owned(),
        "rate" | "rate_limit" => {
            let number = |names| text(names).unwrap_or_else(|| "?".to_owned());
            let (limit, window) = (number(&["limit"]), number(&["window", "interval"]));
            let by = text(&["key"]).filter(|key| !key.is_empty());
            let by = by.map_or_else(String::new, |key| format!(" by {key}"));
            cut(&format!("{limit} in {window} s{by}"), LONGEST)
        }
        "model" => {
            let part = |name| text(&[name]).unwrap_or_else(|| "?".to_owned());
            cut(&format!("{}/{}", part("provider"), part("model")), LONGEST)
        }
        _ => String::new(),
    }
}

/// A text that somebody chose, as [`plain`], and not longer than is shown.
fn readable(text: &str) -> String {
    cut(&plain(text), LONGEST)
}

/// A text that somebody chose, without what would change how the text around it reads.
pub(super) fn plain(text: &str) -> String {
    let shown = text.chars().map(|character| match character {
        // What reverses the direction of what follows, and what cannot be seen.
        '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => char::REPLACEMENT_CHARACTER,
        character if character.is_control() => char::REPLACEMENT_CHARACTER,
        character => character,
    });
    shown.collect()
}

/// At most so many characters, the last of them an ellipsis where there are more.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let kept = text.chars().take(most.saturating_sub(1));
            kept.chain(['…']).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MOST_DRAWN, Sketch, cut};

    #[test]
    fn both_spellings_read_alike() {
        let here = Sketch::read(
            r#"[{"id":"l","type":"rate","properties":{"limit":20,"window":60,"key":"metadata.user"},
                "outputs":{"success":{"elementId":"m"},"fallback":{"elementId":"none"}}},
               {"id":"c","type":"conditional","properties":{"conditions":{"metadata.plan":"free"}}},
               {"id":"m","type":"model","properties":{"provider":"openai","model":"gpt-5"}},{"id":"e","type":"end"}]"#,
        )
        .unwrap();
        let there = Sketch::read(
            r#"[{"id":"l","type":"rate_limit","properties":{"limit":20,"interval":60}},
               {"id":"c","type":"conditional","properties":{"condition":{"metadata.plan":"free"}}},
               {"id":"a","type":"conditional"}]"#,
        )
        .unwrap();
        let what: Vec<_> = [&here, &there]
            .into_iter()
            .flat_map(|sketch| sketch.elements.iter().map(|element| element.what.as_str()))
            .collect();
        assert_eq!(
            what,
            [
                "20 in 60 s by metadata.user",
                r#"{"metadata.plan":"free"}"#,
                "openai/gpt-5",
                "",
                "20 in 60 s",
                r#"{"metadata.plan":"free"}"#,
                "every request",
            ]
        );
        let outputs = &here.elements[0].outputs;
        let at: Vec<_> = outputs.iter().map(|output| output.at).collect();
        assert_eq!(at, [Some(2), None]);
        assert_eq!(here.models(), ["openai/gpt-5"]);
        assert_eq!((here.find("e"), here.find("x")), (Some(3), None));
        assert_eq!(here.find_output(0, "fallback"), Some(1));
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_what_cannot_be_seen_is_told() {
        for text in ["", "{}", "[1]", "nonsense", "null"] {
            assert!(Sketch::read(text).is_none(), "{text}");
        }
        let many = format!("[{}{{}}]", "{},".repeat(MOST_DRAWN));
        assert!(Sketch::read(&many).is_none());
        let odd = Sketch::read(
            r#"[{"id":7,"type":[],"outputs":{"next":"end"},"properties":3},{"id":"a\u202eb\u0000"}]"#,
        );
        let odd = odd.unwrap().elements;
        assert_eq!((&*odd[0].id, &*odd[0].outputs[0].to), ("", ""));
        assert_eq!(odd[1].id, "a\u{fffd}b\u{fffd}");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text: String, id: String) {
            let _may_be_none = Sketch::read(&text);
            let text = serde_json::json!([{"id": id, "type": id, "outputs": {id.clone(): {"elementId": id}}}]);
            let sketch = Sketch::read(&text.to_string()).unwrap();
            prop_assert!(sketch.elements[0].id.chars().count() <= 200);
        }
    }
}
