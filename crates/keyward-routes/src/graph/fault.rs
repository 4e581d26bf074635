//! What is wrong with the elements of a graph, all of it at once, each with its place.

use std::fmt::{self, Write as _};

/// The most faults that are told.
const MOST: usize = 100;
/// How much of a key is told, in bytes.
const LONGEST_KEY: usize = 300;

/// Elements that are no graph. Tells every fault, up to a hundred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphError {
    faults: Vec<Fault>,
    /// How many there are beyond those.
    more: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    element: Option<Box<str>>,
    path: Vec<Segment>,
    message: String,
}

/// One step to the place of a [`Fault`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "JSON has no other steps")]
pub enum Segment {
    /// Into an object.
    Key(Box<str>),
    /// Into an array, from 0.
    Item(usize),
}

impl GraphError {
    /// What is wrong: at least one fault, at most a hundred.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            let between = if at == 0 { "" } else { "\n" };
            write!(formatter, "{between}{fault}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(formatter, "\nand {more} more"),
        }
    }
}

impl std::error::Error for GraphError {}

impl Fault {
    /// The id of the element in which it stands, where that has one.
    #[must_use]
    pub fn element(&self) -> Option<&str> {
        self.element.as_deref()
    }

    /// The way to its place, from `elements` on.
    #[must_use]
    pub fn path(&self) -> &[Segment] {
        &self.path
    }

    /// What is wrong there and what to do, to be read after the place: `is no operator; …`.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The place as people write it: `elements[3].properties.limit`.
    #[must_use]
    pub fn place(&self) -> String {
        let mut place = String::new();
        for segment in &self.path {
            // A text takes whatever is written to it.
            let _ = match segment {
                Segment::Item(at) => write!(place, "[{at}]"),
                Segment::Key(key) if place.is_empty() => write!(place, "{key}"),
                Segment::Key(key) if is_plain(key) => write!(place, ".{key}"),
                Segment::Key(key) => write!(place, "[{key:?}]"),
            };
        }
        place
    }
}

fn is_plain(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte);
    !key.is_empty() && key.bytes().all(plain)
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        match &self.element {
            None => write!(formatter, "{place} {}", self.message),
            Some(element) => write!(formatter, "{place} (element {element:?}) {}", self.message),
        }
    }
}

/// Collects faults, each at the place that is being read.
#[derive(Debug)]
pub(crate) struct Faults {
    element: Option<Box<str>>,
    path: Vec<Segment>,
    list: Vec<Fault>,
    more: usize,
}

impl Faults {
    pub(super) fn new() -> Self {
        Self {
            element: None,
            path: vec![Segment::Key("elements".into())],
            list: Vec::new(),
            more: 0,
        }
    }

    /// Notes what is wrong at this place.
    pub(crate) fn add(&mut self, message: impl fmt::Display) {
        if self.list.len() == MOST {
            self.more += 1;
            return;
        }
        self.list.push(Fault {
            element: self.element.clone(),
            path: self.path.clone(),
            message: message.to_string(),
        });
    }

    pub(crate) fn enter(&mut self, key: &str) {
        // No key that means anything is longer; a longer one would stand in each of a hundred faults.
        let cut = key.get(..key.floor_char_boundary(LONGEST_KEY));
        self.path.push(Segment::Key(cut.unwrap_or(key).into()));
    }

    pub(crate) fn enter_item(&mut self, at: usize) {
        self.path.push(Segment::Item(at));
    }

    pub(crate) fn leave(&mut self) {
        self.path.pop();
    }

    /// Notes what is wrong below this place.
    pub(super) fn add_at(&mut self, key: &str, message: impl fmt::Display) {
        self.enter(key);
        self.add(message);
        self.leave();
    }

    /// Goes on at an element of the array, from outside of any.
    pub(super) fn enter_element(&mut self, at: usize, id: Option<&str>) {
        self.enter_item(at);
        self.element = id.map(Into::into);
    }

    pub(super) fn leave_element(&mut self) {
        self.leave();
        self.element = None;
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn into_error(self) -> GraphError {
        GraphError {
            faults: self.list,
            more: self.more,
        }
    }
}
