//! Who reads a group at this seat: mostly one session.

use wire::ConnId;

/// At least one.
#[derive(Debug)]
pub(super) enum Readers {
    One(ConnId),
    Several(Vec<ConnId>),
}

impl Readers {
    pub(super) fn all(&self) -> &[ConnId] {
        match self {
            Self::One(conn) => std::slice::from_ref(conn),
            Self::Several(conns) => conns,
        }
    }

    pub(super) fn add(&mut self, conn: ConnId) {
        match self {
            Self::One(first) => *self = Self::Several(vec![*first, conn]),
            Self::Several(conns) => conns.push(conn),
        }
    }

    /// Those without `conn`, if any are left.
    pub(super) fn without(self, conn: ConnId) -> Option<Self> {
        match self {
            Self::One(one) => (one != conn).then_some(self),
            Self::Several(mut conns) => {
                conns.retain(|other| *other != conn);
                match conns[..] {
                    [] => None,
                    [one] => Some(Self::One(one)),
                    _ => Some(Self::Several(conns)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Readers;
    use wire::ConnId;

    #[test]
    fn readers_come_and_go() {
        let conn = |index| ConnId { index, generation: 1 };
        let mut readers = Readers::One(conn(1));
        readers.add(conn(2));
        readers.add(conn(3));
        assert_eq!(readers.all(), [conn(1), conn(2), conn(3)]);
        let readers = readers.without(conn(2)).expect("two are left");
        let readers = readers.without(conn(9)).expect("it was not there");
        assert_eq!(readers.all(), [conn(1), conn(3)]);
        let readers = readers.without(conn(1)).expect("one is left");
        assert_eq!(readers.all(), [conn(3)]);
        assert!(readers.without(conn(3)).is_none());
    }
}
