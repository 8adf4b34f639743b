//! A Chromium without a window, told what to do over its DevTools protocol.
//!
//! Commands and answers go through two pipes, each message ended by a zero byte: no port, and no library.
#![allow(clippy::indexing_slicing, reason = "what is not in a JSON value is null, and a test may panic")]

use crate::{environment, unique, wait};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};

/// Messages that wait for the test; the browser waits while there are more.
const MESSAGES_MAX: usize = 4_096;

/// The browser reads from descriptor 3 and writes to descriptor 4.
const WITH_PIPES: &str = "exec \"$@\" 3<&0 4>&1 1>&2 0</dev/null";

/// A running browser with one page. It ends when this is dropped.
pub struct Chromium {
    process: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    commands_sent: u64,
    session: Option<String>,
    complaints: Vec<String>,
    loads: u64,
}

impl Chromium {
    /// Starts one that keeps what it writes in `folder`.
    ///
    /// # Panics
    ///
    /// If there is no Chromium, or it does not do as it is told.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        let program = environment("COUNTERFOIL_TEST_CHROMIUM").expect(
            "COUNTERFOIL_TEST_CHROMIUM is not set; run `cargo xtask test`, which finds or installs one",
        );
        let name = unique("chromium");
        let log = File::create(folder.join(format!("{name}.log"))).expect("a log file");
        let mut process = Command::new("sh")
            .args(["-c", WITH_PIPES, "sh", &program, "--headless", "--no-sandbox", "--disable-gpu"])
            .args([
                "--remote-debugging-pipe",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--hide-scrollbars",
                "--disable-lcd-text",
            ])
            .arg(format!("--user-data-dir={}", folder.join(name).display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("a shell starts the browser");
        let commands = process.stdin.take().expect("a pipe to the browser");
        let answers = process.stdout.take().expect("a pipe from the browser");
        let (heard, messages) = sync_channel(MESSAGES_MAX);
        std::thread::spawn(move || listen(answers, &heard));
        let (complaints, loads) = (Vec::new(), 0);
        let mut browser =
            Self { process, commands, messages, commands_sent: 0, session: None, complaints, loads };
        browser.open_page();
        browser
    }

    fn open_page(&mut self) {
        let target = self.tell("Target.createTarget", &json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.tell("Target.attachToTarget", &target);
        self.session = Some(attached["sessionId"].as_str().expect("a session with the page").to_owned());
        for domain in ["Page", "Runtime", "Log"] {
            self.tell(&format!("{domain}.enable"), &json!({}));
        }
    }

    /// Opens an address and waits until it is loaded.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub fn go(&mut self, url: &str) {
        let loads = self.loads;
        let answer = self.tell("Page.navigate", &json!({ "url": url }));
        assert!(answer.get("errorText").is_none(), "{url}: {answer}");
        while self.loads == loads {
            self.hear();
        }
    }

    /// What an expression gives on the page.
    ///
    /// # Panics
    ///
    /// If it cannot be evaluated.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.tell("Runtime.evaluate", &asked);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true, also across pages.
    ///
    /// # Panics
    ///
    /// If it does not become true.
    pub fn until(&mut self, expression: &str) {
        wait::until(expression, || (self.evaluate(expression) == true).then_some(()));
    }

    /// Makes the page so many pixels wide and high.
    pub fn set_size(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.tell("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Prefers a colour scheme: `light` or `dark`.
    pub fn set_scheme(&mut self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.tell("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Presses a key that writes nothing: `Tab` or `Enter`.
    pub fn press(&mut self, key: &str) {
        let (code, text) = if key == "Enter" { (13, "\r") } else { (9, "") };
        for kind in ["keyDown", "keyUp"] {
            let event =
                json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
            self.tell("Input.dispatchKeyEvent", &event);
        }
    }

    /// Presses Tab until an expression about `document.activeElement`, called `it` there, is true.
    ///
    /// # Panics
    ///
    /// If nothing on the page is so.
    pub fn tab_to(&mut self, expression: &str) {
        let has_it = format!("((it) => {expression})(document.activeElement)");
        let reached = (0..200).any(|_| {
            self.press("Tab");
            self.evaluate(&has_it) == true
        });
        assert!(reached, "the keyboard does not lead to {expression}");
    }

    /// Writes text where the focus is.
    pub fn write(&mut self, text: &str) {
        self.tell("Input.insertText", &json!({ "text": text }));
    }

    /// The page as a PNG in base 64, no higher than so many pixels.
    pub fn screenshot(&mut self, width: u32, height_max: u32) -> String {
        let height = self.evaluate("document.documentElement.scrollHeight");
        let height = height.as_f64().unwrap_or_default().min(f64::from(height_max));
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let asked = json!({ "format": "png", "clip": clip, "captureBeyondViewport": true });
        let answer = self.tell("Page.captureScreenshot", &asked);
        answer["data"].as_str().expect("an image").to_owned()
    }

    /// What the browser complained of so far: errors of scripts, things that a page may not do, things that are not there.
    #[must_use]
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Tells the browser something and gives its answer.
    fn tell(&mut self, method: &str, parameters: &Value) -> Value {
        self.commands_sent += 1;
        let id = self.commands_sent;
        let mut command = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let text = format!("{command}\0");
        self.commands.write_all(text.as_bytes()).expect("the browser listens");
        loop {
            let message = self.hear();
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// The next message; what it says by the way is noted.
    fn hear(&mut self) -> Value {
        let message = match self.messages.recv_timeout(wait::PATIENCE) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => panic!("the browser says nothing"),
            Err(RecvTimeoutError::Disconnected) => panic!("the browser ended"),
        };
        let told = &message["params"];
        let is_complaint = match message["method"].as_str() {
            Some("Page.loadEventFired") => {
                self.loads += 1;
                false
            }
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => told["type"] == "error" || told["type"] == "warning",
            Some("Log.entryAdded") => {
                told["entry"]["level"] == "error" || told["entry"]["level"] == "warning"
            }
            _ => false,
        };
        if is_complaint {
            self.complaints.push(told.to_string());
        }
        message
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn listen(answers: ChildStdout, heard: &SyncSender<Value>) {
    let messages = BufReader::new(answers).split(0).map_while(Result::ok);
    for message in messages {
        let message = serde_json::from_slice(&message).expect("the browser speaks JSON");
        if heard.send(message).is_err() {
            return;
        }
    }
}
