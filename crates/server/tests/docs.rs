//! What operators read is about what there is.

use std::path::Path;

use downbeat_wire::CloseCode;

fn operating() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operating.md");
    std::fs::read_to_string(path).expect("it is there")
}

#[test]
fn troubleshooting_names_every_close_code_and_none_that_there_is_not() {
    let text = operating();
    let (_, table) = text.split_once("## Troubleshooting by close code").expect("there is a section");
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ") && line.contains(" `")).collect();
    let named = rows.iter().filter_map(|row| row.split('|').nth(1)).map(str::trim);
    let mut named: Vec<String> =
        named.filter(|cell| cell.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned).collect();
    let mut expected: Vec<String> =
        CloseCode::ALL.iter().map(|&code| format!("{} `{}`", code as u32, code.label())).collect();
    named.sort();
    expected.sort();
    assert_eq!(named, expected);
}

#[test]
fn every_key_that_needs_a_restart_or_follows_is_one_of_a_configuration() {
    let text = operating();
    let (_, section) = text.split_once("## Configuration and reload").expect("there is a section");
    let (section, _) = section.split_once("\n## ").expect("another follows");
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| at once"));
    let known = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/config/server.toml"));
    let known = known.expect("it is there");
    for key in rows.flat_map(|row| row.split('`').skip(1).step_by(2)) {
        let last = key.trim_matches(['[', ']']).rsplit('.').next().unwrap_or_default();
        let is_there = known.contains(&format!("{last} = ")) || known.contains(&format!("[{last}]"));
        assert!(is_there, "{key} is no key");
    }
}
