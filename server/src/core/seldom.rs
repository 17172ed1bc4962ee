//! What most of many never need: a pointer until they do.

/// A value that is made when it is first needed, and stays.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Seldom<T> {
    value: Option<Box<T>>,
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self { value: None }
    }
}

impl<T: Default> Seldom<T> {
    /// The value, if it was ever needed.
    pub(super) fn get(&self) -> Option<&T> {
        self.value.as_deref()
    }

    /// The value, if it was ever needed, to be changed.
    pub(super) fn get_mut(&mut self) -> Option<&mut T> {
        self.value.as_deref_mut()
    }

    /// The value: from now on it takes its room.
    pub(super) fn need(&mut self) -> &mut T {
        self.value.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Seldom;

    #[test]
    fn it_takes_a_pointer_until_it_is_needed() {
        let mut seldom: Seldom<Vec<u8>> = Seldom::default();
        assert_eq!(size_of_val(&seldom), size_of::<usize>());
        assert!(seldom.get().is_none() && seldom.get_mut().is_none());
        seldom.need().push(1);
        seldom.need().push(2);
        assert_eq!(seldom.get(), Some(&vec![1, 2]));
    }
}
