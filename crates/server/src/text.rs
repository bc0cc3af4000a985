//! Texts of players, made fit for other players' screens and for logs.

use crate::limits::ACCOUNT_BYTES_MAX;
use downbeat_wire::limits::{CHAT_BYTES_MAX, NAME_CHARS_MAX};

/// A player's name: at most [`NAME_CHARS_MAX`] characters, none that controls anything. Never empty.
pub(crate) fn name(text: &str) -> String {
    let name: String = visible(text).take(NAME_CHARS_MAX).collect();
    let name = name.trim();
    if name.is_empty() { "player".to_owned() } else { name.to_owned() }
}

/// A chat line of at most [`CHAT_BYTES_MAX`] bytes; `None` when nothing of it is left.
pub(crate) fn chat(text: &str) -> Option<String> {
    Some(cut(text, CHAT_BYTES_MAX)).filter(|line| !line.is_empty())
}

/// What shows of a text, in so many bytes at most.
pub(crate) fn cut(text: &str, bytes_max: usize) -> String {
    let mut line = String::new();
    for c in visible(text) {
        if line.len() + c.len_utf8() > bytes_max {
            break;
        }
        line.push(c);
    }
    line.trim().to_owned()
}

/// The characters that show, but none that reorder what follows them, break the line, or look like nothing.
fn visible(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|&c| !c.is_control() && !reorders(c) && !breaks(c) && !is_blank(c))
}

const fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

const fn breaks(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Takes no width, or a width that nobody sees, and is no white space to Unicode: two names that differ in these look
/// the same, and one of nothing else looks empty.
const fn is_blank(c: char) -> bool {
    let is_hangul_filler = matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
    let is_tag = matches!(c, '\u{e0000}'..='\u{e007f}');
    let is_joiner =
        matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    is_hangul_filler || is_tag || is_joiner || matches!(c, '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{2800}')
}

/// Whether this can be an account's name.
pub(crate) fn is_account(text: &str) -> bool {
    (1..=ACCOUNT_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control)
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
    fn what_nobody_sees_is_taken_out() {
        assert_eq!(name("A\u{200b}d\u{feff}a\u{61c}"), "Ada");
        assert_eq!(name("\u{3164}"), "player");
        assert_eq!(name(&"\u{200b}".repeat(1_200)), "player");
        assert_eq!(chat("one\u{2028}two\u{2029}").as_deref(), Some("onetwo"));
        assert_eq!(chat("\u{200c}\u{200d} \u{a0}"), None);
    }

    #[test]
    fn chat_lines_are_cut_at_a_character() {
        assert_eq!(chat("hello\r\n").as_deref(), Some("hello"));
        assert_eq!(chat(&"€".repeat(1_000)).map(|line| line.len()), Some(255));
        assert_eq!(chat(" \u{0}\t"), None);
    }
}
