use super::*;

const HOSTILE: &str = "=\u{1b}]0;t\u{7}\u{1b}[31m\u{9b}2J\u{202e}a|b\n\r<c>&\u{feff}";

#[test]
fn hidden_characters_are_written_as_their_code_and_all_others_stay() {
    assert_eq!(
        visible("\u{1b}[31mä|b\nc\td\u{9b}\u{202e}"),
        "\\u{1b}[31mä|b\\u{a}c\\u{9}d\\u{9b}\\u{202e}"
    );
    assert_eq!(visible_lines("a\n\tb\rc\u{1b}"), "a\n\tb\\u{d}c\\u{1b}");
    for text in ["", "FID ↓ 12.34 ± 0.56 ~ × − –", "日本語 é \\u{1b}"] {
        assert!(matches!(visible(text), Cow::Borrowed(same) if same == text));
    }
    // Twice is once: what is escaped at two doors reads the same.
    assert_eq!(visible(&visible(HOSTILE)), visible(HOSTILE));
}

#[test]
fn a_name_in_markdown_is_no_markup_and_ends_no_cell() {
    assert_eq!(
        escape_markdown("a|b*c_d`[e]\\~#<f>&\n"),
        "a\\|b\\*c\\_d\\`\\[e\\]\\\\\\~\\#&lt;f>&amp;\\\\u{a}"
    );
    assert_eq!(escape_markdown("FID ↓ 12.34 ± 0.56"), "FID ↓ 12.34 ± 0.56");
}

#[test]
fn json_stays_the_same_json() {
    let json = serde_json::to_string(HOSTILE).unwrap();
    assert!(json.contains('\u{9b}') && json.contains('\u{202e}'));
    let shown = visible_json(&json);
    assert!(!shown.contains(is_hidden), "{shown}");
    assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), HOSTILE);
}

#[test]
fn a_spreadsheet_takes_no_name_for_a_formula_and_names_read_back() {
    let names = ["=1+1", "+1", "-1", "@x", "'=1", "''+2", "'quoted'", "plain", "", "a=b", "1-2"];
    for name in names {
        let cell = csv_name(name);
        assert!(!begins_formula(&cell), "{cell}");
        assert_eq!(from_csv_name(&cell), name);
    }
    assert_eq!(csv_name("=1+1"), "'=1+1");
    assert_eq!(csv_name("\t=1"), "'\\u{9}=1");
    assert_eq!(csv_name("plain"), "plain");
}
