//! Remarks about a group: what is gone, and what its home may be lying about.

use serde_json::{Value, json};
use wire::Name;

use crate::core::Notice;
use crate::escape::one_line;

/// Something about a group that is no message of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remark {
    group: Name,
    expired: Option<u64>,
    text: String,
}

impl Remark {
    /// What a notice remarks about a group, if it does.
    #[must_use]
    pub fn of(notice: &Notice) -> Option<Self> {
        match notice {
            Notice::Expired { group, count } => {
                let text = match count {
                    1 => "1 message expired before it was received here".to_owned(),
                    _ => format!("{count} messages expired before they were received here"),
                };
                Some(Self { group: *group, expired: Some(*count), text })
            }
            Notice::GroupWarning { group, text } => {
                Some(Self { group: *group, expired: None, text: text.clone() })
            }
            _ => None,
        }
    }

    /// One object of `recv --json`.
    #[must_use]
    pub fn json(&self) -> Value {
        let kind = if self.expired.is_some() { "expired" } else { "warning" };
        let log = format!("#{}", self.group);
        let mut object = json!({ "log": log, "kind": kind, "text": self.text });
        if let Some(count) = self.expired {
            object["count"] = json!(count);
        }
        object
    }

    /// What a person sees.
    #[must_use]
    pub fn line(&self) -> String {
        format!("#{}: {}", self.group, one_line(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use wire::Name;

    use super::Remark;
    use crate::core::Notice;

    #[test]
    fn what_has_expired_is_counted_for_scripts_and_people() {
        let group = Name::parse("rust").expect("a name");
        let expired = Remark::of(&Notice::Expired { group, count: 3 }).expect("a remark");
        assert_eq!(
            expired.json().to_string(),
            "{\"count\":3,\"kind\":\"expired\",\"log\":\"#rust\",\
             \"text\":\"3 messages expired before they were received here\"}"
        );
        assert_eq!(expired.line(), "#rust: 3 messages expired before they were received here");
        let one = Remark::of(&Notice::Expired { group, count: 1 }).expect("a remark");
        assert_eq!(one.line(), "#rust: 1 message expired before it was received here");
        let warning = Notice::GroupWarning { group, text: "a lie\u{7}".to_owned() };
        let warning = Remark::of(&warning).expect("a remark");
        assert_eq!(warning.json()["kind"], "warning");
        assert_eq!(warning.line(), "#rust: a lie\\u{7}");
    }
}
