//! Single system calls by number, through either door, as a filter sees them. May touch: only children that end right after.

use nix::errno::Errno;
use sys::attempt::{Answer, Argument, Door, attempt};

/// A word as an argument: a number, in hexadecimal with `0x`, `-1`, or the text itself with a terminating zero.
fn value(word: &str) -> Result<u64, Vec<u8>> {
    let number = match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => word.parse::<i64>().ok().map(i64::cast_unsigned),
    };
    number.ok_or_else(|| [word.as_bytes(), b"\0"].concat())
}

/// Makes one call, and says what the kernel answered.
pub fn call(door: Door, number: &str, words: &[&str]) -> Result<(), String> {
    let number = value(number).map_err(|_| "which call?".to_owned())?;
    let values: Vec<_> = words.iter().map(|w| value(w)).collect();
    let arguments: Vec<Argument<'_>> = values
        .iter()
        .map(|v| match v {
            Ok(number) => Argument::Number(*number),
            Err(text) => Argument::Bytes(text),
        })
        .collect();
    match attempt(door, number, &arguments).map_err(|e| e.to_string())? {
        Answer::Done | Answer::Waited => Ok(()),
        Answer::Failed(errno) => Err(format!("{errno:?}")),
        Answer::Ended(signal) => Err(format!("signal {signal}")),
    }
}

/// The `ioctl` requests that push a character into a terminal's input, and every number that a kernel takes for them.
const PUSHES: [u64; 2] = [0x5412, 0x541c];

/// Pushes each character of a text into the input of the terminal at descriptor 0, by every request that the kernel could take for
/// TIOCSTI or TIOCLINUX. Prints those that did anything but fail as a filter makes them.
pub fn push(text: &str) -> Result<(), String> {
    let mut worked = 0_u32;
    for request in PUSHES {
        for high in [0, 1, 0x8000_0000, 0xffff_ffff_u64] {
            for (door, ioctl) in [(Door::Native, 16), (Door::Native, 0x4000_0010), (Door::Interrupt, 54)] {
                for byte in text.bytes() {
                    // TIOCLINUX takes a subcode: 3 pastes.
                    let bytes = if request == 0x541c { [3, byte] } else { [byte, 0] };
                    let arguments = [
                        Argument::Number(0),
                        Argument::Number(high << 32 | request),
                        Argument::Bytes(&bytes),
                    ];
                    let answer = attempt(door, ioctl, &arguments).map_err(|e| e.to_string())?;
                    if !answer.refused() {
                        println!("{door:?} {ioctl:#x} {high:#x} {request:#x}: {answer:?}");
                        worked += 1;
                    }
                }
            }
        }
    }
    if worked == 0 { Err("refused".into()) } else { Ok(()) }
}

const VFORK: u64 = 58;

/// Tries every call from 0 to 600 but vfork (or these), with each argument -1 and with each 0, and prints a line for each: number and the two answers.
pub fn every(numbers: &[&str]) -> Result<(), String> {
    let numbers: Vec<u64> = if numbers.is_empty() {
        (0..=600).filter(|n| *n != VFORK).collect()
    } else {
        numbers.iter().filter_map(|n| n.parse().ok()).collect()
    };
    for number in numbers {
        let with = |value: u64| -> Result<String, Errno> {
            Ok(match attempt(Door::Native, number, &[Argument::Number(value); 6])? {
                Answer::Failed(errno) => format!("{errno:?}"),
                other => format!("{other:?}").replace(' ', ""),
            })
        };
        let ones = with(u64::MAX).map_err(|e| e.to_string())?;
        // What -1 ended need not be tried again.
        let zeros = if ones == "Ended(31)" {
            ones.clone()
        } else {
            with(0).map_err(|e| e.to_string())?
        };
        println!("{number} {ones} {zeros}");
    }
    Ok(())
}
