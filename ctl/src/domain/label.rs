//! The canonical form of labels that are kept and not done, and which of them there cannot be. Pure.

use super::error::shown;
use super::xml::Tree;

/// Puts one label into its canonical form.
pub fn element(label: &mut Tree) -> Result<(), String> {
    let value = |name: &str| label.attribute(name).map(str::to_owned);
    let (kind, model, relabel) = (value("type"), value("model"), value("relabel"));
    if let Some(other) = relabel.as_deref().filter(|r| !matches!(*r, "yes" | "no")) {
        let other = shown(other, 40);
        return Err(format!(
            "attribute relabel of <seclabel> is {other:?}, not \"yes\" or \"no\""
        ));
    }
    if let Some(other) = kind.as_deref().filter(|k| !matches!(*k, "none" | "static" | "dynamic")) {
        let other = shown(other, 40);
        return Err(format!(
            "attribute type of <seclabel> is {other:?}, not none, static or dynamic"
        ));
    }
    match (kind.as_deref(), relabel.as_deref()) {
        (Some("none"), Some("yes")) => Err("a <seclabel> of type none labels no files".to_owned()),
        (Some("dynamic"), Some("no")) => Err("a <seclabel> of type dynamic labels files".to_owned()),
        (Some("dynamic"), _) => {
            // What it was while something ran is no part of a definition.
            label.children.retain(|c| c.name == "baselabel");
            if model.is_some() {
                label.add_missing("relabel", "yes");
            }
            Ok(())
        }
        (Some("static"), _) if model.is_none() => Err("a <seclabel> of type static has a model".to_owned()),
        (Some("static"), _) if model.as_deref() != Some("none") && label.children.iter().all(|c| c.name != "label") => {
            Err("a <seclabel> of type static has a <label>".to_owned())
        }
        (Some("none"), Some("no")) => {
            label.attributes.retain(|(name, _)| name != "relabel");
            Ok(())
        }
        (Some("static"), None) => {
            label.add_missing("relabel", "no");
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::{format, parse};

    fn printed(labels: &str) -> Result<String, String> {
        let text = format!(
            "<domain type='lxc'><name>a</name><memory>1</memory><os><type>exe</type><init>/i</init></os>{labels}</domain>"
        );
        let domain = parse(text.as_bytes(), "a.xml").map_err(|e| e.to_string())?;
        let text = format(&domain);
        assert_eq!(parse(text.as_bytes(), "a.xml").unwrap(), domain);
        let lines = text.lines().skip_while(|l| !l.contains("<seclabel"));
        Ok(lines.take_while(|l| !l.contains("</domain>")).map(str::trim).collect())
    }

    #[test]
    fn labels_say_whether_files_are_labelled() {
        for (said, shown) in [
            (
                "<seclabel type='dynamic' model='selinux'><label>a</label><baselabel>b</baselabel><imagelabel>c</imagelabel></seclabel>",
                "<seclabel type='dynamic' model='selinux' relabel='yes'><baselabel>b</baselabel></seclabel>",
            ),
            (
                "<seclabel type='static' model='dac'><label>+0:+0</label></seclabel>",
                "<seclabel type='static' model='dac' relabel='no'><label>+0:+0</label></seclabel>",
            ),
            ("<seclabel type='none'/>", "<seclabel type='none'/>"),
        ] {
            assert_eq!(printed(said).as_deref(), Ok(shown));
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (bad, why) in [
            ("<seclabel type='none' relabel='yes'/>", "labels no files"),
            (
                "<seclabel type='dynamic' model='selinux' relabel='no'/>",
                "dynamic labels files",
            ),
            ("<seclabel type='static'><label>a</label></seclabel>", "has a model"),
            (
                "<seclabel type='static' model='dac' relabel='x'><label>a</label></seclabel>",
                "relabel of <seclabel>",
            ),
            (
                "<seclabel type='none' model='a'/><seclabel type='none' model='a'/>",
                "a second <seclabel>",
            ),
            (
                "<seclabel type='none'/><seclabel type='none' model='a'/>",
                "has a model where there are several",
            ),
        ] {
            let said = printed(bad).unwrap_err();
            assert!(said.contains(why), "{bad}: {said}");
        }
    }
}
