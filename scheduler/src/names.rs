//! Small numbers for names, so that deciding compares no text.

use std::collections::BTreeMap;

/// The names of one sort that were met, in order of their first mention. They come from the caller's vocabulary of
/// dimensions and abilities, which its code and its devices bound.
#[derive(Clone, Debug)]
pub(crate) struct Names<T> {
    ids: BTreeMap<T, u32>,
    names: Vec<T>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { ids: BTreeMap::new(), names: Vec::new() }
    }
}

impl<T: Clone + Ord> Names<T> {
    /// The number of a name; a new one where it was not met before.
    pub(crate) fn id(&mut self, name: &T) -> u32 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.names.len() as u32;
        self.names.push(name.clone());
        self.ids.insert(name.clone(), id);
        id
    }

    pub(crate) fn find(&self, name: &T) -> Option<u32> {
        self.ids.get(name).copied()
    }

    pub(crate) fn name(&self, id: u32) -> Option<&T> {
        self.names.get(id as usize)
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number() {
        let mut names = Names::default();
        assert_eq!((names.id(&"a"), names.id(&"b"), names.id(&"a")), (0, 1, 0));
        assert_eq!((names.find(&"b"), names.find(&"c"), names.name(1), names.len()), (Some(1), None, Some(&"b"), 2));
    }
}
