//! What `lazaret` prints: text that is safe for a terminal, tables as virsh lays them out, JSON. May touch: standard output and error.

use crate::error::{Error, Outcome};
use crate::escape::{escape, escape_json, escape_lines};
use crate::manner::manner;
use nix::errno::Errno;
use serde::Serialize;
use std::io::Write;

/// Prints text of one or several lines.
pub fn print(text: &str) -> Outcome<()> {
    print_bytes(escape_lines(text).as_bytes())
}

/// Prints bytes as they are: for what is no terminal's business, such as frames, man pages, or a container's own output.
pub fn print_bytes(bytes: &[u8]) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(|e| Error::printing(Errno::from_raw(e.raw_os_error().unwrap_or(0))))
}

/// Prints a value as JSON of several lines.
pub fn print_json<T: Serialize>(value: &T) -> Outcome<()> {
    print_bytes(format!("{}\n", json(value)?).as_bytes())
}

/// Prints a value as JSON of one line, for what comes one after the other.
pub fn print_json_line<T: Serialize>(value: &T) -> Outcome<()> {
    let line = serde_json::to_string(value).map_err(|e| Error::Bug(format!("the answer cannot be printed: {e}")))?;
    print_bytes(format!("{}\n", escape_json(&line)).as_bytes())
}

/// A value as JSON of several lines, in which nothing is that a terminal would act on.
pub fn json<T: Serialize>(value: &T) -> Outcome<String> {
    let text = serde_json::to_string_pretty(value);
    let text = text.map_err(|e| Error::Bug(format!("the answer cannot be printed: {e}")))?;
    Ok(escape_json(&text))
}

/// Says something of one line on standard error.
pub fn say(text: &str) {
    let line = format!("lazaret: {}\n", escape(text));
    // There is nobody left to tell that standard error is closed.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// Says why something failed, in lines: as `lazaret` does, one after the other in one line, or as virsh does.
pub fn fail(reasons: &[&str]) {
    if !manner().virsh {
        return say(&reasons.join(": "));
    }
    let lines: String = reasons.iter().map(|r| format!("error: {}\n", escape(r))).collect();
    // There is nobody left to tell that standard error is closed.
    let _ = std::io::stderr().lock().write_all(lines.as_bytes());
}

/// Prints that something was done: what nobody reads who asked for quiet.
pub fn done(text: &str) -> Outcome<()> {
    if manner().quiet {
        Ok(())
    } else {
        print(&format!("{text}\n{}", gap()))
    }
}

/// The empty line behind an answer. Called as virsh it is none of the answer's: there one follows each command, whatever came of it.
pub fn gap() -> &'static str {
    if manner().virsh { "" } else { "\n" }
}

/// The end of a line that is the whole answer. Called as virsh it comes with the empty line, if at all.
pub fn end() -> &'static str {
    if manner().virsh { "" } else { "\n" }
}

/// What virsh prints behind each command: an empty line, or how long it took.
pub fn after(took: std::time::Duration) {
    let manner = manner();
    if manner.virsh && manner.timing {
        let micros = took.as_micros();
        let (millis, rest) = (
            micros.checked_div(1000).unwrap_or(0),
            micros.checked_rem(1000).unwrap_or(0),
        );
        // Nobody is there to be told that standard output is closed.
        let _ = print(&format!("\n(Time: {millis}.{rest:03} ms)\n\n"));
    } else if manner.virsh && !manner.quiet {
        let _ = print("\n");
    }
}

/// A table in virsh's layout: every cell behind one space, two more between columns, a line of hyphens below the head.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|r| r.iter().map(|c| escape(c)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count());
        cells
            .chain(head.get(column).filter(|_| !manner().quiet).map(|h| h.chars().count()))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!(" {cell:<width$}  "));
        format!("{}\n", padded.collect::<String>().trim_end())
    };
    if manner().quiet {
        return rows
            .iter()
            .map(|row| line(row.iter().map(String::as_str).collect()))
            .collect();
    }
    let mut out = line(head.to_vec());
    let hyphens = widths
        .iter()
        .map(|w| w.saturating_add(3))
        .fold(0, usize::saturating_add);
    out.push_str(&"-".repeat(hyphens));
    out.push('\n');
    for row in &rows {
        out.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    out.push_str(gap());
    out
}

/// Names and values in virsh's layout, the values in one column.
pub fn facts(pairs: &[(&str, String)]) -> String {
    let line = |(name, value): &(&str, String)| format!("{:<15} {}\n", format!("{name}:"), escape(value));
    pairs.iter().map(line).collect::<String>() + gap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_looks_as_virshs_does() {
        let rows = [vec!["1".into(), "vm1".into(), "running".into()]];
        assert_eq!(
            table(&["Id", "Name", "State"], &rows),
            " Id   Name   State\n----------------------\n 1    vm1    running\n\n"
        );
        assert_eq!(
            table(&["Id", "Name", "State"], &[]),
            " Id   Name   State\n--------------------\n\n"
        );
    }

    #[test]
    fn names_cannot_write_to_the_terminal() {
        let rows = [vec!["a\x1b[2J\nb".to_owned()]];
        assert!(!table(&["Name"], &rows).contains('\x1b'));
        assert!(facts(&[("Name", "a\nb".into())]).contains("a\\nb"));
    }
}
