//! What the fuzz harness calls. No part of the interface: it may change with any release.

use crate::{CatalogueError, Override, Provider, definition::Definition};

/// The provider that a catalogue file of this text would make.
///
/// # Errors
///
/// As for an embedded file.
pub fn provider(text: &str) -> Result<Provider, CatalogueError> {
    let slug = text.parse::<toml::Table>().ok();
    let slug = slug.and_then(|table| table.get("slug")?.as_str().map(str::to_owned));
    let definition = Definition::parse(slug.as_deref().unwrap_or_default(), text)?;
    definition.build(&Override::default(), 0)
}
