//! The options that every piece has: one table, from which they are parsed, explained, and turned into man pages. Pure.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::fd::RawFd;

/// One option, as `--help` and the man page show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// Its name, with both dashes.
    pub name: &'static str,
    /// What its value stands for, if it takes one.
    pub value: Option<&'static str>,
    /// What it does.
    pub about: &'static str,
}

/// Every option of a piece.
pub const OPTIONS: &[Flag] = &[
    Flag {
        name: "--socket",
        value: Some("FD"),
        about: "Take frames from the inherited AF_UNIX SOCK_SEQPACKET socket FD, and answer there. Descriptors travel beside the \
                frames. Ends when the peer closes its end.",
    },
    Flag {
        name: "--pipe",
        value: None,
        about: "Take frames from standard input and answer on standard output. In both, a frame's payload is preceded by one \
                little-endian 32-bit number for each descriptor: on the way in the number of a descriptor that this program \
                inherited, on the way out the number of one that it has opened.",
    },
    Flag {
        name: "--beneath",
        value: Some("FD,..."),
        about: "Inherited directories beneath which the program works, where its policy gives it any.",
    },
    Flag {
        name: "--help",
        value: None,
        about: "Say this.",
    },
    Flag {
        name: "--version",
        value: None,
        about: "Say which version this is.",
    },
];

/// What follows the options, and what it means.
pub const REST: &str = "With --pipe, PROGRAM is executed once every request has been answered and standard input has ended, as \
the same process, with the caller's own powers: the descriptors in the answers are left open for it, and their numbers stand in \
LAZARET_DESCRIPTORS, divided by commas.";

/// Exit statuses and what they mean.
pub const STATUSES: &[(u8, &str)] = &[
    (0, "every request was served (whether it was granted is in the answer)"),
    (100, "it was used wrongly, or its peer broke the protocol"),
    (101, "a bug of its own"),
    (
        111,
        "the system refused something that it cannot do without, its own confinement among them",
    ),
];

/// What a piece was told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// `--help`
    Help,
    /// `--version`
    Version,
    /// Serve frames of this inherited socket.
    Socket {
        /// Its number.
        socket: RawFd,
        /// Inherited directories.
        beneath: Vec<RawFd>,
    },
    /// Serve frames of standard input.
    Pipe {
        /// Inherited directories.
        beneath: Vec<RawFd>,
        /// What is executed afterwards, with its arguments.
        then: Vec<OsString>,
    },
}

/// Reads the arguments that follow the program's name; an error is one line for the user.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Order, String> {
    let mut arguments = arguments.into_iter();
    let (mut socket, mut pipe, mut beneath, mut then) = (None, false, None, Vec::new());
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().ok_or("an option is not UTF-8")?;
        match text {
            "--help" => return Ok(Order::Help),
            "--version" => return Ok(Order::Version),
            "--pipe" if !pipe => pipe = true,
            "--socket" if socket.is_none() => socket = Some(descriptor(&value(&mut arguments, text)?)?),
            "--beneath" if beneath.is_none() => {
                let list = value(&mut arguments, text)?;
                beneath = Some(list.split(',').map(descriptor).collect::<Result<Vec<_>, _>>()?);
            }
            "--pipe" | "--socket" | "--beneath" => return Err(format!("{text} is given twice")),
            "--" => {
                then = arguments.collect();
                break;
            }
            other => return Err(format!("unknown option {other}; --help says what there is")),
        }
    }
    let beneath = beneath.unwrap_or_default();
    match (socket, pipe) {
        (Some(socket), false) if then.is_empty() => Ok(Order::Socket { socket, beneath }),
        (Some(_), false) => Err("a program to execute afterwards goes with --pipe".into()),
        (None, true) => Ok(Order::Pipe { beneath, then }),
        (Some(_), true) => Err("--socket and --pipe exclude each other".into()),
        (None, false) => Err("give --socket FD or --pipe; --help says more".into()),
    }
}

fn value(arguments: &mut impl Iterator<Item = OsString>, option: &str) -> Result<String, String> {
    arguments
        .next()
        .and_then(|v| v.into_string().ok())
        .ok_or_else(|| format!("{option} needs a value"))
}

fn descriptor(text: &str) -> Result<RawFd, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<RawFd>() {
        Ok(fd) if digits && fd > 2 => Ok(fd),
        _ => Err(format!("`{text}` is not the number of an inherited descriptor above 2")),
    }
}

/// What `--help` says.
pub fn help(program: &str, about: &str) -> String {
    let mut text = format!("{program}: {about}\n\n");
    let _ = writeln!(text, "usage: {program} --socket FD [--beneath FD,...]");
    let _ = writeln!(
        text,
        "       {program} --pipe [--beneath FD,...] [-- PROGRAM ARGUMENT...]\n"
    );
    text.push_str("It reads frames of Lazaret's wire format and nothing else: no configuration, no environment.\n");
    let _ = writeln!(
        text,
        "`lazaret wire encode {program}` makes such frames from JSON lines,"
    );
    let _ = writeln!(text, "`lazaret wire decode {program}` reads them.\n");
    for option in OPTIONS {
        let value = option.value.map(|v| format!(" {v}")).unwrap_or_default();
        let _ = writeln!(text, "  {}{value}", option.name);
        text.push_str(&wrap(option.about, 6));
    }
    let _ = writeln!(text, "  -- PROGRAM ARGUMENT...");
    text.push_str(&wrap(REST, 6));
    text.push_str("\nexit status:\n");
    for (status, meaning) in STATUSES {
        let _ = writeln!(text, "  {status:<4} {meaning}");
    }
    text
}

fn wrap(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut width = 0usize;
    for word in text.split_whitespace() {
        let next = width.saturating_add(word.len()).saturating_add(1);
        if width == 0 || next > 78 {
            if width != 0 {
                out.push('\n');
            }
            out.push_str(&" ".repeat(indent));
            width = indent.saturating_add(word.len());
        } else {
            out.push(' ');
            width = next;
        }
        out.push_str(word);
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Order, String> {
        parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn reads_what_the_launcher_and_people_write() {
        let order = Order::Socket {
            socket: 3,
            beneath: vec![4, 5],
        };
        assert_eq!(read(&["--socket", "3", "--beneath", "4,5"]), Ok(order));
        let order = Order::Pipe {
            beneath: vec![],
            then: vec!["sh".into(), "--help".into()],
        };
        assert_eq!(read(&["--pipe", "--", "sh", "--help"]), Ok(order));
        assert_eq!(read(&["--help"]), Ok(Order::Help));
        assert_eq!(read(&["--version"]), Ok(Order::Version));
    }

    #[test]
    fn refuses_wrong_usage() {
        let wrong: &[&[&str]] = &[
            &[],
            &["--socket"],
            &["--socket", "2"],
            &["--socket", "+3"],
            &["--socket", "x"],
            &["--socket", "99999999999"],
            &["--socket", "3", "--socket", "4"],
            &["--socket", "3", "--pipe"],
            &["--socket", "3", "--", "sh"],
            &["--beneath", "4"],
            &["--pipe", "--beneath", "4,"],
            &["--verbose"],
            &["extra"],
        ];
        for arguments in wrong {
            assert!(read(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn help_names_every_option_and_status() {
        let text = help("mountd", "makes detached mounts");
        for option in OPTIONS {
            assert!(text.contains(option.name), "{}", option.name);
        }
        for (status, _) in STATUSES {
            assert!(text.contains(&format!("\n  {status}")), "{status}");
        }
        assert!(text.lines().all(|l| l.len() <= 100) && text.starts_with("mountd: makes detached mounts\n"));
    }
}
