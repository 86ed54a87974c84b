//! Statements that mean harm end with an error. What bounds them is a number of words, steps and bytes, not a clock: the shell
//! that runs them bounds their memory.

use super::piped;
use crate::common::TestEnvironment;

#[track_caller]
fn refused(script: &str, said: &[&str]) {
    let environment = TestEnvironment::new();
    let output = piped(&environment, script);
    let status = output.status.code();
    assert!(
        matches!(status, Some(1 | 2)),
        "{status:?}: {}",
        output.stderr.chars().take(500).collect::<String>()
    );
    assert!(
        said.iter().any(|said| output.stderr.contains(said)),
        "{}",
        output.stderr.chars().take(500).collect::<String>()
    );
    assert!(output.stderr.len() < 2_000, "{} bytes", output.stderr.len());
}

#[test]
fn a_megabyte_of_parentheses_has_too_many_words() {
    let half = (1 << 19) - 8;
    refused(
        &format!("VALUES {}{}", "(".repeat(half), ")".repeat(half)),
        &["more than 50000 words"],
    );
    refused(&"(".repeat(1 << 20), &["more than 50000 words"]);
    refused(&"(".repeat((1 << 20) + 1), &["longer than 1 MiB"]);
}

#[test]
fn parentheses_as_deep_as_the_words_allow_are_beyond_the_engine() {
    let deep = 24_000;
    refused(
        &format!("VALUES {}1{}", "(".repeat(deep), ")".repeat(deep)),
        &["limit of the engine", "memory"],
    );
    refused(
        &format!("VALUES {}1", "- ".repeat(40_000)),
        &["limit of the engine", "memory"],
    );
    let nested = format!(
        "SELECT * FROM {}ISCSI_INFO{}",
        "(SELECT * FROM ".repeat(5_000),
        ")".repeat(5_000)
    );
    refused(&nested, &["limit of the engine", "memory", "not available"]);
    let cases = format!(
        "VALUES {}1{}",
        "CASE WHEN 1 = 1 THEN ".repeat(5_000),
        " END".repeat(5_000)
    );
    refused(&cases, &["limit of the engine", "memory"]);
}

#[test]
fn a_recursion_without_an_end_is_stopped() {
    let endless = "WITH R(N) AS (SELECT 1 FROM ISCSI_INFO UNION ALL SELECT N + 1 FROM R) ";
    refused(
        &format!("{endless} SELECT MAX(N) FROM R"),
        &["more than 20000000 steps"],
    );
    refused(
        &format!("{endless} SELECT N FROM R"),
        &["longer than 16 MiB", "more than 20000000 steps"],
    );
    refused(
        &format!("{endless} SELECT N FROM R ORDER BY N DESC"),
        &["more than 32 MiB", "more than 20000000 steps"],
    );
    refused(
        &format!("{endless} SELECT A.N FROM R A, R B, R C"),
        &["more than 32 MiB", "more than 20000000 steps"],
    );
}

#[test]
fn a_text_that_doubles_is_stopped() {
    let doubling =
        "WITH R(S) AS (SELECT 'xxxxxxxxxxxxxxxx' FROM ISCSI_INFO UNION ALL SELECT S || S FROM R) ";
    refused(
        &format!("{doubling} SELECT MAX(LENGTH(S)) FROM R"),
        &[
            "too long for the engine",
            "more than 32 MiB",
            "limit of the engine",
        ],
    );
    refused(
        &format!("{doubling} SELECT S FROM R"),
        &[
            "too long for the engine",
            "longer than 16 MiB",
            "limit of the engine",
        ],
    );
}

#[test]
fn one_long_value_does_not_fill_the_other_rows_with_blanks() {
    let environment = TestEnvironment::new();
    let script = format!(
        "WITH R(N) AS (SELECT 1 FROM ISCSI_INFO UNION ALL SELECT N + 1 FROM R WHERE N < 50000) SELECT N, CASE N WHEN 1 THEN '{}' \
         ELSE 'x' END, N FROM R",
        "x".repeat(200_000)
    );
    // Side by side they were 10 GB.
    let output = piped(&environment, &script).assert_status(0);
    assert!(output.stdout.starts_with("Row 1 of 50000\n"));
    assert!(output.stdout.ends_with("\n50000 rows.\n"));
}

#[test]
fn ten_thousand_columns_are_too_many() {
    let columns = vec!["TARGET_NAME"; 10_000].join(", ");
    refused(
        &format!("SELECT {columns} FROM ISCSI_INFO"),
        &["too many columns"],
    );
    let values = vec!["1"; 10_000].join(", ");
    refused(&format!("VALUES ({values})"), &["too many columns"]);
    let terms = vec!["SELECT 1 FROM ISCSI_INFO"; 5_000].join(" UNION ALL ");
    refused(&terms, &["too many terms"]);
    let sum = vec!["1"; 20_000].join(" + ");
    refused(&format!("VALUES {sum}"), &["limit of the engine", "memory"]);
    let tables = vec!["ISCSI_INFO"; 5_000].join(", ");
    refused(
        &format!("SELECT 1 FROM {tables}"),
        &["at most", "limit of the engine"],
    );
}

#[test]
fn expressions_that_name_each_other_twice_do_not_double_for_ever() {
    let mut bomb = "WITH T0 AS (SELECT 1 AS A FROM ISCSI_INFO)".to_owned();
    for level in 1..60 {
        let below = level - 1;
        bomb.push_str(&format!(
            ", T{level} AS (SELECT X.A FROM T{below} X, T{below} Y)"
        ));
    }
    refused(
        &format!("{bomb} SELECT COUNT(*) FROM T59"),
        &["memory", "steps", "limit of the engine", "--timeout"],
    );
}
