//! Headless Chromium, driven over its debugging pipe: a page at a given width, what it logs, and what a script says of it.
//!
//! A message is a JSON text and a NUL byte, commands on descriptor 3 and answers on descriptor 4.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A running browser with one page; dropped, it is killed.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    last_id: u64,
    session: Option<String>,
    /// What the page wrote to the console, threw, or was refused, in order.
    complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts the browser with an empty page.
    #[must_use]
    pub fn start() -> Self {
        let profile = tempfile::tempdir().expect("a directory for the profile");
        // Its sandbox refuses to run as root; the page comes from the test.
        let mut child = Command::new("/bin/sh")
            .args([
                "-c",
                "exec chromium \"$@\" 3<&0 4>&1 >/dev/null 2>&1 </dev/null",
                "sh",
            ])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-pipe",
            ])
            .arg("--disable-dev-shm-usage")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("run chromium (Debian package chromium)");
        let commands = child.stdin.take().expect("its commands");
        let answers = BufReader::new(child.stdout.take().expect("its answers"));
        let mut browser = Self {
            child,
            commands,
            answers,
            last_id: 0,
            session: None,
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.command("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.command("Target.attachToTarget", &attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        assert!(browser.session.is_some(), "no session: {session}");
        for domain in [
            "Page.enable",
            "Runtime.enable",
            "Log.enable",
            "Network.enable",
        ] {
            browser.command(domain, &json!({}));
        }
        browser
    }

    /// Shows a file in a window so many CSS pixels wide, in light or dark, and waits until it is loaded.
    pub fn open(&mut self, file: &Path, width: u32, scheme: &str) {
        let metrics =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        self.command("Emulation.setDeviceMetricsOverride", &metrics);
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.command("Emulation.setEmulatedMedia", &features);
        self.complaints.clear();
        let url = format!("file://{}", file.display());
        let opened = self.command("Page.navigate", &json!({"url": url}));
        assert_eq!(opened["errorText"], Value::Null, "{url}");
        while self.message()["method"] != "Page.loadEventFired" {}
    }

    /// Evaluates a script in the page and returns its value, that of a promise once it is kept.
    pub fn evaluate(&mut self, script: &str) -> Value {
        let parameters = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let answer = self.command("Runtime.evaluate", &parameters);
        assert_eq!(answer["exceptionDetails"], Value::Null, "the script failed");
        answer["result"]["value"].clone()
    }

    /// Returns what the page has complained of since it was opened.
    #[must_use]
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    fn command(&mut self, method: &str, parameters: &Value) -> Value {
        self.last_id += 1;
        let mut command = json!({"id": self.last_id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        write!(self.commands, "{command}\0").expect("send a command");
        self.commands.flush().expect("send a command");
        loop {
            let message = self.message();
            if message["id"] == self.last_id {
                assert_eq!(message["error"], Value::Null, "{method}");
                return message["result"].clone();
            }
        }
    }

    /// Reads one message, and keeps it where it is a complaint.
    fn message(&mut self) -> Value {
        let mut message = Vec::new();
        self.answers
            .read_until(0, &mut message)
            .expect("read an answer");
        assert_eq!(message.pop(), Some(0), "the browser is gone");
        let message: Value = serde_json::from_slice(&message).expect("an answer in JSON");
        let complaint = match message["method"].as_str() {
            Some("Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Log.entryAdded") => true,
            // The page is one request; every other would be something that it fetches.
            Some("Network.requestWillBeSent") => message["params"]["type"] != "Document",
            _ => false,
        };
        if complaint {
            self.complaints.push(message["params"].to_string());
        }
        message
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its processes end with the one that started them.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
