//! A plain page: one file that opens from disk, without a script.

use std::fmt::Write;

/// The looks of every sheet, in both themes.
const STYLE: &str = include_str!("sheet/sheet.css");

/// A page being written. Text is escaped; pictures come as markup.
#[derive(Debug)]
pub(crate) struct Sheet {
    body: String,
    title: String,
}

impl Sheet {
    /// An empty page.
    pub(crate) fn new(title: &str) -> Self {
        Self { body: String::new(), title: title.to_owned() }
    }

    pub(crate) fn title(&mut self, text: &str) {
        let _ = writeln!(self.body, "<h1>{}</h1>", escaped(text));
    }

    pub(crate) fn heading(&mut self, text: &str) {
        let _ = writeln!(self.body, "<h2>{}</h2>", escaped(text));
    }

    pub(crate) fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.body, "<p>{}</p>", escaped(text));
    }

    pub(crate) fn aside(&mut self, text: &str) {
        let _ = writeln!(self.body, "<p class=\"aside\">{}</p>", escaped(text));
    }

    pub(crate) fn line_to_paste(&mut self, text: &str) {
        let _ = writeln!(self.body, "<pre>{}</pre>", escaped(text));
    }

    pub(crate) fn picture(&mut self, markup: &str) {
        self.body.push_str(markup);
    }

    pub(crate) fn table<const N: usize>(&mut self, head: [&str; N], rows: &[[String; N]]) {
        let cells = |tag: &str, cells: &[String]| {
            cells.iter().fold(String::new(), |mut text, cell| {
                let _ = write!(text, "<{tag}>{}</{tag}>", escaped(cell));
                text
            })
        };
        let head = head.map(str::to_owned);
        let _ = writeln!(self.body, "<div class=\"wide\"><table><tr>{}</tr>", cells("th", &head));
        for row in rows {
            let _ = writeln!(self.body, "<tr>{}</tr>", cells("td", row));
        }
        self.body.push_str("</table></div>\n");
    }

    /// The whole page. Its policy forbids it the network and every script.
    pub(crate) fn finish(self) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n\
             <body>\n{}</body>\n</html>\n",
            escaped(&self.title),
            self.body
        )
    }
}

/// Text for a place where markup is read.
pub(crate) fn escaped(plain: &str) -> String {
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let mut sheet = Sheet::new("</title><script>");
        sheet.paragraph("<script>alert(1)</script>");
        sheet.table(["a"], &[["<b>".to_owned()]]);
        let page = sheet.finish();
        assert!(!page.contains("<script>") && !page.contains("<b>"));
        assert!(page.contains("default-src 'none'"));
    }
}
