//! Objects of a dump or a live database.

use crate::Object;

impl Object {
    /// An object by the engine's word for its kind and its qualified name; its rows are not known.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into(), rows: None }
    }

    /// Says how many rows it has.
    #[must_use]
    pub fn rows(mut self, rows: impl Into<Option<u64>>) -> Self {
        self.rows = rows.into();
        self
    }
}
