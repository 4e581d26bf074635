//! A page without a mouse: Tab and arrows until the wanted element has the focus, which must be seen, then a key.

use serde_json::{Value, json};

use super::{Chromium, ELEMENT};

// WebDriver §17.4.2.
const ENTER: char = '\u{E007}';
const TAB: char = '\u{E004}';
const DOWN: char = '\u{E015}';
const CONTROL: char = '\u{E009}';

/// More steps than any page has places to stop at.
const STEPS: usize = 300;

/// Where the focus is: on the wanted element; on a button of the same group of radio buttons, where arrows lead on; and
/// whether it can be seen.
const WHERE: &str = "
    const [wanted] = arguments, here = document.activeElement;
    const drawn = (style) => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    const places = [[here], [here, '::after'], [here.closest('label')], [here.nextElementSibling]];
    return {
        there: here === wanted,
        group: here.type === 'radio' && here.name === wanted.name,
        seen: places.some(([element, part]) => element && drawn(getComputedStyle(element, part))),
        what: here.outerHTML.slice(0, 200),
    };";

impl Chromium {
    /// Enter for links and buttons, a space for what is chosen.
    pub(super) fn press(&self, element: &str) -> Result<Value, String> {
        self.reach(element)?;
        let script = "return arguments[0].matches('[type=radio], [type=checkbox]')";
        let is_choice = self.run_with(script, &[json!({ ELEMENT: element })])?;
        let key = if is_choice == true { ' ' } else { ENTER };
        self.strike(&[&[key]])
    }

    pub(super) fn type_into(&self, element: &str, text: &str) -> Result<Value, String> {
        self.reach(element)?;
        let all: &[char] = &[CONTROL, 'a'];
        let letters: Vec<[char; 1]> = text.chars().map(|letter| [letter]).collect();
        let letters = letters.iter().map(<[char; 1]>::as_slice);
        self.strike(&std::iter::once(all).chain(letters).collect::<Vec<_>>())
    }

    /// Moves the focus there, as somebody without a mouse does.
    fn reach(&self, element: &str) -> Result<(), String> {
        for _ in 0..STEPS {
            let focus = self.run_with(WHERE, &[json!({ ELEMENT: element })])?;
            if focus["there"] == true {
                // Nobody waits for a page to get better here.
                assert_eq!(focus["seen"], true, "the focus is not seen: {focus}");
                return Ok(());
            }
            let key = if focus["group"] == true { DOWN } else { TAB };
            self.strike(&[&[key]])?;
        }
        Err("the focus does not get there".to_owned())
    }

    /// Strikes chords, one after the other.
    fn strike(&self, chords: &[&[char]]) -> Result<Value, String> {
        let act = |kind: &str, key: &char| json!({"type": kind, "value": key.to_string()});
        let keys = chords.iter().flat_map(|chord| {
            let down = chord.iter().map(move |key| act("keyDown", key));
            down.chain(chord.iter().rev().map(move |key| act("keyUp", key)))
        });
        let keys: Vec<_> = keys.collect();
        let hands = json!({"actions": [{"type": "key", "id": "keyboard", "actions": keys}]});
        self.ask("POST", "/actions", &hands)
    }
}
