//! What a path names in a document: the part of XPath 1.0 (<https://www.w3.org/TR/xpath-10/>) that people write on a command line. Pure.

use super::Tree;
use super::tree::indent;

/// A part of a document.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// An element.
    Element(&'a Tree),
    /// An attribute.
    Attribute(&'a str, &'a str),
    /// Text.
    Text(&'a str),
}

/// What a step takes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Element(Option<String>),
    Attribute(Option<String>),
    Text,
    Itself,
}

/// What is asked of what a step has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// That it is the one of this number.
    Number(usize),
    /// That it has such a child or attribute; with this text.
    Has(Test, Option<String>),
}

/// One step; whether it may lead to any depth.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    deep: bool,
    test: Test,
    conditions: Vec<Condition>,
}

/// Everything that a path names, in the order of the document. The error says what of the path is not understood.
pub fn find<'a>(root: &'a Tree, path: &str) -> Result<Vec<Part<'a>>, String> {
    let steps = parse(path).ok_or_else(|| {
        format!("the path {path} is not understood: it is made of /, //, names, *, @NAME, text(), [N], [NAME='V'] and [@NAME='V']")
    })?;
    let mut found = vec![Place::Document(root)];
    for step in &steps {
        found = taken(&found, step);
    }
    Ok(found.into_iter().filter_map(Place::part).collect())
}

/// Where a path has led so far.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    /// What lies above the outermost element.
    Document(&'a Tree),
    Part(Part<'a>),
}

impl<'a> Place<'a> {
    const fn part(self) -> Option<Part<'a>> {
        match self {
            Self::Document(_) => None,
            Self::Part(part) => Some(part),
        }
    }

    fn children(self) -> Vec<&'a Tree> {
        match self {
            Self::Document(root) => vec![root],
            Self::Part(Part::Element(tree)) => tree.children.iter().collect(),
            Self::Part(_) => Vec::new(),
        }
    }

    /// It, and every element below.
    fn below(self, all: &mut Vec<Self>) {
        all.push(self);
        for child in self.children() {
            Self::Part(Part::Element(child)).below(all);
        }
    }

    /// What a step takes here.
    fn take(self, test: &Test) -> Vec<Part<'a>> {
        let named = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|w| w == name);
        match (test, self) {
            (Test::Element(wanted), _) => {
                let children = self.children().into_iter().filter(|c| named(wanted, &c.name));
                children.map(Part::Element).collect()
            }
            (Test::Attribute(wanted), Self::Part(Part::Element(tree))) => {
                let attributes = tree.attributes.iter().filter(|(name, _)| named(wanted, name));
                attributes.map(|(name, value)| Part::Attribute(name, value)).collect()
            }
            (Test::Text, Self::Part(Part::Element(tree))) if !tree.text.is_empty() => vec![Part::Text(&tree.text)],
            (Test::Itself, Self::Part(part)) => vec![part],
            _ => Vec::new(),
        }
    }
}

impl Part<'_> {
    fn text(self) -> String {
        match self {
            Part::Element(tree) => {
                let below = tree.children.iter().map(|c| Part::Element(c).text());
                std::iter::once(tree.text.clone()).chain(below).collect()
            }
            Part::Attribute(_, value) => value.to_owned(),
            Part::Text(text) => text.to_owned(),
        }
    }

    fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Element(a), Self::Element(b)) => std::ptr::eq(a, b),
            (Self::Attribute(_, a), Self::Attribute(_, b)) | (Self::Text(a), Self::Text(b)) => std::ptr::eq(a, b),
            _ => false,
        }
    }

    /// As libxml2 prints a part of a document, so many levels deep.
    pub fn print(self, depth: usize) -> String {
        let mut out = String::new();
        match self {
            Part::Element(tree) => element(&mut out, tree, depth),
            Part::Attribute(name, value) => out.push_str(&format!(" {name}=\"{}\"", escaped(value, true))),
            Part::Text(text) => out.push_str(&escaped(text, false)),
        }
        out
    }
}

/// An element without what stands before it in its line and behind it.
pub fn element(out: &mut String, tree: &Tree, depth: usize) {
    out.push('<');
    out.push_str(&tree.name);
    for (name, value) in &tree.attributes {
        out.push_str(&format!(" {name}=\"{}\"", escaped(value, true)));
    }
    if tree.children.is_empty() && tree.text.is_empty() {
        return out.push_str("/>");
    }
    out.push('>');
    out.push_str(&escaped(if tree.children.is_empty() { &tree.text } else { "" }, false));
    let deeper = depth.saturating_add(1);
    for child in &tree.children {
        out.push('\n');
        indent(out, deeper);
        element(out, child, deeper);
    }
    if !tree.children.is_empty() {
        out.push('\n');
        indent(out, depth);
    }
    out.push_str(&format!("</{}>", tree.name));
}

fn escaped(text: &str, attribute: bool) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            '"' if attribute => out.push_str("&quot;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            c => out.push(c),
        }
    }
    out
}

fn taken<'a>(from: &[Place<'a>], step: &Step) -> Vec<Place<'a>> {
    let mut starts = Vec::new();
    for place in from {
        if step.deep {
            place.below(&mut starts);
        } else {
            starts.push(*place);
        }
    }
    let mut all: Vec<Part<'a>> = Vec::new();
    for place in starts {
        let mut here = place.take(&step.test);
        for condition in &step.conditions {
            here = match condition {
                Condition::Number(n) => n
                    .checked_sub(1)
                    .and_then(|at| here.get(at))
                    .copied()
                    .into_iter()
                    .collect(),
                Condition::Has(test, value) => {
                    let fits = |p: &Part<'a>| {
                        let inside = Place::Part(*p).take(test);
                        inside.iter().any(|i| value.as_ref().is_none_or(|v| *v == i.text()))
                    };
                    here.into_iter().filter(fits).collect()
                }
            };
        }
        for part in here {
            if !all.iter().any(|p| p.is(part)) {
                all.push(part);
            }
        }
    }
    all.into_iter().map(Place::Part).collect()
}

fn parse(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.trim();
    let mut steps = Vec::new();
    loop {
        let deep = rest.starts_with("//");
        rest = match (rest.strip_prefix("//"), rest.strip_prefix('/')) {
            (Some(rest), _) | (None, Some(rest)) => rest,
            // What begins without a slash begins at the document as well.
            (None, None) if steps.is_empty() => rest,
            (None, None) => return None,
        };
        let (test, after) = test(rest)?;
        let (conditions, after) = conditions(after)?;
        steps.push(Step { deep, test, conditions });
        if after.is_empty() {
            return Some(steps);
        }
        rest = after;
    }
}

fn test(text: &str) -> Option<(Test, &str)> {
    if let Some(rest) = text.strip_prefix("text()") {
        return Some((Test::Text, rest));
    }
    if let Some(rest) = text.strip_prefix('.') {
        return Some((Test::Itself, rest));
    }
    let (attribute, text) = text.strip_prefix('@').map_or((false, text), |rest| (true, rest));
    let (name, rest) = match text.strip_prefix('*') {
        Some(rest) => (None, rest),
        None => {
            let is = |c: char| c.is_alphanumeric() || "_-.:".contains(c);
            let end = text.find(|c| !is(c)).unwrap_or(text.len());
            let (name, rest) = text.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
            (Some(name.to_owned()), rest)
        }
    };
    Some((
        if attribute {
            Test::Attribute(name)
        } else {
            Test::Element(name)
        },
        rest,
    ))
}

fn conditions(text: &str) -> Option<(Vec<Condition>, &str)> {
    let (mut all, mut rest) = (Vec::new(), text);
    while let Some(inside) = rest.strip_prefix('[') {
        let inside = inside.trim_start();
        let digits = inside.find(|c: char| !c.is_ascii_digit()).unwrap_or(inside.len());
        let (number, behind) = inside.split_at_checked(digits)?;
        let (condition, behind) = if number.is_empty() {
            let (test, behind) = test(inside)?;
            match behind.trim_start().strip_prefix('=') {
                None => (Condition::Has(test, None), behind),
                Some(value) => {
                    let value = value.trim_start();
                    let quote = value.chars().next().filter(|q| ['\'', '"'].contains(q))?;
                    let (value, behind) = value.get(1..)?.split_once(quote)?;
                    (Condition::Has(test, Some(value.to_owned())), behind)
                }
            }
        } else {
            (Condition::Number(number.parse().ok()?), behind)
        };
        all.push(condition);
        rest = behind.trim_start().strip_prefix(']')?;
    }
    Some((all, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        Tree::new("d").holding([
            Tree::leaf("n", "a<b"),
            Tree::new("e").holding([
                Tree::new("i")
                    .with("t", "x")
                    .holding([Tree::new("m").with("a", "1\"'")]),
                Tree::new("i").with("t", "y").holding([Tree::new("m").with("a", 2)]),
            ]),
        ])
    }

    #[test]
    fn a_path_names_elements_attributes_and_text() {
        let tree = tree();
        let all = |path: &str| {
            find(&tree, path)
                .unwrap()
                .into_iter()
                .map(|p| p.print(0))
                .collect::<Vec<_>>()
        };
        assert_eq!(all("/d/n"), ["<n>a&lt;b</n>"]);
        assert_eq!(all("//n/text()"), ["a&lt;b"]);
        assert_eq!(all("//m/@a"), [" a=\"1&quot;'\"", " a=\"2\""]);
        assert_eq!(all("//i[@t='y']/m"), ["<m a=\"2\"/>"]);
        assert_eq!(all("//i[2]/@t"), [" t=\"y\""]);
        assert_eq!(all("//*[m]/@t"), [" t=\"x\"", " t=\"y\""]);
        assert_eq!(all("//i[1]"), ["<i t=\"x\">\n  <m a=\"1&quot;'\"/>\n</i>"]);
        assert_eq!(all("d//m[@a='2']"), ["<m a=\"2\"/>"]);
        assert_eq!(all("//d[n='a<b']/e/i[3]"), Vec::<String>::new());
        assert_eq!(all("//*").len(), 7);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            "",
            "/",
            "bad[",
            "//",
            "//a[",
            "//a[@b=c]",
            "count(//a)",
            "//a | //b",
            "//a[last()]",
            "a/",
        ] {
            assert!(find(&tree(), bad).is_err(), "{bad}");
        }
    }
}
