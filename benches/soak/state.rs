//! What a writer knows of its targets.

use std::collections::BTreeMap;

use iscsiswiconfig::iop::config::Configuration;

/// The digits of a secret: as many as a VTL takes without a warning.
pub const SECRET_LENGTH: usize = 16;

/// The secret of each target that is configured, by number.
pub type Found = BTreeMap<u64, String>;

/// The targets of one writer.
pub struct Own {
    writer: u64,
    /// What was acknowledged.
    acknowledged: Found,
    /// The call that was killed since, which happened whole or not at all.
    killed: Option<Step>,
}

/// What one call does to a target.
#[derive(Clone)]
pub struct Step {
    number: u64,
    option: &'static str,
    name: String,
    /// The secret behind it; none for a target that is removed.
    secret: Option<String>,
}

impl Own {
    pub fn new(writer: u64) -> Self {
        Self {
            writer,
            acknowledged: Found::new(),
            killed: None,
        }
    }

    /// Returns the next step for a target: it is added, or else removed or given another secret.
    pub fn step(&self, number: u64, secret: &str, remove: bool) -> Step {
        let (option, secret) = match (self.acknowledged.contains_key(&number), remove) {
            (false, _) => ("-addtarget", Some(secret.to_owned())),
            (true, true) => ("-removetarget", None),
            (true, false) => ("-changetarget", Some(secret.to_owned())),
        };
        Step {
            number,
            option,
            name: self.name(number),
            secret,
        }
    }

    fn name(&self, number: u64) -> String {
        format!("iqn.2000-03.com.example:{}-{number}", self.writer)
    }

    /// Notes a step that was acknowledged.
    pub fn done(&mut self, step: &Step) {
        step.take(&mut self.acknowledged);
    }

    /// Notes a step that may have happened.
    pub fn perhaps(&mut self, step: &Step) {
        self.killed = Some(step.clone());
    }

    /// Returns what the configuration must hold if the step that was killed did not happen.
    pub fn expected(&self) -> Found {
        self.acknowledged.clone()
    }

    /// Returns what the configuration holds of these targets.
    pub fn find(&self, configuration: &Configuration) -> Found {
        let numbers: BTreeMap<String, u64> = (0..super::TARGETS)
            .map(|number| (self.name(number), number))
            .collect();
        configuration
            .targets
            .iter()
            .filter_map(|target| {
                let number = numbers.get(target.identity.target_name.as_str())?;
                let secret = target.chap.as_ref().and_then(|chap| chap.secret());
                let secret = secret.map_or("none", |secret| secret.reveal());
                Some((*number, secret.to_owned()))
            })
            .collect()
    }

    /// Returns what is not as it must be.
    pub fn losses(&self, found: &Found) -> Vec<String> {
        let mut other = self.acknowledged.clone();
        if let Some(killed) = &self.killed {
            killed.take(&mut other);
        }
        if *found == self.acknowledged || *found == other {
            return Vec::new();
        }
        (0..super::TARGETS)
            .filter(|number| {
                let is = found.get(number);
                is != self.acknowledged.get(number) && is != other.get(number)
            })
            .map(|number| {
                format!(
                    "{}: {:?} is there, {:?} or {:?} was made",
                    self.name(number),
                    found.get(&number),
                    self.acknowledged.get(&number),
                    other.get(&number)
                )
            })
            .collect()
    }

    /// Goes on from what was found.
    pub fn settle(&mut self, found: Found) {
        self.acknowledged = found;
        self.killed = None;
    }
}

impl Step {
    /// Returns the call's words.
    pub fn words(&self) -> Vec<&str> {
        let mut words = vec![
            self.option,
            "-initiatorname",
            "iqn.2000-03.com.example:soak",
            "-targethostname",
            "192.0.2.1",
            "-targetname",
            &self.name,
        ];
        if let Some(secret) = &self.secret {
            words.extend(["-initiatorchapsecret", secret]);
            words.extend(["-initiatorchapname", "SOAK"]);
        }
        words
    }

    fn take(&self, targets: &mut Found) {
        match &self.secret {
            Some(secret) => targets.insert(self.number, secret.clone()),
            None => targets.remove(&self.number),
        };
    }
}
