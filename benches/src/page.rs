//! Pages of the documentation have places for what was measured: between two marks, and all the rest is somebody's prose.

use std::fs;
use std::path::Path;

use crate::BenchError;

/// Puts `text` into the page at `page` between the marks called `name`, where the last one stood.
///
/// # Errors
/// When the page cannot be read or written, or has no such place.
pub(crate) fn put(page: &Path, name: &str, text: &str) -> Result<(), BenchError> {
    let fail = |why: &str| BenchError::Page(format!("{}: {why}", page.display()));
    let old = fs::read_to_string(page).map_err(|error| fail(&error.to_string()))?;
    let [begin, end] = marks(name);
    let new = replaced(&old, name, text).ok_or_else(|| fail(&format!("no `{begin}` and `{end}`")))?;
    fs::write(page, new).map_err(|error| fail(&error.to_string()))
}

fn marks(name: &str) -> [String; 2] {
    ["begin", "end"].map(|which| format!("<!-- {name}: {which} -->"))
}

fn replaced(page: &str, name: &str, text: &str) -> Option<String> {
    let [begin, end] = marks(name);
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{text}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_takes_the_place_of_the_last_one() {
        let [begin, end] = marks("feel");
        let page = format!("# Page\n{begin}\nold\n{end}\nrest\n");
        let once = replaced(&page, "feel", "| new |\n").expect("there is a place");
        assert_eq!(once, format!("# Page\n{begin}\n| new |\n{end}\nrest\n"));
        assert_eq!(replaced(&once, "feel", "| new |\n"), Some(once.clone()));
        assert_eq!(replaced(&page, "without", "| new |\n"), None);
    }
}
