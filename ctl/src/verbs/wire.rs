//! `wire`: frames as JSON lines and back, in the form that frames have on a pipe. May touch: standard input and output.

use crate::error::{Error, Outcome};
use crate::escape::escape_json;
use crate::options::{Direction, Peer, Wire};
use crate::output::print_bytes;
use nix::errno::Errno;
use serde_json::{Value, json};
use std::io::{BufRead, Read, Write};
use wire::frame::{self, HEADER, Message};

/// What converts one message: its number of descriptors is checked on the way.
pub struct Codec {
    encode: fn(Value, &[u32]) -> Outcome<Vec<u8>>,
    /// A frame without descriptor numbers, and how many it has.
    pub decode: fn(&[u8], usize) -> Outcome<Value>,
}

const fn codec<M: Message>() -> Codec {
    Codec {
        encode: encode::<M>,
        decode: decode::<M>,
    }
}

pub fn codec_of(peer: Peer, reply: bool) -> Outcome<Codec> {
    Ok(match (peer, reply) {
        (Peer::Broker, false) => codec::<wire::broker::Request>(),
        (Peer::Broker, true) => codec::<wire::broker::Reply>(),
        (Peer::Cgroupd, false) => codec::<wire::cgroupd::Request>(),
        (Peer::Cgroupd, true) => codec::<wire::cgroupd::Reply>(),
        (Peer::Devd, false) => codec::<wire::devd::Request>(),
        (Peer::Devd, true) => codec::<wire::devd::Reply>(),
        (Peer::Fused, false) => codec::<wire::fused::Request>(),
        (Peer::Fused, true) => codec::<wire::fused::Reply>(),
        (Peer::Idmapd, false) => codec::<wire::idmapd::Request>(),
        (Peer::Idmapd, true) => codec::<wire::idmapd::Reply>(),
        (Peer::Init, false) => codec::<wire::init::Request>(),
        (Peer::Init, true) => codec::<wire::init::Reply>(),
        (Peer::Launcher, false) => codec::<wire::launcher::Request>(),
        (Peer::Launcher, true) => codec::<wire::launcher::Reply>(),
        (Peer::Loopd, false) => codec::<wire::loopd::Request>(),
        (Peer::Loopd, true) => codec::<wire::loopd::Reply>(),
        (Peer::Mountd, false) => codec::<wire::mountd::Request>(),
        (Peer::Mountd, true) => codec::<wire::mountd::Reply>(),
        (Peer::Netd, false) => codec::<wire::netd::Request>(),
        (Peer::Netd, true) => codec::<wire::netd::Reply>(),
        (Peer::Nsenter, false) => codec::<wire::nsenter::Request>(),
        (Peer::Nsenter, true) => codec::<wire::nsenter::Reply>(),
        (Peer::Recordd, false) => codec::<wire::recordd::Request>(),
        (Peer::Recordd, true) => codec::<wire::recordd::Reply>(),
        (Peer::Supervisor, false) => codec::<wire::supervisor::Request>(),
        (Peer::Supervisor, true) => codec::<wire::supervisor::Reply>(),
        (Peer::Control, false) => codec::<wire::supervisor::Control>(),
        (Peer::Control, true) => codec::<wire::supervisor::Report>(),
        (Peer::Exit, false) => codec::<wire::supervisor::ExitRecord>(),
        (Peer::Exit, true) => return Err(Error::Usage("the exit record has no replies".into())),
    })
}

/// One value as a frame on a pipe: header, one number for each descriptor, payload.
fn encode<M: Message>(value: Value, descriptors: &[u32]) -> Outcome<Vec<u8>> {
    let message: M = serde_json::from_value(value).map_err(|e| Error::caller(format!("it is not a message: {e}")))?;
    let expected = message.descriptors();
    if expected != descriptors.len() {
        let found = descriptors.len();
        return Err(Error::caller(
            frame::FrameError::Descriptors { expected, found }.to_string(),
        ));
    }
    let bytes = frame::encode(&message).map_err(|e| Error::caller(e.to_string()))?;
    let (header, payload) = bytes
        .split_at_checked(HEADER)
        .ok_or_else(|| Error::Bug("a frame without a header".into()))?;
    let numbers: Vec<u8> = descriptors.iter().flat_map(|n| n.to_le_bytes()).collect();
    Ok([header, &numbers, payload].concat())
}

/// A frame without its descriptor numbers as a value.
fn decode<M: Message>(frame: &[u8], descriptors: usize) -> Outcome<Value> {
    let message: M = frame::decode(frame, descriptors).map_err(|e| Error::caller(e.to_string()))?;
    serde_json::to_value(message).map_err(|e| Error::Bug(format!("the message cannot be printed: {e}")))
}

/// Takes a line apart: an object with `descriptors` and `message`, or a message alone.
fn line_parts(line: &str) -> Outcome<(Value, Vec<u32>)> {
    let value: Value = serde_json::from_str(line).map_err(|e| Error::caller(format!("it is not JSON: {e}")))?;
    let Value::Object(mut object) = value else {
        return Ok((value, Vec::new()));
    };
    if !object.contains_key("message") {
        return Ok((Value::Object(object), Vec::new()));
    }
    let numbers = object.remove("descriptors").unwrap_or_else(|| json!([]));
    let numbers =
        serde_json::from_value(numbers).map_err(|e| Error::caller(format!("`descriptors` are not numbers: {e}")))?;
    let message = object.remove("message").unwrap_or(Value::Null);
    match object.keys().next() {
        Some(other) => Err(Error::caller(format!(
            "there is a key `{other}` beside `message` and `descriptors`"
        ))),
        None => Ok((message, numbers)),
    }
}

/// The most bytes of one line: a frame's payload as JSON, with room to spare.
const MOST_LINE: u64 = 4 * 1024 * 1024;

fn input(e: &std::io::Error) -> Error {
    Error::caller(format!("standard input: {e}"))
}

fn encode_lines(codec: &Codec, mut from: impl BufRead) -> Outcome<()> {
    for number in 1u64.. {
        let mut line = String::new();
        let read = from
            .by_ref()
            .take(MOST_LINE)
            .read_line(&mut line)
            .map_err(|e| input(&e))?;
        if read == 0 {
            break;
        }
        if line.trim().is_empty() {
            continue;
        }
        let frame = line_parts(&line).and_then(|(value, numbers)| (codec.encode)(value, &numbers));
        print_bytes(&frame.map_err(|e| Error::caller(format!("line {number}: {e}")))?)?;
    }
    Ok(())
}

/// Reads one frame as it travels on a pipe; `None` at the end of input.
fn next_frame(from: &mut impl Read) -> Outcome<Option<(Vec<u8>, Vec<u32>)>> {
    let cut = || Error::caller(frame::FrameError::Cut.to_string());
    let mut bytes = Vec::new();
    from.by_ref().take(12).read_to_end(&mut bytes).map_err(|e| input(&e))?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let header = frame::header(&bytes).map_err(|e| Error::caller(e.to_string()))?;
    let mut numbers = Vec::new();
    for _ in 0..header.descriptors {
        let mut number = [0u8; 4];
        from.read_exact(&mut number).map_err(|_| cut())?;
        numbers.push(u32::from_le_bytes(number));
    }
    let length = u64::try_from(header.length).unwrap_or(0);
    let read = from
        .by_ref()
        .take(length)
        .read_to_end(&mut bytes)
        .map_err(|e| input(&e))?;
    if read != header.length {
        return Err(cut());
    }
    Ok(Some((bytes, numbers)))
}

fn decode_frames(codec: &Codec, mut from: impl Read, mut to: impl Write) -> Outcome<()> {
    for number in 1u64.. {
        let converted = next_frame(&mut from).and_then(|next| match next {
            Some((frame, numbers)) => (codec.decode)(&frame, numbers.len()).map(|message| Some((message, numbers))),
            None => Ok(None),
        });
        let Some((message, numbers)) = converted.map_err(|e| Error::caller(format!("frame {number}: {e}")))? else {
            break;
        };
        let line = json!({"descriptors": numbers, "message": message});
        writeln!(to, "{}", escape_json(&line.to_string()))
            .and_then(|()| to.flush())
            .map_err(|e| Error::printing(Errno::from_raw(e.raw_os_error().unwrap_or(0))))?;
    }
    Ok(())
}

/// Converts standard input.
pub fn wire(options: &Wire) -> Outcome<()> {
    let codec = codec_of(options.peer, options.reply)?;
    let from = std::io::stdin().lock();
    match options.direction {
        Direction::Encode => encode_lines(&codec, from),
        Direction::Decode => decode_frames(&codec, from, std::io::stdout().lock()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn a_line_becomes_a_frame_and_the_same_line_again() {
        let line =
            r#"{"descriptors":[4],"message":{"WriteMaps":{"gid":[],"uid":[{"count":1,"inside":0,"outside":300}]}}}"#;
        let codec = codec_of(Peer::Idmapd, false).unwrap();
        let (value, numbers) = line_parts(line).unwrap();
        let frame = (codec.encode)(value, &numbers).unwrap();
        assert_eq!(&frame[12..16], [4, 0, 0, 0]);
        let mut out = Vec::new();
        decode_frames(&codec, frame.as_slice(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap().trim(), line);
    }

    #[test]
    fn refuses_frames_that_are_cut_and_lines_that_are_no_message() {
        let codec = codec_of(Peer::Idmapd, true).unwrap();
        let frame = (codec.encode)(json!("Mapped"), &[]).unwrap();
        for n in 1..frame.len() {
            assert!(decode_frames(&codec, &frame[..n], Vec::new()).is_err(), "{n}");
        }
        assert!((codec.encode)(json!("Nope"), &[]).is_err());
        assert!((codec.encode)(json!("Mapped"), &[3]).is_err());
        assert!(line_parts(r#"{"message":1,"x":2}"#).is_err());
    }

    #[test]
    fn every_peer_has_both_protocols() {
        for peer in Peer::value_variants() {
            assert!(codec_of(*peer, false).is_ok());
            assert_eq!(codec_of(*peer, true).is_ok(), *peer != Peer::Exit);
        }
    }
}
