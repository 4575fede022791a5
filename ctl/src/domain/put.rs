//! Puts what a document says and Lazaret does not do back where it stood, in time that grows as the document does. Pure.

use super::kept::{ATTRIBUTES, Kept, ORDER, Step, What, rank};
use super::xml::Tree;
use core::mem::take;
use std::collections::BTreeMap;

/// Puts what is kept into the document of what is done.
pub fn put(kept: &[Kept], document: &mut Tree) {
    put_below(&kept.iter().collect::<Vec<_>>(), 0, document);
}

/// The same of what lies within one element, so many steps from the root: what is right in it first, since the ways further down count that too.
fn put_below(kept: &[&Kept], depth: usize, tree: &mut Tree) {
    let (own, deeper): (Vec<&Kept>, Vec<&Kept>) = kept.iter().copied().partition(|k| k.within.len() == depth);
    put_own(&own, tree);
    let mut ways: BTreeMap<&Step, Vec<&Kept>> = BTreeMap::new();
    let mut order = Vec::new();
    for one in deeper {
        let Some(step) = one.within.get(depth) else { continue };
        let group = ways.entry(step).or_default();
        if group.is_empty() {
            order.push(step);
        }
        group.push(one);
    }
    let mut places = places(tree);
    for step in order {
        let (name, at) = step;
        let found = places.get(name).and_then(|all| all.get(*at)).copied();
        let place = found.unwrap_or_else(|| {
            // One that says nothing else is not there yet.
            let place = insert(Tree::new(name), *at, tree);
            places = self::places(tree);
            place
        });
        if let (Some(child), Some(group)) = (tree.children.get_mut(place), ways.get(step)) {
            put_below(group, depth.saturating_add(1), child);
        }
    }
}

/// Where the children of each name are.
fn places(tree: &Tree) -> BTreeMap<String, Vec<usize>> {
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, child) in tree.children.iter().enumerate() {
        match places.get_mut(&child.name) {
            Some(all) => all.push(place),
            None => {
                places.insert(child.name.clone(), vec![place]);
            }
        }
    }
    places
}

/// Puts attributes and elements into the element that they are of.
fn put_own(own: &[&Kept], parent: &mut Tree) {
    let mut elements = Vec::new();
    let before = parent.attributes.len();
    for one in own {
        match &one.what {
            What::Attribute(name, value) => parent.attributes.push((name.clone(), value.clone())),
            What::Instead(tree) => {
                parent.children.retain(|c| c.name != tree.name);
                insert(tree.clone(), 0, parent);
            }
            What::Element(tree, at) => elements.push((tree, *at)),
        }
    }
    if parent.attributes.len() > before {
        let element = &parent.name;
        parent
            .attributes
            .sort_by_key(|(attribute, _)| rank(&ATTRIBUTES, element, attribute));
    }
    put_elements(&elements, parent);
}

/// Each to its place among those of its name, or behind all that are printed before it: first it is found which child each comes before, and then all
/// are put there at once.
fn put_elements(elements: &[(&Tree, usize)], parent: &mut Tree) {
    if elements.is_empty() {
        return;
    }
    let ranked: Vec<usize> = parent
        .children
        .iter()
        .map(|c| rank(&ORDER, &parent.name, &c.name))
        .collect();
    let (there, end) = (places(parent), ranked.len());
    let mut put: BTreeMap<&str, usize> = BTreeMap::new();
    let mut behind: BTreeMap<usize, usize> = BTreeMap::new();
    let mut before: Vec<Vec<&Tree>> = vec![Vec::new(); end.saturating_add(1)];
    for (tree, at) in elements {
        let count = put.entry(tree.name.as_str()).or_default();
        // Those of its name that were put are before it: they stood before it, too.
        let same = there.get(&tree.name).and_then(|all| all.get(at.checked_sub(*count)?));
        let own = rank(&ORDER, &parent.name, &tree.name);
        let gap = same.copied().unwrap_or_else(|| {
            let after = || ranked.iter().position(|rank| *rank > own).unwrap_or(end);
            *behind.entry(own).or_insert_with(after)
        });
        if let Some(gap) = before.get_mut(gap) {
            gap.push(*tree);
        }
        *count = count.saturating_add(1);
    }
    let mut children = take(&mut parent.children).into_iter();
    for gap in before {
        parent.children.extend(gap.into_iter().cloned());
        parent.children.extend(children.next());
    }
}

/// The one element of this name in a document, made if it is missing.
pub fn only_child<'a>(document: &'a mut Tree, name: &str) -> Option<&'a mut Tree> {
    let place = nth(document, name, 0).unwrap_or_else(|| insert(Tree::new(name), 0, document));
    document.children.get_mut(place)
}

/// Puts an element behind those of its name, or to its place where it is the first.
pub fn add(tree: Tree, parent: &mut Tree) {
    let same = parent.children.iter().filter(|c| c.name == tree.name).count();
    insert(tree, same, parent);
}

fn nth(tree: &Tree, name: &str, at: usize) -> Option<usize> {
    let same = tree.children.iter().enumerate().filter(|(_, c)| c.name == name);
    same.map(|(place, _)| place).nth(at)
}

/// Puts an element at its place among those of its name, and behind all that are printed before it; where that is.
fn insert(tree: Tree, at: usize, parent: &mut Tree) -> usize {
    let own = rank(&ORDER, &parent.name, &tree.name);
    let after = || {
        parent
            .children
            .iter()
            .position(|c| rank(&ORDER, &parent.name, &c.name) > own)
    };
    let place = nth(parent, &tree.name, at)
        .or_else(after)
        .unwrap_or(parent.children.len());
    parent.children.insert(place, tree);
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::kept::Why;

    fn element(name: &str, text: usize, at: usize) -> Kept {
        Kept {
            within: vec![("devices".into(), 0)],
            what: What::Element(Tree::leaf(name, text), at),
            why: Why::Unread,
        }
    }

    fn devices(children: &[&str]) -> Tree {
        let mut devices = Tree::new("devices");
        devices.children = children.iter().map(|name| Tree::new(name)).collect();
        let mut document = Tree::new("domain");
        document.children.push(devices);
        document
    }

    fn printed(document: &Tree) -> String {
        let names = document.children.first().map(|d| &d.children).into_iter().flatten();
        let words: Vec<String> = names.map(|c| format!("{}{}", c.name, c.text)).collect();
        words.join(" ")
    }

    #[test]
    fn each_stands_where_it_stood_among_those_of_its_name_and_others_by_their_order() {
        let mut document = devices(&["emulator", "filesystem", "interface", "interface", "console"]);
        let kept = [
            element("controller", 1, 0),
            element("controller", 2, 1),
            element("interface", 3, 1),
            element("interface", 4, 3),
            element("interface", 5, 4),
            element("graphics", 6, 0),
            element("unheard", 7, 0),
            element("of", 8, 0),
            element("unheard", 9, 1),
        ];
        put(&kept, &mut document);
        assert_eq!(
            printed(&document),
            "emulator controller1 controller2 filesystem interface interface3 interface interface4 interface5 console graphics6 unheard7 of8 unheard9"
        );
        // What is further down finds its way by all that is there, and makes what is missing.
        let attribute = |step: &str, at: usize| Kept {
            within: vec![("devices".into(), 0), (step.into(), at)],
            what: What::Attribute("x".into(), at.to_string()),
            why: Why::Unread,
        };
        put(&[attribute("interface", 3), attribute("rng", 0)], &mut document);
        let devices = document.children.first().unwrap();
        let with: Vec<&str> = devices
            .children
            .iter()
            .filter(|c| !c.attributes.is_empty())
            .map(|c| c.name.as_str())
            .collect();
        assert_eq!(with, ["interface", "rng"]);
        assert_eq!(
            devices
                .children
                .iter()
                .find(|c| c.text == "4")
                .unwrap()
                .attributes
                .len(),
            1
        );
    }

    #[test]
    fn two_hundred_thousand_are_put_into_their_places() {
        // In time that grows with the square this would not come to an end.
        let many = 200_000;
        let kept: Vec<Kept> = (0..many).map(|at| element("controller", at, at)).collect();
        let mut document = devices(&["emulator", "console"]);
        put(&kept, &mut document);
        let devices = document.children.first().unwrap();
        assert_eq!(devices.children.len(), many + 2);
        assert_eq!(devices.children.get(many).unwrap().text, (many - 1).to_string());
    }
}
