use super::*;

fn generated() -> IscsiName {
    Subject::InitiatorName
        .iscsi_name("iqn.1924-02.com.ibm:ibmi.00-i0")
        .unwrap()
}

fn with<T>(keystore_enabled: bool, act: impl FnOnce(Partition<'_>) -> T) -> T {
    act(Partition {
        generated_name: Some(&generated()),
        keystore: match keystore_enabled {
            true => KeystoreUse::Enabled,
            false => KeystoreUse::NotEnabled,
        },
    })
}

fn identity(initiator: &str, host: &str, name: &str, port: u16) -> TargetIdentity {
    TargetIdentity {
        initiator_name: initiator.parse().unwrap(),
        target_host_name: host.parse().unwrap(),
        target_name: Subject::TargetName.iscsi_name(name).unwrap(),
        target_port: Port::try_from(port).unwrap(),
    }
}

fn target() -> TargetIdentity {
    identity("*GENERATE", "10.1.1.5", "iqn.2000-03.com.xyz:vtl", 3260)
}

fn chap(name: Option<&str>, secret: Option<&str>) -> ChapParameters {
    ChapParameters {
        name: name.map(|name| ChapName::parse(name).unwrap()),
        secret: secret.map(|secret| ChapSecret::parse(secret).unwrap()),
        keystore: None,
    }
}

fn add(
    configuration: &mut Configuration,
    identity: TargetIdentity,
) -> Result<(Target, Vec<EditWarning>), ConfigurationError> {
    with(false, |partition| {
        configuration.add(identity, ChapParameters::default(), partition)
    })
}

#[test]
fn every_spelling_of_an_identity_that_exists_is_refused() {
    let mut configuration = Configuration::default();
    add(&mut configuration, target()).unwrap();
    for spelling in [
        target(),
        identity(
            "iqn.1924-02.com.IBM:ibmi.00-i0",
            "10.1.1.5",
            "IQN.2000-03.com.XYZ:vtl",
            3260,
        ),
        identity(
            "*GENERATE",
            "::ffff:10.1.1.5",
            "iqn.2000-03.com.xyz:vtl",
            3260,
        ),
    ] {
        let error = add(&mut configuration, spelling).unwrap_err();
        assert!(matches!(error, ConfigurationError::Exists(_)), "{error:?}");
    }
    assert_eq!(configuration.targets.len(), 1);
}

#[test]
fn a_second_portal_for_the_same_initiator_and_target_is_refused() {
    let mut configuration = Configuration::default();
    add(&mut configuration, target()).unwrap();
    for portal in [
        identity("*GENERATE", "10.1.1.6", "iqn.2000-03.com.xyz:vtl", 3260),
        identity("*GENERATE", "10.1.1.5", "iqn.2000-03.com.xyz:vtl", 860),
    ] {
        let error = add(&mut configuration, portal).unwrap_err();
        assert!(
            matches!(error, ConfigurationError::SecondPortal(_)),
            "{error:?}"
        );
    }
    let (_, warnings) = add(
        &mut configuration,
        identity("*GENERATE", "10.1.1.5", "other", 3260),
    )
    .unwrap();
    assert!(warnings.is_empty());
}

#[test]
fn a_second_initiator_name_is_accepted_with_a_warning() {
    let mut configuration = Configuration::default();
    add(&mut configuration, target()).unwrap();
    let (_, warnings) = add(
        &mut configuration,
        identity("iqn.x", "10.1.1.5", "iqn.2000-03.com.xyz:vtl", 3260),
    )
    .unwrap();
    assert_eq!(
        warnings,
        [EditWarning::SecondInitiator { other: generated() }]
    );
}

#[test]
fn platform_is_refused_until_there_is_a_keystore() {
    let platform = ChapParameters {
        keystore: Some(KeystoreChoice::Platform),
        ..chap(Some("N"), Some("SECRETSECRET"))
    };
    let mut configuration = Configuration::default();
    let error = with(false, |partition| {
        configuration.add(target(), platform.clone(), partition)
    })
    .unwrap_err();
    assert!(matches!(
        error,
        ConfigurationError::KeystoreNotEnabled { staged: false }
    ));
    assert!(configuration.targets.is_empty());
    with(true, |partition| {
        configuration.add(target(), platform, partition)
    })
    .unwrap();
}

#[test]
fn a_change_replaces_what_is_given_and_keeps_the_rest() {
    let mut configuration = Configuration::default();
    with(false, |partition| {
        configuration
            .add(target(), chap(Some("OLD"), Some("OLDSECRETOLD")), partition)
            .unwrap();
        let (target, changed) = configuration
            .change(&target(), chap(None, Some("newsecretnew")), partition)
            .unwrap();
        let credentials = target.chap.unwrap();
        assert_eq!(credentials.name.as_str(), "OLD");
        assert_eq!(credentials.secret().unwrap().reveal(), "NEWSECRETNEW");
        assert_eq!((target.revision, changed), (2, true));
    });
}

#[test]
fn a_change_to_equal_values_keeps_the_revision() {
    let mut configuration = Configuration::default();
    with(true, |partition| {
        configuration
            .add(
                target(),
                chap(Some("NAME"), Some("SECRETSECRET")),
                partition,
            )
            .unwrap();
        let avail = ChapParameters {
            keystore: Some(KeystoreChoice::Avail),
            ..ChapParameters::default()
        };
        for equal in [
            chap(Some("name"), Some("secretsecret")),
            chap(Some("NAME"), None),
            chap(None, Some("SECRETSECRET")),
            avail,
        ] {
            let (target, changed) = configuration.change(&target(), equal, partition).unwrap();
            assert_eq!((target.revision, changed), (1, false));
        }
        assert_eq!(configuration.last_revision, 1);
        let none = ChapParameters {
            keystore: Some(KeystoreChoice::None),
            ..ChapParameters::default()
        };
        for other in [
            chap(Some("OTHER"), None),
            chap(None, Some("OTHERSECRETS")),
            none,
        ] {
            let (_, changed) = configuration.change(&target(), other, partition).unwrap();
            assert!(changed);
        }
        assert_eq!(configuration.last_revision, 4);
    });
}

#[test]
fn a_change_that_leaves_half_of_chap_is_refused_and_changes_nothing() {
    let mut configuration = Configuration::default();
    add(&mut configuration, target()).unwrap();
    let error = with(false, |partition| {
        configuration.change(&target(), chap(Some("NAME"), None), partition)
    })
    .unwrap_err();
    assert!(matches!(
        error,
        ConfigurationError::HalfChap(Subject::ChapSecret)
    ));
    let target = configuration.targets.first().unwrap();
    assert!(target.chap.is_none());
    assert_eq!(target.revision, 1);
}

#[test]
fn a_keystore_given_without_chap_is_kept_for_later() {
    let mut configuration = Configuration::default();
    add(&mut configuration, target()).unwrap();
    with(false, |partition| {
        let none = ChapParameters {
            keystore: Some(KeystoreChoice::None),
            ..ChapParameters::default()
        };
        configuration.change(&target(), none, partition).unwrap();
        let (target, _) = configuration
            .change(&target(), chap(Some("N"), Some("SECRETSECRET")), partition)
            .unwrap();
        assert_eq!(target.keystore, KeystoreChoice::None);
    });
}

#[test]
fn a_target_that_is_not_there_is_told_with_its_namesakes() {
    let mut configuration = Configuration::default();
    add(&mut configuration, target()).unwrap();
    let elsewhere = identity("*GENERATE", "10.9.9.9", "IQN.2000-03.com.xyz:vtl", 3260);
    let error = with(false, |partition| {
        configuration.remove(&elsewhere, partition)
    })
    .unwrap_err();
    match error {
        ConfigurationError::NoSuchTarget { namesakes, .. } => assert_eq!(namesakes.len(), 1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_revision_is_never_given_twice() {
    let mut configuration = Configuration::default();
    add(&mut configuration, target()).unwrap();
    configuration.clear();
    let (again, _) = add(&mut configuration, target()).unwrap();
    assert_eq!(again.revision, 2);
}

#[test]
fn a_staged_target_is_configured_with_the_documented_defaults() {
    let mut configuration = Configuration::default();
    let staged = &mut configuration.staged;
    staged
        .replace(StagedParameter::TargetName, "iqn.2000-03.com.xyz:")
        .unwrap();
    assert!(staged.append(StagedParameter::TargetName, "vtl").unwrap());
    assert!(
        !staged
            .append(StagedParameter::TargetHostName, "10.1.")
            .unwrap()
    );
    assert!(
        staged
            .append(StagedParameter::TargetHostName, "1.5")
            .unwrap()
    );
    let (added, _) = with(false, |partition| configuration.commit(partition)).unwrap();
    assert!(added.identity.same(&target(), Some(&generated())));
    assert!(added.chap.is_none());
    assert_eq!(added.keystore, KeystoreChoice::Avail);
    assert!(configuration.staged.is_empty());
}

#[test]
fn a_refused_commit_says_what_is_missing_and_keeps_the_staged_set() {
    let mut configuration = Configuration::default();
    let error = with(false, |partition| configuration.commit(partition)).unwrap_err();
    assert!(matches!(error, ConfigurationError::NothingStaged));

    configuration.staged.set_port(Port::DEFAULT);
    let error = with(false, |partition| configuration.commit(partition)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the staged target is not complete: the target name and the target host name are missing"
    );

    for (parameter, piece) in [
        (StagedParameter::TargetName, "vtl"),
        (StagedParameter::TargetHostName, "10.1."),
        (StagedParameter::ChapName, "name"),
    ] {
        configuration.staged.replace(parameter, piece).unwrap();
    }
    let error = with(false, |partition| configuration.commit(partition)).unwrap_err();
    assert!(
        matches!(error, ConfigurationError::StagedForm(_)),
        "{error:?}"
    );

    configuration
        .staged
        .append(StagedParameter::TargetHostName, "1.5")
        .unwrap();
    let error = with(false, |partition| configuration.commit(partition)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the staged target is not complete: the CHAP secret is missing"
    );
    assert!(!configuration.staged.is_empty());
    assert!(configuration.targets.is_empty());
}

#[test]
fn pieces_are_checked_as_joined_and_a_bad_one_changes_nothing() {
    let mut staged = StagedTarget::default();
    staged
        .replace(StagedParameter::TargetName, &"a".repeat(220))
        .unwrap();
    assert!(staged.append(StagedParameter::TargetName, "aaaa").is_err());
    assert!(staged.append(StagedParameter::TargetName, "aaa").unwrap());
    assert!(staged.append(StagedParameter::TargetHostName, "").is_err());
    assert!(
        staged
            .replace(StagedParameter::ChapName, "n\u{e9}")
            .is_err()
    );
}

#[test]
fn nothing_is_appended_to_the_generated_name() {
    let mut staged = StagedTarget::default();
    staged
        .replace(StagedParameter::InitiatorName, GENERATE)
        .unwrap();
    let error = staged
        .append(StagedParameter::InitiatorName, "-x")
        .unwrap_err();
    assert!(matches!(error, ConfigurationError::AppendToGenerate));
    for piece in [GENERATE, "*generate"] {
        let error = staged
            .append(StagedParameter::InitiatorName, piece)
            .unwrap_err();
        assert!(matches!(error, ConfigurationError::Value(_)), "{piece}");
    }
    assert!(
        staged
            .replace(StagedParameter::InitiatorName, "*Generate")
            .is_err()
    );
}

#[test]
fn staged_chap_pieces_are_folded_and_not_shown() {
    let mut staged = StagedTarget::default();
    staged
        .replace(StagedParameter::ChapSecret, "geheim")
        .unwrap();
    staged
        .append(StagedParameter::ChapSecret, "geheim")
        .unwrap();
    assert_eq!(
        serde_json::to_value(&staged).unwrap()["chap_secret"],
        "GEHEIMGEHEIM"
    );
    assert!(!format!("{staged:?}").contains("GEHEIM"));
}

#[test]
fn a_last_revision_that_an_editor_set_back_gives_no_revision_twice() {
    let mut configuration = Configuration::default();
    add(&mut configuration, target()).unwrap();
    configuration.last_revision = 0;
    assert_eq!(configuration.clone().with_last_revision().last_revision, 1);
    configuration.last_revision = 7;
    assert_eq!(configuration.with_last_revision().last_revision, 7);
}

#[test]
fn another_generated_name_can_join_two_targets_to_one_initiator() {
    let mut configuration = Configuration::default();
    add(&mut configuration, target()).unwrap();
    let spelled_out = Subject::InitiatorName
        .iscsi_name("iqn.spelled:OUT")
        .unwrap();
    let other = TargetIdentity {
        initiator_name: InitiatorName::Named(spelled_out),
        target_port: "860".parse().unwrap(),
        ..target()
    };
    add(&mut configuration, other.clone()).unwrap();
    let joined = |generated: Option<&str>| {
        let generated = generated.map(|name| Subject::InitiatorName.iscsi_name(name).unwrap());
        let joined = configuration.joined_twice(generated.as_ref());
        joined.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(joined(None).is_empty());
    assert!(joined(Some("iqn.generated")).is_empty());
    assert_eq!(joined(Some("iqn.spelled:out")), [other.to_string()]);
}
