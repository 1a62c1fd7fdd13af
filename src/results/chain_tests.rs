use super::*;

fn lines(values: &[i32]) -> Vec<String> {
    let mut chain = Chain::default();
    values.iter().map(|v| chain.line(&format!("{{\"v\":{v}}}"))).collect()
}

fn changed(lines: &[String]) -> Vec<usize> {
    changed_lines(lines.concat().as_bytes())
}

#[test]
fn a_line_stays_json_with_one_key_more() {
    let line = &lines(&[7])[0];
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(value["v"], 7);
    assert_eq!(value["digest"].as_str().unwrap().len(), DIGITS);
}

#[test]
fn whatever_is_done_to_lines_is_named_by_its_line() {
    let whole = lines(&[1, 2, 3, 4]);
    assert_eq!(changed(&whole), [0usize; 0]);
    let with = |i: usize, line: String| {
        let mut lines = whole.clone();
        lines[i] = line;
        changed(&lines)
    };
    for (i, line) in whole.iter().enumerate() {
        assert_eq!(with(i, line.replace("\"v\":", "\"v\":1")), [i + 1], "a value");
    }
    // The one behind it is of a line that is not there.
    assert_eq!(with(2, "{\"v\":3}\n".into()), [3, 4], "without its digest");
    assert_eq!(with(2, whole[2].replace(":3", ": 3")), [3], "written anew");
    assert_eq!(changed(&[&whole[..1], &whole[2..]].concat()), [2], "the second taken out");
    assert_eq!(changed(&[&whole[..2], &whole[1..]].concat()), [3], "the second twice");
    assert_eq!(changed(&whole[1..]), [1], "the first taken out");
    // What is lost at the end does not show in what is left.
    assert_eq!(changed(&whole[..3]), [0usize; 0]);
}

#[test]
fn every_changed_byte_of_a_line_is_noticed() {
    let whole = lines(&[1, 2, 3]).concat().into_bytes();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let last_is_torn = !bytes.ends_with(b"\n") || bytes[at] == b'\n';
        assert!(!changed_lines(&bytes).is_empty() || last_is_torn, "byte {at}");
    }
}

#[test]
fn lines_without_digests_come_first_and_a_chain_goes_on_where_it_was_left() {
    let old = "{\"v\":1}\n{\"v\":2}\n";
    assert!(!has_digests(old.as_bytes()));
    assert_eq!(changed_lines(old.as_bytes()), [0usize; 0]);
    let mut text = old.to_string();
    for v in 3..6 {
        let mut chain = Chain::behind(text.as_bytes());
        text.push_str(&chain.line(&format!("{{\"v\":{v}}}")));
        assert!(has_digests(text.as_bytes()));
        assert_eq!(changed_lines(text.as_bytes()), [0usize; 0]);
    }
    assert_eq!(changed_lines(format!("{text}{old}").as_bytes()), [6, 7]);
    // A torn line at the end, and blank ones.
    assert_eq!(changed_lines(format!("{text}\n\n{{\"v\":").as_bytes()), [0usize; 0]);
}
