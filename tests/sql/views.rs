//! The views: their answers are the engine's own on a copy of the rows.

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::Value;

use super::{rows, sql};
use crate::common::TestEnvironment;

/// Three targets, of which the last re-IPL tried the first two in vain.
fn configured() -> TestEnvironment {
    let environment = TestEnvironment::new();
    let add = |arguments: &str| {
        let statement = format!("CALL QSYS2.ADD_ISCSI_TARGET({arguments})");
        environment.run(&["-q", "sql", &statement]).assert_status(0);
    };
    add("'iqn.2026-01.com.example:b', '127.0.0.1', 1");
    add(
        "'iqn.2026-01.com.example:A', '127.0.0.1', 2, DEFAULT, 'SOMENAME', 'SECRETSECRET', '*NONE'",
    );
    let re_ipl = "CALL QSYS2.CHANGE_IOP('ISCSI', 'IPL')";
    environment
        .run(&["--timeout", "60", "sql", re_ipl])
        .assert_status(4);
    add("'iqn.2026-01.com.example:c_d', 'vtl.example', 860");
    environment
}

/// A table of the engine with the rows of a view.
fn copy(environment: &TestEnvironment, view: &str) -> Connection {
    let document = environment
        .run(&["--json", "sql", &format!("SELECT * FROM QSYS2.{view}")])
        .assert_status(0)
        .json();
    let result = &document["results"][0];
    let names: Vec<&str> = result["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch("PRAGMA case_sensitive_like = ON")
        .unwrap();
    let columns: Vec<String> = names
        .iter()
        .map(|name| match *name {
            "TARGET_PORT" => format!("{name} INTEGER"),
            name => format!("{name} TEXT"),
        })
        .collect();
    connection
        .execute_batch(&format!("CREATE TABLE {view} ({})", columns.join(", ")))
        .unwrap();
    for row in result["rows"].as_array().unwrap() {
        let values: Vec<String> = row
            .as_array()
            .unwrap()
            .iter()
            .map(|value| match value {
                Value::Null => "NULL".to_owned(),
                Value::String(text) => format!("'{}'", text.replace('\'', "''")),
                number => number.to_string(),
            })
            .collect();
        connection
            .execute_batch(&format!(
                "INSERT INTO {view} VALUES ({})",
                values.join(", ")
            ))
            .unwrap();
    }
    connection
}

fn answer(connection: &Connection, query: &str) -> Value {
    let mut statement = connection.prepare(query).unwrap();
    let count = statement.column_count();
    let rows = statement
        .query_map((), |row| {
            (0..count)
                .map(|index| {
                    Ok(match row.get_ref(index)? {
                        ValueRef::Null => Value::Null,
                        ValueRef::Integer(number) => number.into(),
                        ValueRef::Real(number) => number.into(),
                        ValueRef::Text(text) | ValueRef::Blob(text) => {
                            String::from_utf8_lossy(text).into()
                        }
                    })
                })
                .collect::<Result<Vec<Value>, _>>()
        })
        .unwrap();
    Value::Array(rows.map(|row| Value::Array(row.unwrap())).collect())
}

#[test]
fn a_view_answers_as_the_engine_does_on_a_copy_of_its_rows() {
    let environment = configured();
    let engine = copy(&environment, "ISCSI_INFO");
    for (db2, sqlite) in [
        ("SELECT * FROM QSYS2.ISCSI_INFO", "SELECT * FROM ISCSI_INFO"),
        (
            "SELECT TARGET_NAME, TARGET_PORT FROM QSYS2/ISCSI_INFO WHERE TARGET_PORT > 1 ORDER BY TARGET_NAME",
            "SELECT TARGET_NAME, TARGET_PORT FROM ISCSI_INFO WHERE TARGET_PORT > 1 ORDER BY TARGET_NAME",
        ),
        (
            "select target_status, count(*) from iscsi_info group by target_status order by 2 desc",
            "select target_status, count(*) from iscsi_info group by target_status order by 2 desc",
        ),
        (
            "SELECT TARGET_NAME FROM ISCSI_INFO WHERE TARGET_NAME LIKE '%:a'",
            "SELECT TARGET_NAME FROM ISCSI_INFO WHERE TARGET_NAME LIKE '%:a'",
        ),
        (
            "SELECT TARGET_NAME FROM ISCSI_INFO WHERE TARGET_NAME LIKE '%c!_d' ESCAPE '!'",
            "SELECT TARGET_NAME FROM ISCSI_INFO WHERE TARGET_NAME LIKE '%c!_d' ESCAPE '!'",
        ),
        (
            "SELECT TARGET_NAME CONCAT ':' CONCAT TARGET_PORT FROM ISCSI_INFO ORDER BY TARGET_PORT DESC FETCH FIRST 2 ROWS ONLY",
            "SELECT TARGET_NAME || ':' || TARGET_PORT FROM ISCSI_INFO ORDER BY TARGET_PORT DESC LIMIT 2",
        ),
        (
            "SELECT A.TARGET_NAME, B.TARGET_NAME FROM ISCSI_INFO A INNER JOIN ISCSI_INFO B ON A.TARGET_PORT < B.TARGET_PORT ORDER \
             BY 1, 2",
            "SELECT A.TARGET_NAME, B.TARGET_NAME FROM ISCSI_INFO A INNER JOIN ISCSI_INFO B ON A.TARGET_PORT < B.TARGET_PORT ORDER \
             BY 1, 2",
        ),
        (
            "SELECT COALESCE(INITIATOR_CHAP_NAME, 'none'), CHAP_KEYSTORE FROM ISCSI_INFO WHERE CONFIGURATION_CHANGED = 'NO'",
            "SELECT COALESCE(INITIATOR_CHAP_NAME, 'none'), CHAP_KEYSTORE FROM ISCSI_INFO WHERE CONFIGURATION_CHANGED = 'NO'",
        ),
        (
            "SELECT SUM(TARGET_PORT), MIN(TARGET_NAME), MAX(TARGET_NAME) FROM ISCSI_INFO",
            "SELECT SUM(TARGET_PORT), MIN(TARGET_NAME), MAX(TARGET_NAME) FROM ISCSI_INFO",
        ),
        (
            "WITH F(N) AS (SELECT TARGET_NAME FROM ISCSI_INFO WHERE TARGET_STATUS = 'FAILED') SELECT COUNT(*) FROM F",
            "WITH F(N) AS (SELECT TARGET_NAME FROM ISCSI_INFO WHERE TARGET_STATUS = 'FAILED') SELECT COUNT(*) FROM F",
        ),
        (
            "SELECT TARGET_NAME FROM ISCSI_INFO ORDER BY TARGET_NAME OFFSET 1 ROWS FETCH NEXT 5 ROWS ONLY",
            "SELECT TARGET_NAME FROM ISCSI_INFO ORDER BY TARGET_NAME LIMIT 5 OFFSET 1",
        ),
        (
            "WITH RECURSIVE T(N) AS (VALUES (1) UNION ALL SELECT N + 1 FROM T WHERE N < 4) SELECT N FROM T",
            "WITH T(N) AS (VALUES (1) UNION ALL SELECT N + 1 FROM T WHERE N < 4) SELECT N FROM T",
        ),
        ("VALUES 1, 2, 3", "VALUES (1), (2), (3)"),
    ] {
        assert_eq!(rows(&environment, db2), answer(&engine, sqlite), "{db2}");
    }
}

#[test]
fn the_rows_are_those_of_the_configuration_and_of_the_last_re_ipl() {
    let environment = configured();
    let initiator = environment.default_initiator();
    assert_eq!(
        rows(&environment, "SELECT * FROM QSYS2.ISCSI_INFO"),
        serde_json::json!([
            [
                "iqn.2026-01.com.example:b",
                "127.0.0.1",
                1,
                initiator,
                null,
                null,
                "FAILED",
                "NO"
            ],
            [
                "iqn.2026-01.com.example:A",
                "127.0.0.1",
                2,
                initiator,
                "SOMENAME",
                "*NONE",
                "FAILED",
                "NO"
            ],
            [
                "iqn.2026-01.com.example:c_d",
                "vtl.example",
                860,
                initiator,
                null,
                null,
                null,
                "YES"
            ],
        ])
    );
    let output = environment.run(&["--json", "sql", "SELECT * FROM ISCSI_INFO"]);
    assert!(!output.stdout.contains("SECRETSECRET"));
    assert_eq!(
        rows(
            &environment,
            "SELECT COUNT(*) FROM QSYS2.MEDIA_LIBRARY_INFO"
        ),
        serde_json::json!([[0]])
    );
}

#[test]
fn a_query_changes_nothing_and_creates_nothing() {
    let environment = configured();
    let before = environment.snapshot();
    sql(&environment, "SELECT * FROM ISCSI_INFO").assert_status(0);
    for statement in [
        "ATTACH 'x' AS Y",
        "ATTACH DATABASE '/etc/passwd' AS P",
        "PRAGMA database_list",
        "INSERT INTO ISCSI_INFO VALUES (1)",
        "DELETE FROM ISCSI_INFO",
        "VACUUM INTO 'x'",
        "CREATE TABLE T (A INT)",
        "SELECT LOAD_EXTENSION('x') FROM ISCSI_INFO",
        "SELECT READFILE('config.json') FROM ISCSI_INFO",
        "SELECT * FROM SQLITE_MASTER",
    ] {
        sql(&environment, statement).assert_status(2);
    }
    assert_eq!(environment.snapshot(), before);
    let fresh = TestEnvironment::new();
    sql(&fresh, "SELECT * FROM ISCSI_INFO").assert_status(0);
    assert!(fresh.configured_targets().is_empty());
}
