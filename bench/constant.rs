//! A FUSE server of one file whose text is always the same, on the connection that is its standard input: what a read through FUSE takes where the
//! server does nothing. It answers as `fused` does (direct I/O, no flush, attributes that last), so that the kernel asks for the same.
//! The format is that of linux/fuse.h; numbers are the machine's.

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::os::fd::AsFd;

const INIT: u32 = 26;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const RELEASE: u32 = 18;
const FORGET: u32 = 2;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;
/// FOPEN_DIRECT_IO and FOPEN_NOFLUSH.
const HOW: u32 = 1 | 1 << 5;

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// `fuse_attr_out` of a file that everybody may read, for a day.
fn attributes() -> Vec<u8> {
    let mut out = vec![0u8; 104];
    out[..8].copy_from_slice(&86400u64.to_ne_bytes());
    out[16..24].copy_from_slice(&1u64.to_ne_bytes());
    out[24..32].copy_from_slice(&4096u64.to_ne_bytes());
    out[76..80].copy_from_slice(&0o100444u32.to_ne_bytes());
    out[80..84].copy_from_slice(&1u32.to_ne_bytes());
    out
}

fn main() {
    let text: String = (0..22).map(|n| format!("{:<16}{:>8} kB\n", format!("Line{n}:"), n * 1000)).collect();
    let connection = std::io::stdin().as_fd().try_clone_to_owned().expect("the connection");
    let mut connection = File::from(connection);
    let mut request = vec![0u8; 1 << 20];
    let attributes = attributes();
    let mut open = vec![0u8; 16];
    open[8..12].copy_from_slice(&HOW.to_ne_bytes());
    loop {
        let length = match connection.read(&mut request) {
            Ok(length) => length,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted || e.raw_os_error() == Some(2) => continue,
            // The last mount is gone.
            Err(_) => return,
        };
        let asked = &request[..length];
        let operation = u32::from_ne_bytes(asked[4..8].try_into().expect("four bytes"));
        let mut init = vec![0u8; 64];
        let (error, answer): (i32, &[u8]) = match operation {
            FORGET | INTERRUPT | BATCH_FORGET => continue,
            INIT => {
                for (at, value) in [(0, 7u32), (4, 31), (8, 65536), (20, 65536)] {
                    init[at..at + 4].copy_from_slice(&value.to_ne_bytes());
                }
                (0, &init)
            }
            GETATTR => (0, &attributes),
            OPEN => (0, &open),
            READ => {
                let from = (number(asked, 48) as usize).min(text.len());
                (0, &text.as_bytes()[from..])
            }
            RELEASE => (0, &[]),
            _ => (-38, &[]),
        };
        let mut head = Vec::with_capacity(16);
        head.extend((16 + answer.len() as u32).to_ne_bytes());
        head.extend(error.to_ne_bytes());
        head.extend(&asked[8..16]);
        if connection.write_vectored(&[IoSlice::new(&head), IoSlice::new(answer)]).is_err() {
            return;
        }
    }
}
