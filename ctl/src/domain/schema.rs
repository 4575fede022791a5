//! What libvirt's schema of a domain names: for each element its attributes and the elements in it, whatever stands around it. Pure.

/// A line for each element: its name, its attributes, the elements in it; `*` for any.
const TABLE: &str = include_str!("schema.txt");

/// What the schema says of one element.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    attributes: &'static str,
    children: &'static str,
}

/// The element of this name, if the schema has one.
pub fn known(name: &str) -> Option<Known> {
    TABLE.lines().find_map(|line| {
        let mut parts = line.strip_prefix(name)?.strip_prefix('|')?.splitn(2, '|');
        Some(Known {
            attributes: parts.next()?,
            children: parts.next()?,
        })
    })
}

impl Known {
    /// Whether it may have this attribute.
    pub fn has_attribute(self, name: &str) -> bool {
        lists(self.attributes, name)
    }

    /// Whether it may hold this element.
    pub fn holds(self, name: &str) -> bool {
        lists(self.children, name)
    }
}

/// Whether a list of words has this one.
pub fn lists(words: &str, word: &str) -> bool {
    words.split_ascii_whitespace().any(|w| w == word || w == "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_known_by_its_whole_name() {
        let interface = known("interface").unwrap();
        assert!(interface.has_attribute("type") && interface.holds("mtu") && !interface.holds("uuid"));
        assert!(!interface.has_attribute("typ") && !interface.has_attribute(""));
        assert!(known("interfac").is_none() && known("").is_none() && known("interface|").is_none());
    }

    #[test]
    fn each_line_is_an_element_and_each_element_in_one_has_a_line() {
        for line in TABLE.lines() {
            assert_eq!(line.matches('|').count(), 2, "{line}");
            let name = line.split('|').next().unwrap();
            for child in known(name)
                .unwrap()
                .children
                .split(' ')
                .filter(|c| !matches!(*c, "" | "*"))
            {
                assert!(known(child).is_some(), "{child} in {name}");
            }
        }
    }
}
