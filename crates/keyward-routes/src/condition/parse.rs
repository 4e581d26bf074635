//! From a document to a condition: strict, every fault told, bounded.

use serde_json::{Map, Value};

use super::{
    Condition, Node, Order, Scalar, Test,
    pattern::{self, PatternError},
};
use crate::{
    facts::BodyPaths,
    field::{Field, ParseFieldError},
    graph::Faults,
};

/// The most documents within each other.
const DEEPEST: usize = 10;
/// The most operators of one condition.
const MOST_TESTS: usize = 200;
/// The most values of `$in` and `$nin`.
const MOST_VALUES: usize = 200;
/// The longest text to compare with, in bytes.
const LONGEST_TEXT: usize = 1024;
/// The most patterns of one graph.
const MOST_PATTERNS: usize = 20;
/// The most fields of the body that one graph names: each costs a look at every key.
const MOST_BODY_FIELDS: usize = 100;

/// Why a document is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("is {found} where a document is wanted, such as {{\"metadata.plan\": \"free\"}}")]
    NoDocument { found: &'static str },
    #[error(
        "is no operator between documents; there are $and, $or, $not, and the others stand at a field, such as {{\"metadata.plan\": {{\"$eq\": \"free\"}}}}"
    )]
    NoJoin,
    #[error(
        "is no operator; there are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $exists, $regex and $not"
    )]
    NoOperator,
    #[error("is no operator of its own; write the options into the pattern, such as \"(?i)free\"")]
    Options,
    #[error("{0}")]
    Field(#[from] ParseFieldError),
    #[error("names more than {MOST_BODY_FIELDS} fields of the body in one route; use fewer")]
    BodyFields,
    #[error("names no operator; write one, such as {{\"$exists\": true}}")]
    NoTest,
    #[error("wants a list of one or more documents; list them")]
    NoList,
    #[error(
        "wants a list of texts, numbers, true, false or null, at most {MOST_VALUES}; list such values"
    )]
    NoValues,
    #[error(
        "wants a text, a number, true, false or null; name a part of the field to compare arrays and objects"
    )]
    NoScalar,
    #[error("wants a number or a text, as nothing else has an order; compare with one")]
    NoOrder,
    #[error("wants true or false")]
    NoBool,
    #[error("wants a pattern as a text")]
    NoPattern,
    #[error("is longer than {LONGEST_TEXT} bytes; compare with a shorter text")]
    LongText,
    #[error("{0}")]
    Pattern(#[from] PatternError),
    #[error("is one pattern too many: a route has at most {MOST_PATTERNS}; join them with `|`")]
    Patterns,
    #[error("stands more than {DEEPEST} documents deep; write it flatter")]
    Deep,
    #[error("has more than {MOST_TESTS} operators; use $in for many values, or several elements")]
    Tests,
}

/// What the conditions of one graph may still use.
#[derive(Debug)]
pub(crate) struct Budget {
    patterns: usize,
    positions: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            patterns: MOST_PATTERNS,
            positions: pattern::MOST_POSITIONS,
            bytes: pattern::MOST_BYTES,
        }
    }
}

/// Reads one condition.
pub(crate) struct Parser<'p> {
    pub(crate) paths: &'p mut BodyPaths,
    pub(crate) budget: &'p mut Budget,
    pub(crate) faults: &'p mut Faults,
    tests: usize,
}

impl<'p> Parser<'p> {
    pub(crate) const fn new(
        paths: &'p mut BodyPaths,
        budget: &'p mut Budget,
        faults: &'p mut Faults,
    ) -> Self {
        Self {
            paths,
            budget,
            faults,
            tests: MOST_TESTS,
        }
    }

    /// The condition of a document. `None` where a fault was told.
    pub(crate) fn parse(mut self, value: &Value) -> Option<Condition> {
        self.document(value, DEEPEST).map(Condition::new)
    }

    fn refuse<T>(&mut self, problem: Problem) -> Option<T> {
        self.faults.add(problem);
        None
    }

    fn at<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.faults.enter(key);
        let read = read(self);
        self.faults.leave();
        read
    }

    fn document(&mut self, value: &Value, depth: usize) -> Option<Node> {
        let Some(depth) = depth.checked_sub(1) else {
            return self.refuse(Problem::Deep);
        };
        let Value::Object(entries) = value else {
            let found = kind(value);
            return self.refuse(Problem::NoDocument { found });
        };
        let read = entries
            .iter()
            .map(|(key, value)| self.at(key, |own| own.entry(key, value, depth)));
        // All are read, so that all faults are told.
        let nodes: Vec<_> = read.collect();
        all(nodes)
    }

    fn entry(&mut self, key: &str, value: &Value, depth: usize) -> Option<Node> {
        match key {
            "$and" => Some(Node::All(self.list(value, depth)?)),
            "$or" => Some(Node::Any(self.list(value, depth)?)),
            "$not" => Some(Node::Not(Box::new(self.document(value, depth)?))),
            _ if key.starts_with('$') => self.refuse(Problem::NoJoin),
            _ => {
                let field = self.field(key);
                let tests = self.tests(field.as_ref(), value, depth);
                field.and(tests)
            }
        }
    }

    fn list(&mut self, value: &Value, depth: usize) -> Option<Box<[Node]>> {
        let documents = value.as_array().filter(|documents| !documents.is_empty());
        let Some(documents) = documents else {
            return self.refuse(Problem::NoList);
        };
        let mut nodes = Vec::new();
        for (at, document) in documents.iter().enumerate() {
            self.faults.enter_item(at);
            nodes.push(self.document(document, depth));
            self.faults.leave();
        }
        nodes.into_iter().collect()
    }

    fn field(&mut self, text: &str) -> Option<Field> {
        match parse_field(text, self.paths) {
            Ok(field) => Some(field),
            Err(problem) => self.refuse(problem),
        }
    }

    /// The operators at a field. Without one, where the field itself is faulty, they are read for their faults alone.
    fn tests(&mut self, field: Option<&Field>, value: &Value, depth: usize) -> Option<Node> {
        match value {
            Value::Object(operators) => self.operators(field, operators, depth),
            bare => {
                self.count()?;
                let test = Test::Equal(self.scalar(bare)?);
                Some(Node::Test(Box::new(field?.clone()), test))
            }
        }
    }

    fn operators(
        &mut self,
        field: Option<&Field>,
        operators: &Map<String, Value>,
        depth: usize,
    ) -> Option<Node> {
        if operators.is_empty() {
            return self.refuse(Problem::NoTest);
        }
        let mut nodes = Vec::new();
        for (name, value) in operators {
            let node = self.at(name, |own| match name.as_str() {
                "$not" => own.not(field, value, depth),
                _ => {
                    own.count()?;
                    let test = own.test(name, value)?;
                    Some(Node::Test(Box::new(field?.clone()), test))
                }
            });
            nodes.push(node);
        }
        all(nodes)
    }

    fn not(&mut self, field: Option<&Field>, value: &Value, depth: usize) -> Option<Node> {
        let Some(depth) = depth.checked_sub(1) else {
            return self.refuse(Problem::Deep);
        };
        let node = self.tests(field, value, depth)?;
        Some(Node::Not(Box::new(node)))
    }

    fn count(&mut self) -> Option<()> {
        match self.tests.checked_sub(1) {
            Some(left) => {
                self.tests = left;
                Some(())
            }
            None => self.refuse(Problem::Tests),
        }
    }

    fn test(&mut self, name: &str, value: &Value) -> Option<Test> {
        match name {
            "$eq" => Some(Test::Equal(self.scalar(value)?)),
            "$ne" => Some(Test::NotEqual(self.scalar(value)?)),
            "$gt" => self.order(Order::Above, value),
            "$gte" => self.order(Order::AtLeast, value),
            "$lt" => self.order(Order::Below, value),
            "$lte" => self.order(Order::AtMost, value),
            "$in" => Some(Test::In(self.scalars(value)?)),
            "$nin" => Some(Test::NotIn(self.scalars(value)?)),
            "$exists" => match value {
                Value::Bool(exists) => Some(Test::Exists(*exists)),
                _ => self.refuse(Problem::NoBool),
            },
            "$regex" => self.pattern(value),
            "$options" => self.refuse(Problem::Options),
            _ => self.refuse(Problem::NoOperator),
        }
    }

    fn order(&mut self, order: Order, value: &Value) -> Option<Test> {
        match value {
            Value::Number(_) | Value::String(_) => Some(Test::Order(order, self.scalar(value)?)),
            _ => self.refuse(Problem::NoOrder),
        }
    }

    fn scalars(&mut self, value: &Value) -> Option<Box<[Scalar]>> {
        let values = value
            .as_array()
            .filter(|values| values.len() <= MOST_VALUES);
        let Some(values) = values else {
            return self.refuse(Problem::NoValues);
        };
        let mut scalars = Vec::new();
        for (at, value) in values.iter().enumerate() {
            self.faults.enter_item(at);
            scalars.push(self.scalar(value));
            self.faults.leave();
        }
        scalars.into_iter().collect()
    }

    fn scalar(&mut self, value: &Value) -> Option<Scalar> {
        match Scalar::of(value) {
            None => self.refuse(Problem::NoScalar),
            Some(Scalar::Text(text)) if text.len() > LONGEST_TEXT => self.refuse(Problem::LongText),
            scalar => scalar,
        }
    }

    fn pattern(&mut self, value: &Value) -> Option<Test> {
        let Value::String(pattern) = value else {
            return self.refuse(Problem::NoPattern);
        };
        let Some(left) = self.budget.patterns.checked_sub(1) else {
            return self.refuse(Problem::Patterns);
        };
        self.budget.patterns = left;
        let Budget {
            positions, bytes, ..
        } = self.budget;
        match pattern::compile(pattern, positions, bytes) {
            Ok(regex) => Some(Test::Matches(regex)),
            Err(error) => self.refuse(error.into()),
        }
    }
}

/// A field of a graph, which names a bounded number of the body's.
pub(crate) fn parse_field(text: &str, paths: &mut BodyPaths) -> Result<Field, Problem> {
    let field = Field::parse(text, paths)?;
    match paths.len() > MOST_BODY_FIELDS {
        true => Err(Problem::BodyFields),
        false => Ok(field),
    }
}

/// All nodes as one. `None` where one is missing, as its fault was told.
fn all(nodes: Vec<Option<Node>>) -> Option<Node> {
    let nodes: Option<Vec<_>> = nodes.into_iter().collect();
    let mut nodes = nodes?;
    match nodes.len() {
        1 => nodes.pop(),
        _ => Some(Node::All(nodes.into())),
    }
}

/// What a JSON value is, in words.
pub(crate) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
