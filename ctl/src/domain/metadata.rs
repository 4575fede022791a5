//! Elements of somebody's own in a domain (`metadata`), by their namespace (<https://www.w3.org/TR/xml-names/>). Pure.

use super::error::Fault;
use super::kept::{Kept, What, Why};
use super::model::Domain;
use super::sift;
use super::xml::{Part, Tree};
use std::collections::BTreeSet;

/// The prefix of a name, if it has one.
fn prefix(name: &str) -> Option<&str> {
    name.split_once(':').map(|(prefix, _)| prefix)
}

/// The attribute that says what a prefix stands for, or what names without one are of.
fn declaration(prefix: Option<&str>) -> String {
    prefix.map_or_else(|| "xmlns".to_owned(), |p| format!("xmlns:{p}"))
}

fn is_of(element: &Tree, uri: &str) -> bool {
    element.attribute(&declaration(prefix(&element.name))) == Some(uri)
}

/// Leaves the first element of each namespace, as libvirt does: what has none is nobody's own.
pub fn first_of_each(metadata: &mut Tree) {
    let mut seen = BTreeSet::new();
    let uri = |e: &Tree| e.attribute(&declaration(prefix(&e.name))).map(str::to_owned);
    metadata.children.retain(|e| uri(e).is_some_and(|u| seen.insert(u)));
    metadata.text.clear();
}

fn whole(domain: &Domain) -> Option<&Tree> {
    domain.kept.iter().find_map(|k| match &k.what {
        What::Element(tree, _) if k.within.is_empty() && tree.name == "metadata" => Some(tree),
        _ => None,
    })
}

/// The namespaces of the elements.
pub fn uris(domain: &Domain) -> Vec<String> {
    let elements = whole(domain).into_iter().flat_map(|m| &m.children);
    let uri = |e: &Tree| e.attribute(&declaration(prefix(&e.name))).map(str::to_owned);
    elements.filter_map(uri).collect()
}

/// The domain without any such element.
pub fn without(domain: &Domain) -> Domain {
    let mut bare = domain.clone();
    let is = |k: &Kept| matches!(&k.what, What::Element(tree, _) if k.within.is_empty() && tree.name == "metadata");
    bare.kept.retain(|k| !is(k));
    bare
}

/// The element of this namespace, without its prefix.
pub fn get(domain: &Domain, uri: &str) -> Option<String> {
    let element = whole(domain)?.children.iter().find(|c| is_of(c, uri))?;
    let prefix = prefix(&element.name).map(str::to_owned);
    let mut bare = element.clone();
    bare.attributes
        .retain(|(name, _)| *name != declaration(prefix.as_deref()));
    strip(&mut bare, prefix.as_deref());
    Some(format!("{}\n", Part::Element(&bare).print(0)))
}

fn strip(element: &mut Tree, taken: Option<&str>) {
    if let Some((prefix, name)) = element.name.split_once(':')
        && Some(prefix) == taken
    {
        element.name = name.to_owned();
    }
    element.children.iter_mut().for_each(|c| strip(c, taken));
}

/// Puts an element, which is text without a prefix, into the place of that of this namespace.
pub fn set(domain: &mut Domain, uri: &str, key: &str, text: &str) -> Result<(), String> {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let good = key.starts_with(first) && key.chars().all(|c| first(c) || c.is_ascii_digit() || "-.".contains(c));
    if !good || key.to_ascii_lowercase().starts_with("xml") {
        return Err(format!("{key:?} is no prefix: a letter, then letters, digits, - and ."));
    }
    if uri.is_empty() {
        return Err("a namespace has a name".to_owned());
    }
    let said = |fault: Fault| fault.of("the new metadata").to_string();
    let mut element = sift::said(text.as_bytes()).map_err(said)?;
    add(&mut element, key);
    element.attributes.insert(0, (declaration(Some(key)), uri.to_owned()));
    remove(domain, uri);
    let mut metadata = whole(domain).cloned().unwrap_or_else(|| Tree::new("metadata"));
    if metadata.children.is_empty() {
        metadata.text.clear();
    }
    metadata.children.push(element);
    put(domain, metadata);
    Ok(())
}

/// Gives a prefix to every name that has none.
fn add(element: &mut Tree, key: &str) {
    if prefix(&element.name).is_none() {
        element.name = format!("{key}:{}", element.name);
    }
    element.children.iter_mut().for_each(|c| add(c, key));
}

/// Takes the element of this namespace away; `false` if there was none.
pub fn remove(domain: &mut Domain, uri: &str) -> bool {
    let Some(mut metadata) = whole(domain).cloned() else {
        return false;
    };
    let before = metadata.children.len();
    metadata.children.retain(|c| !is_of(c, uri));
    let removed = metadata.children.len() < before;
    put(domain, metadata);
    removed
}

/// Lets these be all; an empty element is not kept.
fn put(domain: &mut Domain, metadata: Tree) {
    let at = domain
        .kept
        .iter()
        .position(|k| matches!(&k.what, What::Element(tree, _) if k.within.is_empty() && tree.name == "metadata"));
    let gone = metadata.children.is_empty() && metadata.text.is_empty();
    let one = Kept {
        within: Vec::new(),
        what: What::Element(metadata, 0),
        why: Why::Said,
    };
    match (at.and_then(|at| domain.kept.get_mut(at)), at) {
        (Some(kept), _) if !gone => *kept = one,
        (_, Some(at)) if gone => drop(domain.kept.remove(at)),
        (None, None) if !gone => domain.kept.push(one),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{format, parse};

    fn domain(metadata: &str) -> Domain {
        let text = format!(
            "<domain type='lxc'><name>vm1</name>{metadata}<memory>1</memory><os><type>exe</type><init>/i</init></os></domain>"
        );
        parse(text.as_bytes(), "vm1.xml").unwrap()
    }

    #[test]
    fn an_element_is_set_shown_and_taken_away_by_its_namespace() {
        let mut d = domain("");
        let plain = format(&d);
        set(&mut d, "http://x", "k", "<a b=\"c\"><d>t &amp; u</d></a>").unwrap();
        let shown = "  <metadata>\n    <k:a xmlns:k=\"http://x\" b=\"c\">\n      <k:d>t &amp; u</k:d>\n    </k:a>\n  </metadata>\n";
        assert!(format(&d).contains(shown), "{}", format(&d));
        assert_eq!(get(&d, "http://x").unwrap(), "<a b=\"c\">\n  <d>t &amp; u</d>\n</a>\n");
        set(&mut d, "http://y", "y", "<e/>").unwrap();
        set(&mut d, "http://x", "z", "<f/>").unwrap();
        assert_eq!(
            (get(&d, "http://x").as_deref(), get(&d, "http://y").as_deref()),
            (Some("<f/>\n"), Some("<e/>\n"))
        );
        assert_eq!(parse(format(&d).as_bytes(), "x").unwrap(), d);
        assert!(remove(&mut d, "http://x") && !remove(&mut d, "http://x") && remove(&mut d, "http://y"));
        assert_eq!(format(&d), plain);
    }

    #[test]
    fn what_others_have_put_there_stays() {
        let mut d = domain("<metadata><a xmlns='u:1'><b/></a><p:c xmlns:p='u:2'/></metadata>");
        assert_eq!(get(&d, "u:1").unwrap(), "<a>\n  <b/>\n</a>\n");
        set(&mut d, "u:3", "k", "<x/>").unwrap();
        assert!(get(&d, "u:1").is_some() && get(&d, "u:2").is_some() && get(&d, "u:4").is_none());
    }

    #[test]
    fn nothing_is_set_that_is_no_element() {
        let mut d = domain("");
        for bad in [
            "",
            "text",
            "<a>",
            "<a/><b/>",
            "</metadata><name>x</name>",
            "<a>&x;</a>",
            "<!DOCTYPE a><a/>",
        ] {
            assert!(set(&mut d, "u", "k", bad).is_err(), "{bad}");
        }
        for key in ["", "1", "a b", "xmlns", "a:b"] {
            assert!(set(&mut d, "u", key, "<a/>").is_err(), "{key}");
        }
        assert!(d.kept.is_empty());
    }
}
