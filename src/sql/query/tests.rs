//! Queries in the engine's words.

use super::super::token::Script;
use super::*;

fn translated(text: &str) -> Result<Query, SqlError> {
    let tokens = Script::new(text).next_statement()?.unwrap();
    translate(&tokens)
}

/// The statement with single blanks.
fn sql(text: &str) -> String {
    let query = translated(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    query.sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn refused(text: &str) -> String {
    translated(text).map_or_else(|error| error.to_string(), |query| panic!("{}", query.sql))
}

#[test]
fn names_are_folded_and_delimited_ones_keep_their_letters() {
    assert_eq!(
        sql("select t.Target_Name as \"Name\" from qsys2.iscsi_info t"),
        "SELECT \"T\" . \"TARGET_NAME\" AS \"N\u{1}A\u{1}M\u{1}E\" FROM \"ISCSI_INFO\" \"T\""
    );
    assert_eq!(
        sql("SELECT * FROM QSYS2/ISCSI_INFO"),
        "SELECT * FROM \"ISCSI_INFO\""
    );
    assert_eq!(
        sql("SELECT QSYS2.ISCSI_INFO.TARGET_PORT / 2 FROM \"QSYS2\".\"ISCSI_INFO\""),
        "SELECT \"ISCSI_INFO\" . \"TARGET_PORT\" / 2 FROM \"ISCSI_INFO\""
    );
    for name in ["Name", "nAME", "a\"b", "\u{1}x", "NAME", "\u{e9}"] {
        assert_eq!(decoded(&encoded(name)), name, "{name:?}");
    }
}

#[test]
fn literals_are_never_translated() {
    assert_eq!(
        sql("SELECT 'FETCH FIRST 1 ROW ONLY QSYS2.X CONCAT ''' FROM T"),
        "SELECT 'FETCH FIRST 1 ROW ONLY QSYS2.X CONCAT ''' FROM \"T\""
    );
}

#[test]
fn db2s_words_become_the_engines() {
    for (db2, engine) in [
        (
            "SELECT A FROM T FETCH FIRST 5 ROWS ONLY",
            "SELECT \"A\" FROM \"T\" LIMIT 5",
        ),
        (
            "SELECT A FROM T FETCH FIRST ROW ONLY",
            "SELECT \"A\" FROM \"T\" LIMIT 1",
        ),
        (
            "SELECT A FROM T FETCH NEXT 2 ROW ONLY",
            "SELECT \"A\" FROM \"T\" LIMIT 2",
        ),
        (
            "SELECT A FROM T OFFSET 3 ROWS",
            "SELECT \"A\" FROM \"T\" LIMIT -1 OFFSET 3",
        ),
        (
            "SELECT A FROM T OFFSET 3 ROWS FETCH NEXT 2 ROWS ONLY",
            "SELECT \"A\" FROM \"T\" LIMIT 2 OFFSET 3",
        ),
        (
            "SELECT A FROM T LIMIT 2 OFFSET 3",
            "SELECT \"A\" FROM \"T\" LIMIT 2 OFFSET 3",
        ),
        (
            "SELECT A CONCAT 'x' FROM T",
            "SELECT \"A\" || 'x' FROM \"T\"",
        ),
        (
            "SELECT CONCAT(A, 'x') FROM T",
            "SELECT DB2_CONCAT ( \"A\" , 'x' ) FROM \"T\"",
        ),
        (
            "SELECT A CONCAT (B) FROM T",
            "SELECT \"A\" || ( \"B\" ) FROM \"T\"",
        ),
        (
            "SELECT A FROM T WHERE A != B",
            "SELECT \"A\" FROM \"T\" WHERE \"A\" <> \"B\"",
        ),
        ("VALUES 1", "VALUES (1)"),
        ("VALUES 1, 'a'", "VALUES (1) , ('a')"),
        ("VALUES (1, 2), (3, 4)", "VALUES ( 1 , 2 ) , ( 3 , 4 )"),
        ("VALUES (1) + 2, (3)", "VALUES (( 1 ) + 2) , ( 3 )"),
        (
            "SELECT A FROM T WHERE A IN (VALUES 1, 2) ORDER BY A",
            "SELECT \"A\" FROM \"T\" WHERE \"A\" IN ( VALUES (1) , (2) ) ORDER BY \"A\"",
        ),
        (
            "VALUES 2 UNION VALUES 1 FETCH FIRST 1 ROW ONLY",
            "VALUES (2) UNION SELECT * FROM (VALUES (1)) LIMIT 1",
        ),
        (
            "VALUES (2), (1) ORDER BY 1",
            "SELECT * FROM (VALUES ( 2 ) , ( 1 )) ORDER BY 1",
        ),
        (
            "VALUES 2, 1 ORDER BY 1",
            "SELECT * FROM (VALUES (2) , (1)) ORDER BY 1",
        ),
        (
            "SELECT A || (B + 1), -A || B, C * 2, A || 'x' FROM QSYS2/ISCSI_INFO",
            "SELECT \"A\" || ( \"B\" + 1 ) , - \"A\" || \"B\" , \"C\" * 2 , \"A\" || 'x' FROM \"ISCSI_INFO\"",
        ),
        (
            "VALUES (SELECT 1 FROM T)",
            "VALUES (( SELECT 1 FROM \"T\" ))",
        ),
        (
            "SELECT CAST(A AS VARCHAR(9)) FROM T",
            "SELECT DB2_VARCHAR ( \"A\" , 9 ) FROM \"T\"",
        ),
        (
            "SELECT CAST(CAST(A AS INT) AS CHAR) FROM T",
            "SELECT DB2_CHAR ( DB2_INTEGER ( \"A\" ) , 1 ) FROM \"T\"",
        ),
        (
            "SELECT LEFT(A, 2) FROM T",
            "SELECT DB2_LEFT ( \"A\" , 2 ) FROM \"T\"",
        ),
        (
            "SELECT A FROM T LEFT JOIN (SELECT 1 AS B FROM T) ON A = B",
            "SELECT \"A\" FROM \"T\" LEFT JOIN ( SELECT 1 AS \"B\" FROM \"T\" ) ON \"A\" = \"B\"",
        ),
        (
            "WITH C(N) AS (SELECT 1 FROM T) SELECT COUNT(*) FROM C",
            "WITH \"C\" ( \"N\" ) AS ( SELECT 1 FROM \"T\" ) SELECT COUNT ( * ) FROM \"C\"",
        ),
        (
            "SELECT A FROM T ORDER BY A NULLS LAST FOR READ ONLY WITH NC",
            "SELECT \"A\" FROM \"T\" ORDER BY \"A\" NULLS LAST",
        ),
        (
            "SELECT A AS COUNT FROM T WITH UR",
            "SELECT \"A\" AS \"COUNT\" FROM \"T\"",
        ),
        (
            "SELECT ROW_NUMBER() OVER(PARTITION BY A ORDER BY B) FROM T",
            "SELECT ROW_NUMBER ( ) OVER ( PARTITION BY \"A\" ORDER BY \"B\" ) FROM \"T\"",
        ),
    ] {
        assert_eq!(sql(db2), engine, "{db2}");
    }
}

#[test]
fn what_is_not_known_to_mean_the_same_is_refused_by_name() {
    for (text, said) in [
        (
            "SELECT LOAD_EXTENSION('x') FROM T",
            "the function LOAD_EXTENSION is not available",
        ),
        (
            "SELECT READFILE('/etc/passwd') FROM T",
            "the function READFILE",
        ),
        ("SELECT RANDOMBLOB(9) FROM T", "the function RANDOMBLOB"),
        (
            "SELECT * FROM PRAGMA_TABLE_INFO('T')",
            "the function PRAGMA_TABLE_INFO",
        ),
        ("SELECT * FROM JSON_EACH('[]')", "the function JSON_EACH"),
        (
            "SELECT * FROM TABLE(QSYS2.ACTIVE_JOB_INFO())",
            "TABLE is not available",
        ),
        (
            "SELECT CURRENT_TIMESTAMP FROM T",
            "CURRENT_TIMESTAMP is not available",
        ),
        ("SELECT CURRENT DATE FROM T", "CURRENT is not available"),
        (
            "SELECT A FROM T WHERE A = ANY (SELECT 1 FROM T)",
            "ANY is not available",
        ),
        ("SELECT A INTO B FROM T", "INTO is not available"),
        (
            "SELECT A FROM T LEFT EXCEPTION JOIN T ON A = B",
            "EXCEPTION is not available",
        ),
        ("SELECT A FROM T FOR UPDATE", "FOR is not available"),
        ("SELECT CAST(A AS DATE) FROM T", "this type of a CAST"),
        ("SELECT CAST(A AS VARCHAR) FROM T", "this type of a CAST"),
        ("SELECT CAST(A) FROM T", "AS is expected, and ) is there"),
        (
            "SELECT A FROM T FETCH FIRST ? ROWS ONLY",
            "not up to 18 digits",
        ),
        (
            "SELECT A FROM T FETCH FIRST -1 ROWS ONLY",
            "not up to 18 digits",
        ),
        (
            "SELECT A FROM T FETCH 1 ROWS ONLY",
            "FIRST or NEXT is expected, and 1 is there",
        ),
        (
            "SELECT A FROM T FETCH FIRST 1 ROWS",
            "ONLY is expected, and the end is there",
        ),
        (
            "SELECT 'a' 'b' FROM T",
            "an operator or a name is expected, and a character literal is there",
        ),
        (
            "SELECT A AS 'b' FROM T",
            "an operator or a name is expected",
        ),
        ("SELECT A FROM 'T'", "an operator or a name is expected"),
        (
            "SELECT A FROM T FETCH FIRST 9999999999999999999 ROWS ONLY",
            "not up to 18 digits",
        ),
        (
            "SELECT 1 + A || B FROM T",
            "|| beside + - * / without parentheses",
        ),
        ("SELECT A CONCAT B * 2 FROM T", "|| beside + - * /"),
        ("SELECT ? FROM T", "a parameter marker in a query"),
        ("SELECT A => 1 FROM T", "a named argument in a query"),
        (
            "SELECT A FROM T UNION SELECT B FROM T INTERSECT SELECT C FROM T",
            "INTERSECT in a statement with UNION",
        ),
        ("SELECT * FROM QSYS2.SYSTABLES", "no view QSYS2.SYSTABLES"),
        (
            "SELECT * FROM QSYS2.\"iscsi_info\"",
            "no view QSYS2.iscsi_info",
        ),
        ("SELECT * FROM QSYS2.", "a view behind QSYS2 is expected"),
        (
            "SELECT (A FROM T",
            "the parenthesis that begins here has no end",
        ),
        (
            "SELECT A) FROM T",
            "an opening parenthesis before it is expected",
        ),
    ] {
        let told = refused(text);
        assert!(told.contains(said), "{text}: {told}");
    }
}

#[test]
fn an_offset_of_the_statement_leads_back_to_the_place_of_its_word() {
    let query = translated("SELECT A,\n  B FROM T").unwrap();
    let offset = query.sql.find("\"B\"").unwrap();
    assert_eq!(query.place(offset).to_string(), "line 2, column 3");
    assert_eq!(query.place(offset + 2).to_string(), "line 2, column 3");
    assert_eq!(query.begin().to_string(), "line 1, column 1");
    assert_eq!(query.last().to_string(), "line 2, column 10");
}

#[test]
fn a_report_shows_no_literal() {
    let query = translated("SELECT 'geheim''x', 'geheim' FROM T").unwrap();
    let told = query.told("near \"'geheim'\": syntax error, 'geheim''x'");
    assert!(!told.contains("geheim"), "{told}");
}
