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
        let message = message(&line).map(|message| Message { line: Some(number), ..message });
        messages.push(message.map_err(|why| Failure::usage(why).on_line(Some(number)))?);
    }
    match messages.is_empty() {
        true => Err(Failure::usage("there is nothing to send: no line came")),
        false => Ok(messages),
    }
}

fn message(line: &[u8]) -> Result<Message, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| no_json(&error))?;
    let Value::Object(object) = value else {
        return Err("a line is one JSON object".to_owned());
    };
    only(&object, &["to", "text", "attachment"], "")?;
    let to = text(&object, "to")?.ok_or("\"to\" is missing")?;
    let log = target(to).map_err(|failure| format!("\"to\": {failure}"))?;
    let said = text(&object, "text")?.unwrap_or_default().to_owned();
    let attachment = match object.get("attachment") {
        None | Some(Value::Null) => None,
        Some(Value::Object(attachment)) => Some(source(attachment)?),
        Some(_) => return Err("\"attachment\" is an object".to_owned()),
    };
    if said.is_empty() && attachment.is_none() {
        return Err("neither \"text\" nor \"attachment\"".to_owned());
    }
    Ok(Message { line: None, log, text: said, attachment })
}

fn source(object: &Map<String, Value>) -> Result<Source, String> {
    const WHERE: &str = " in \"attachment\"";
    only(object, &["name", "type", "data"], WHERE)?;
    let member = |key| text(object, key).map_err(|why| why + WHERE);
    let name = member("name")?.unwrap_or_default().to_owned();
    member("type")?;
    let data = member("data")?.ok_or_else(|| format!("\"data\" is missing{WHERE}"))?;
    let bytes = STANDARD.decode(data);
    let bytes = bytes.map_err(|error| format!("\"data\"{WHERE} is no base64: {error}"))?;
    Ok(Source::Bytes { name, bytes })
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, String> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("\"{key}\" is a string")),
    }
}

/// What the parser says, without its own count of lines: it sees one at a time.
fn no_json(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    format!("no JSON at column {}: {what}", error.column())
}

/// A word that is not known is a mistake, not something to pass over.
fn only(object: &Map<String, Value>, known: &[&str], place: &str) -> Result<(), String> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("{key:?}{place} is unknown; {} are known", known.join(", "))),
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
            ("{\"to\":\"9\",\"text\":\"x\"}", "\"to\": user \"9\""),
            ("{\"to\":\"bob\",\"attachment\":{\"data\":\"?\"}}", "\"data\" in \"attachment\""),
            ("{\"to\":\"bob\",\"attachment\":{}}", "\"data\" is missing in \"attachment\""),
            ("{\"to\":\"bob\",\"attachment\":{\"name\":1}}", "\"name\" is a string in"),
            ("{\"to\":\"bob\",}", "no JSON at column 13"),
        ] {
            let error = message(line.as_bytes()).err().expect("a mistake");
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
