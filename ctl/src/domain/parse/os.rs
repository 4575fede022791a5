//! `os`: what is executed, and how. Pure.

use super::text;
use crate::domain::error::Fault;
use crate::domain::model::{Arch, Os, Variable};
use crate::domain::xml::{Element, Given, Parts};
use wire::Text;

/// `os`
pub fn os(parts: &mut Parts) -> Result<Os, Fault> {
    let kind = parts.child("type")?.ok_or_else(|| parts.lacks("type"))?;
    Ok(Os {
        arch: kind.read(arch)?,
        init: text(&parts.leaf("init")?.ok_or_else(|| parts.lacks("init"))?)?,
        initargs: parts
            .children("initarg")
            .into_iter()
            .map(|e| text(&e.leaf()?))
            .collect::<Result<_, _>>()?,
        initenv: parts
            .children("initenv")
            .into_iter()
            .map(variable)
            .collect::<Result<_, _>>()?,
        initdir: said(parts, "initdir")?.as_ref().map(text).transpose()?,
        inituser: said(parts, "inituser")?.as_ref().map(account).transpose()?,
        initgroup: said(parts, "initgroup")?.as_ref().map(account).transpose()?,
        cmdline: said(parts, "cmdline")?.as_ref().map(text).transpose()?,
    })
}

/// The text of a child, where there is some.
fn said(parts: &mut Parts, name: &str) -> Result<Option<Given>, Fault> {
    Ok(parts.leaf(name)?.filter(|given| !given.value.is_empty()))
}

fn arch(parts: &mut Parts) -> Result<Option<Arch>, Fault> {
    parts.text().only("exe")?;
    let known = |word: &str| [Arch::X86_64, Arch::I686].into_iter().find(|a| a.name() == word);
    parts
        .attribute("arch")
        .map(|v| v.read("\"x86_64\" or \"i686\", which alone are supported", known))
        .transpose()
}

fn variable(element: Element) -> Result<Variable, Fault> {
    element.read(|parts| {
        let name = parts.required("name")?;
        if name.value.contains('=') {
            return Err(name.fault("contains '='"));
        }
        Ok(Variable {
            name: text(&name)?,
            value: text(&parts.text())?,
        })
    })
}

/// A user or group: a name, or a number that the kernel has, with or without `+`. A name is looked up inside, and so may not hold
/// what separates the fields of passwd(5).
fn account(given: &Given) -> Result<Text<256>, Fault> {
    let number = given.value.strip_prefix('+').unwrap_or(&given.value);
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let bad = if digits {
        number.parse::<i32>().is_err()
    } else {
        given.value.contains([':', '\n', '+', '/'])
    };
    if bad {
        return given.read("a name or a number below 2147483648", |_| None);
    }
    text(given)
}
