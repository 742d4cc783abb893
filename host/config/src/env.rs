//! The environment as this crate sees it: something that has names and values. The process's own is read in host/cli.

use std::collections::BTreeMap;

/// Where variables are looked up.
pub trait Env {
    /// The value of a variable. None where it is not set; one that is set to nothing counts as not set.
    fn get(&self, name: &str) -> Option<String>;

    /// The names of all variables: for finding misspelt ones, and rclone's own.
    fn names(&self) -> Vec<String>;
}

/// An environment made of a list.
#[derive(Debug, Clone, Default)]
pub struct FixedEnv(BTreeMap<String, String>);

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for FixedEnv {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl Env for FixedEnv {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.0.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.clone()).collect()
    }
}
