//! Texts of players, made fit for other players' screens and for logs.

use downbeat_wire::limits::{CHAT_BYTES_MAX, NAME_CHARS_MAX};

/// A player's name: at most [`NAME_CHARS_MAX`] characters, none that controls anything. Never empty.
pub(crate) fn name(text: &str) -> String {
    let name: String = visible(text).take(NAME_CHARS_MAX).collect();
    let name = name.trim();
    if name.is_empty() { "player".to_owned() } else { name.to_owned() }
}

/// A chat line of at most [`CHAT_BYTES_MAX`] bytes; `None` when nothing of it is left.
pub(crate) fn chat(text: &str) -> Option<String> {
    let mut line = String::new();
    for c in visible(text) {
        if line.len() + c.len_utf8() > CHAT_BYTES_MAX {
            break;
        }
        line.push(c);
    }
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// The characters that show, but none that reorder what follows them.
fn visible(text: &str) -> impl Iterator<Item = char> {
    let reorders = |c: &char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(move |c| !c.is_control() && !reorders(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_cleaned() {
        assert_eq!(name("  Ada\u{7}\u{202e} Lovelace\n"), "Ada Lovelace");
        assert_eq!(name(&"ä".repeat(100)).chars().count(), 32);
        assert_eq!(name("\u{1b}\n"), "player");
    }

    #[test]
    fn chat_lines_are_cut_at_a_character() {
        assert_eq!(chat("hello\r\n").as_deref(), Some("hello"));
        assert_eq!(chat(&"€".repeat(1_000)).map(|line| line.len()), Some(255));
        assert_eq!(chat(" \u{0}\t"), None);
    }
}
