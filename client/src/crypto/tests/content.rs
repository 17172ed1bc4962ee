//! Attachments and grant requests come back as they were, and keep their limits.

use bytes::Bytes;
use proptest::prelude::*;
use wire::{BlobId, DecodeError, LogId, MessageSession, Number, Origin, Wall};

use crate::crypto::blob::SIZE_MAX;
use crate::crypto::content::{
    Attachment, CAPTION_LEN_MAX, Content, FILE_NAME_LEN_MAX, FileKey, GrantRequest,
    MEDIA_TYPE_LEN_MAX, THUMBNAIL_LEN_MAX,
};
use crate::crypto::plaintext::{Plaintext, PlaintextError};
use crate::crypto::test_keys::name;

fn attachment() -> Attachment {
    Attachment {
        uploader: name("alice"),
        blob: BlobId([7; 32]),
        key: FileKey::new([8; 32]),
        size: 100_000,
        name: "cat.png".to_owned(),
        media_type: "image/png".to_owned(),
        thumbnail: Bytes::from_static(b"small"),
        caption: "my cat".to_owned(),
    }
}

fn plaintext(content: Content) -> Plaintext {
    Plaintext {
        sender: name("alice"),
        log: LogId::group(name("rust")),
        origin: Origin([3; 16]),
        number: Number::new(9).expect("in range"),
        previous: [4; 32],
        sent: Wall(1_700_000_000_000),
        content,
    }
}

fn travelled(content: Content) -> Result<Content, PlaintextError> {
    let padded = plaintext(content).encode()?.freeze();
    Plaintext::decode(padded).map(|plaintext| plaintext.content)
}

#[test]
fn the_longest_attachment_fits_a_message() {
    let longest = Content::Attachment(Box::new(Attachment {
        uploader: name(&"a".repeat(32)),
        size: SIZE_MAX,
        name: "x".repeat(FILE_NAME_LEN_MAX),
        media_type: "x".repeat(MEDIA_TYPE_LEN_MAX),
        thumbnail: Bytes::from(vec![1; THUMBNAIL_LEN_MAX]),
        caption: "x".repeat(CAPTION_LEN_MAX),
        ..attachment()
    }));
    assert_eq!(travelled(longest.clone()), Ok(longest));
}

#[test]
fn a_field_over_its_limit_is_refused() {
    let broken = [
        Attachment { size: SIZE_MAX + 1, ..attachment() },
        Attachment { name: String::new(), ..attachment() },
        Attachment { name: "x".repeat(FILE_NAME_LEN_MAX + 1), ..attachment() },
        Attachment { media_type: "x".repeat(MEDIA_TYPE_LEN_MAX + 1), ..attachment() },
        Attachment { media_type: "image/\u{1b}[31m".to_owned(), ..attachment() },
        Attachment { thumbnail: Bytes::from(vec![1; THUMBNAIL_LEN_MAX + 1]), ..attachment() },
        Attachment { caption: "x".repeat(CAPTION_LEN_MAX + 1), ..attachment() },
    ];
    for attachment in broken {
        let error = travelled(Content::Attachment(Box::new(attachment)));
        assert_eq!(error, Err(PlaintextError::Attachment));
    }
}

#[test]
fn lengths_that_contradict_each_other_are_refused() {
    let mut bytes = attachment().encode().expect("fits").to_vec();
    let len_at = 1 + 5 + 32 + 7;
    bytes[len_at] ^= 1;
    let error = Attachment::decode(Bytes::from(bytes));
    assert_eq!(error, Err(DecodeError::Value("size")));
}

#[test]
fn the_file_key_is_not_printed() {
    let printed = format!("{:?}", attachment());
    assert!(printed.contains("FileKey(secret)"), "{printed}");
    assert!(!printed.contains("8, 8"), "{printed}");
}

proptest! {
    #[test]
    fn what_was_encoded_decodes(
        (size, name_of, caption) in (0..=SIZE_MAX, ".{1,60}", ".{0,200}"),
        thumbnail in prop::collection::vec(any::<u8>(), 0..300),
        key in any::<[u8; 32]>(),
    ) {
        let thumbnail = Bytes::from(thumbnail);
        let key = FileKey::new(key);
        let attachment =
            Attachment { size, name: name_of, caption, thumbnail, key, ..attachment() };
        let content = Content::Attachment(Box::new(attachment));
        prop_assert_eq!(travelled(content.clone()), Ok(content));
    }

    #[test]
    fn grant_requests_come_back(origin in any::<[u8; 16]>(), message_session in any::<u32>()) {
        let content = Content::GrantRequest(GrantRequest {
            log: LogId::group(name("rust")),
            origin: Origin(origin),
            message_session: MessageSession(message_session),
        });
        prop_assert_eq!(travelled(content.clone()), Ok(content));
    }

    #[test]
    fn invitations_come_back(group in "[a-z][a-z0-9_.-]{0,31}") {
        let content = Content::Invitation(name(&group));
        prop_assert_eq!(travelled(content.clone()), Ok(content));
    }

    #[test]
    fn any_bytes_never_panic(kind in 1..=5u8, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut padded = plaintext(Content::Unknown { kind, bytes: Bytes::from(bytes.clone()) });
        if let Ok(content) = travelled(padded.content.clone()) {
            padded.content = content;
            prop_assert!(padded.encode().is_ok());
        }
        let begun = [&attachment().encode().expect("fits")[..], &bytes].concat();
        prop_assert!(Attachment::decode(Bytes::from(begun)).is_ok() == bytes.is_empty());
    }
}
