//! `send --json-stdin`: one object per line, each a message.
//!
//! `{"to": "bob" or "#rust", "text": "…", "attachment": {"name": "…", "type": "…", "data": "…"}}`;
//! one of `text` and `attachment` is enough, `data` is base64, `type` is not believed.

use std::io::{BufRead, Read, stdin};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::attach::Source;
use super::send::Message;
use crate::args;
use crate::config::target;
use crate::crypto::blob::SIZE_MAX;
use crate::failure::Failure;

/// Room for the largest attachment in base64, and a text.
const LINE_LEN_MAX: u64 = SIZE_MAX / 3 * 4 + 1024 * 1024;

/// All messages of standard input; none is sent when one line is wrong.
pub(super) fn read(command: &args::Send) -> Result<Vec<Message>, Failure> {
    if !command.words.is_empty() || command.image.is_some() || command.file.is_some() {
        return Err(Failure::usage("--json-stdin takes everything from standard input"));
    }
    let mut input = stdin().lock();
    let mut messages = Vec::new();
    for number in 1_u32.. {
        let mut line = Vec::new();
        let read = input.by_ref().take(LINE_LEN_MAX).read_until(b'\n', &mut line);
        let len = read.map_err(|error| Failure::usage(format!("standard input: {error}")))?;
        if len == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let message = message(&line);
        messages.push(message.map_err(|why| Failure::usage(format!("line {number}: {why}")))?);
    }
    match messages.is_empty() {
        true => Err(Failure::usage("there is nothing to send: no line came")),
        false => Ok(messages),
    }
}

fn message(line: &[u8]) -> Result<Message, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let Value::Object(object) = value else {
        return Err("a line is one JSON object".to_owned());
    };
    only(&object, &["to", "text", "attachment"])?;
    let to = text(&object, "to")?.ok_or("\"to\" is missing")?;
    let log = target(to).map_err(|failure| failure.text)?;
    let said = text(&object, "text")?.unwrap_or_default().to_owned();
    let attachment = match object.get("attachment") {
        None | Some(Value::Null) => None,
        Some(Value::Object(attachment)) => Some(source(attachment)?),
        Some(_) => return Err("\"attachment\" is an object".to_owned()),
    };
    if said.is_empty() && attachment.is_none() {
        return Err("neither \"text\" nor \"attachment\"".to_owned());
    }
    Ok(Message { log, text: said, attachment })
}

fn source(object: &Map<String, Value>) -> Result<Source, String> {
    only(object, &["name", "type", "data"])?;
    let name = text(object, "name")?.unwrap_or_default().to_owned();
    text(object, "type")?;
    let data = text(object, "data")?.ok_or("\"data\" is missing")?;
    let bytes = STANDARD.decode(data).map_err(|error| format!("\"data\": {error}"))?;
    Ok(Source::Bytes { name, bytes })
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, String> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("\"{key}\" is a string")),
    }
}

/// A word that is not known is a mistake, not something to pass over.
fn only(object: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("{key:?} is unknown")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use wire::{LogId, Name};

    use super::message;
    use crate::commands::attach::Source;

    #[test]
    fn a_line_is_a_message() {
        let rust = LogId::group(Name::parse("rust").expect("a name"));
        let said = message(br##"{"to":"#rust","text":"hi"}"##).expect("a message");
        assert_eq!((said.log, said.text.as_str(), said.attachment), (rust, "hi", None));
        let line = br##"{"to":"#rust","attachment":{"name":"a","type":"x/y","data":"aGk="}}"##;
        let said = message(line).expect("a message");
        let bytes = Source::Bytes { name: "a".to_owned(), bytes: b"hi".to_vec() };
        assert_eq!((said.text.as_str(), said.attachment), ("", Some(bytes)));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, why) in [
            ("[]", "one JSON object"),
            ("{\"text\":\"x\"}", "\"to\" is missing"),
            ("{\"to\":\"bob\"}", "neither"),
            ("{\"to\":7,\"text\":\"x\"}", "\"to\" is a string"),
            ("{\"to\":\"bob\",\"txet\":\"x\"}", "\"txet\" is unknown"),
            ("{\"to\":\"9\",\"text\":\"x\"}", "begins with a letter"),
            ("{\"to\":\"bob\",\"attachment\":{\"data\":\"?\"}}", "\"data\""),
            ("{\"to\":\"bob\",\"attachment\":{}}", "\"data\" is missing"),
        ] {
            let error = message(line.as_bytes()).err().expect("a mistake");
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
