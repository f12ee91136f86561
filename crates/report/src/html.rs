//! The page: one file that opens from disk, with everything a recording says inside.
//!
//! ```text
//!   facts ────────────────► <script id="facts">      the numbers of `--format json`
//!   Trace ─► device ─► columns ─► <script id="columns-N">   varints, deflated, base64
//!   page.html + page.css + *.js ─► the frame, the looks, and what draws
//! ```
//!
//! The facts are told as they stand. The columns hold every allocation and every piece of memory
//! with its lifetime, so that the page itself can rebuild segments, blocks and gaps at any event.
//! The page asks the network for nothing, and its policy forbids it to.
//!
//! Text of a recording is hostile: it reaches the page only inside of JSON whose `<` are escaped,
//! and the scripts put it on the page as text, never as markup.

#[cfg(test)]
mod sample;

mod columns;
mod numbered;

mod curves;
mod marks;
mod regions;
mod shelves;
mod stack_table;

mod device;

mod assets;

use serde_json::Value;

use crate::examination::Examination;
use crate::facts::Facts;
use device::Packed;

/// The page of an examination and its facts; an error only where the facts are no JSON.
pub fn html(examination: &Examination, facts: &Facts) -> Result<String, serde_json::Error> {
    let devices = examination.devices.iter();
    let packed: Vec<Packed> =
        devices.map(|device| device::pack(&device.trace, &examination.stacks)).collect();
    Ok(page(&serde_json::to_value(facts)?, &packed))
}

/// The page that tells `facts`, a `gapless.explain` document, and draws the devices.
fn page(facts: &Value, packed: &[Packed]) -> String {
    let directories = Value::Array(packed.iter().map(|p| p.directory.clone()).collect());
    let mut columns = String::with_capacity(packed.iter().map(|p| p.base64.len() + 80).sum());
    for (index, device) in packed.iter().enumerate() {
        columns.push_str("<script type=\"application/octet-stream\" id=\"columns-");
        columns.push_str(&index.to_string());
        columns.push_str("\">");
        columns.push_str(&device.base64);
        columns.push_str("</script>\n");
    }
    assets::fill(|place| match place {
        "title" => escaped(&title(facts)),
        "style" => assets::STYLE.to_owned(),
        "facts" => json(facts),
        "directories" => json(&directories),
        "columns" => std::mem::take(&mut columns),
        "script" => assets::script(),
        _ => String::new(),
    })
}

/// The name of the recording, as a browser's tab shows it.
fn title(facts: &Value) -> String {
    match facts["recording"]["path"].as_str() {
        Some(path) => format!("{} · gapless", path.rsplit(['/', '\\']).next().unwrap_or(path)),
        None => "gapless".to_owned(),
    }
}

/// JSON that no text inside of it can end the script element of.
fn json(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

/// Text for a place where markup is read.
fn escaped(plain: &str) -> String {
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_of_a_recording_cannot_leave_its_element() {
        let path = "/tmp/</title><script>alert(1)</script>.pickle";
        let page = page(&json!({"recording": {"path": path}}), &[]);
        assert_eq!(page.matches("alert(1)").count(), 1, "once, inside of the facts");
        assert!(!page.contains("<script>alert"));
        assert!(page.contains(r"\u003cscript>alert(1)\u003c/script>.pickle"));
    }

    #[test]
    fn the_page_names_no_other_place() {
        let page = page(&json!({}), &[]);
        for sign in ["http://", "https://", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(sign), "{sign}");
        }
        assert!(page.contains("default-src 'none'"));
        assert!(!page.contains("{{"), "a place was left unfilled");
    }
}
