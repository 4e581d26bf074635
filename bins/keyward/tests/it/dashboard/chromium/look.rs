//! How a page looks: its size, its colours, a picture of it, and what axe-core says of it.

use std::{fs, sync::LazyLock};

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::Chromium;
use crate::support::prepared;

/// What the person prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Scheme {
    Light,
    Dark,
}

static AXE: LazyLock<String> = LazyLock::new(|| {
    let path = prepared("KEYWARD_TEST_NODE_DIR").join("node_modules/axe-core/axe.min.js");
    fs::read_to_string(path).unwrap()
});

/// What stands wider than the window, but for what can be scrolled by itself; and text that its own box cuts off.
const BEYOND: &str = "
    const width = document.documentElement.clientWidth;
    const scrolls = (element) => {
        for (let at = element; at; at = at.parentElement) {
            if (['auto', 'scroll'].includes(getComputedStyle(at).overflowX)) return true;
            if (getComputedStyle(at).clipPath !== 'none') return true;
        }
        return false;
    };
    const name = (element) => element.outerHTML.slice(0, 160);
    const beyond = [];
    const reach = document.documentElement.scrollWidth;
    if (reach > width) beyond.push(`the page scrolls sideways: ${reach} in ${width}`);
    for (const element of document.body.querySelectorAll('*')) {
        const box = element.getBoundingClientRect();
        if (box.width === 0 || scrolls(element)) continue;
        if (box.right > width + 1 || box.left < -1) beyond.push(name(element));
    }
    return beyond.slice(0, 5);";

impl Chromium {
    /// A window of this width, as a person with these preferences has it.
    pub(in super::super) fn look(&self, width: u32, scheme: Scheme) {
        let scheme = match scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        let features = [
            ("prefers-color-scheme", scheme),
            ("prefers-reduced-motion", "reduce"),
        ];
        let features = features.map(|(name, value)| json!({"name": name, "value": value}));
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({ "features": features }),
        );
        // As on most screens today; and a picture of more than the window leaves one behind.
        self.devtools("Emulation.setScrollbarsHidden", &json!({"hidden": true}));
        self.resize(&json!(width), 900);
    }

    /// The whole page as WebP, as high as it is, up to `height`.
    pub(in super::super) fn picture(&self, height: u64) -> Vec<u8> {
        let layout = self.devtools("Page.getLayoutMetrics", &json!({}));
        let page = &layout["cssContentSize"];
        let height = page["height"].as_u64().unwrap().min(height);
        // A window as high as the page, so that what sticks to the window reaches to the end.
        self.resize(&page["width"], height);
        let format = json!({"format": "webp", "quality": 80});
        let taken = self.devtools("Page.captureScreenshot", &format);
        BASE64
            .decode(taken["data"].as_str().unwrap().as_bytes())
            .unwrap()
    }

    /// Nothing is cut off at this width.
    #[track_caller]
    pub(in super::super) fn fits(&self, page: &str) {
        let beyond = self.run(BEYOND);
        assert_eq!(beyond, json!([]), "{page}");
    }

    /// axe-core finds nothing serious.
    #[track_caller]
    pub(in super::super) fn is_accessible(&self, page: &str) {
        if self.run("return typeof axe") == "undefined" {
            self.run(&AXE);
        }
        let found = self.run(
            "return axe.run().then((done) => done.violations.map(({id, impact, nodes}) => \
             ({id, impact, nodes: nodes.slice(0, 3).map((node) => [node.html, node.any.map((any) => any.message)])})))",
        );
        let serious = |violation: &&Value| {
            ["serious", "critical"].contains(&violation["impact"].as_str().unwrap())
        };
        let found: Vec<_> = found.as_array().unwrap().iter().filter(serious).collect();
        assert!(found.is_empty(), "{page}: {found:#?}");
    }

    fn resize(&self, width: &Value, height: u64) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// The protocol of Chromium's own tools, which knows of pictures and preferences.
    fn devtools(&self, command: &str, params: &Value) -> Value {
        let body = json!({"cmd": command, "params": params});
        self.ask("POST", "/goog/cdp/execute", &body).unwrap()
    }
}
