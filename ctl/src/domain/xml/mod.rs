//! XML 1.0 without a document type (<https://www.w3.org/TR/xml/>): bytes to a tree, within limits, and a tree's text back. Pure.

mod element;
mod path;
mod reader;
mod text;
mod tree;
mod writer;

pub use element::{Attribute, Element, Given, Parts};
pub use path::{Part, find};
pub use reader::read;
pub use text::MAX_BYTES;
pub use tree::Tree;
pub use writer::Writer;
