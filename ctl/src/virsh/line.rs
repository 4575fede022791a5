//! A line of virsh's: commands of words, with quotes and `;` between them. Pure.

/// Splits text into commands: blanks part words, `;` and line ends part commands, `#` before a word begins a comment; in single quotes everything
/// is as it is, up to the end where none follows; in double quotes and outside a backslash takes the next character as it is.
pub fn split(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut commands = vec![Vec::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.peek().copied() {
        match letter {
            ';' | '\n' => {
                letters.next();
                commands.push(Vec::new());
            }
            '#' => while letters.next_if(|c| *c != '\n').is_some() {},
            c if c.is_whitespace() => {
                letters.next();
            }
            _ => {
                let word = word(&mut letters)?;
                if let Some(last) = commands.last_mut() {
                    last.push(word);
                }
            }
        }
    }
    commands.retain(|c| !c.is_empty());
    Ok(commands)
}

fn word(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let (mut word, mut quote) = (String::new(), None::<char>);
    while let Some(letter) = letters.peek().copied() {
        if quote.is_none() && (letter.is_whitespace() || letter == ';') {
            break;
        }
        letters.next();
        match (letter, quote) {
            ('\'' | '"', None) => quote = Some(letter),
            (c, Some(q)) if c == q => quote = None,
            ('\\', None | Some('"')) => match letters.next() {
                Some('\n') => {}
                Some(c) => word.push(c),
                None => return Err("dangling \\".to_owned()),
            },
            (c, _) => word.push(c),
        }
    }
    match quote {
        Some('"') => Err("missing \"".to_owned()),
        _ => Ok(word),
    }
}

/// Whether one argument is a line rather than a verb.
pub fn is_line(argument: &str) -> bool {
    argument.contains(|c: char| c.is_whitespace() || matches!(c, ';' | '\'' | '"' | '\\' | '#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_virsh_splits_it() {
        let commands = split("list --all; desc vm1 \"a 'b' \\\" c\" # no more; list\n'start' vm\\ 1;;\n").unwrap();
        let expected: [&[&str]; 3] = [&["list", "--all"], &["desc", "vm1", "a 'b' \" c"], &["start", "vm 1"]];
        assert_eq!(commands, expected);
        assert_eq!(split("echo a\"b c\"d'e f' '\\'").unwrap(), [["echo", "ab cde f", "\\"]]);
        assert_eq!(split(" ; # x").unwrap(), Vec::<Vec<String>>::new());
        assert_eq!(split("echo 'a b").unwrap(), [["echo", "a b"]]);
        for bad in ["echo \"a", "echo a\\"] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_verb_alone_is_no_line() {
        assert!(is_line("list --all") && is_line("list;list") && !is_line("list"));
    }
}
