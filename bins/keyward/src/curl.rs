//! A curl line as somebody pastes it → the request that curl would send. Nothing is run and nothing is read from files.
//!
//! The line holds a token or a key more often than not: no message repeats a part of it but names of options and of
//! variables. What is read of it is erased, but for what `shell-words` leaves behind where its words grow.

mod options;
mod words;

use zeroize::Zeroizing;

use self::options::Use;
use crate::failure::Failure;

/// A part of the line.
pub(crate) type Text = Zeroizing<String>;

/// The request that curl would send, without its body.
pub(crate) struct Request {
    pub(crate) method: String,
    /// Host and port of the URL.
    pub(crate) authority: String,
    /// Path and query of the URL.
    pub(crate) target: Text,
    pub(crate) headers: Vec<(Text, Text)>,
}

/// Reads the line. `variable` is asked for what stands in it as `$NAME`.
pub(crate) fn parse(
    line: &str,
    variable: impl Fn(&str) -> Result<Option<Text>, Failure>,
) -> Result<Request, Failure> {
    let words = words::split(line, variable)?;
    let mut words = words.into_iter().peekable();
    // The prompt that was copied along.
    if words
        .peek()
        .is_some_and(|word| matches!(word.as_str(), "$" | "%"))
    {
        words.next();
    }
    match words.next() {
        Some(program) if matches!(program.rsplit('/').next(), Some("curl" | "curl.exe")) => {}
        Some(_other) => {
            return Err(Failure::usage("what was read is no curl line")
                .because("it does not begin with `curl`")
                .help("paste the line from `curl` on; `keyward snippet openai` prints one"));
        }
        None => {
            return Err(Failure::usage("nothing was read")
                .help("pipe a curl line in, or build the request with --provider and --path"));
        }
    }
    let mut given = Given::default();
    while let Some(word) = words.next() {
        let Some(options) = options::read(&word)? else {
            given.url(word)?;
            continue;
        };
        for (used, attached) in options {
            if !used.takes_value() {
                given.switch(used);
                continue;
            }
            let value = attached.or_else(|| words.next());
            let value = value.ok_or_else(|| Failure::usage("the line ends behind an option"))?;
            given.value(used, value)?;
        }
    }
    given.into_request()
}

/// What a line gives.
#[derive(Default)]
struct Given {
    url: Option<Text>,
    method: Option<Text>,
    headers: Vec<(Text, Text)>,
    /// Names that curl would set, and is told not to.
    without: Vec<String>,
    data: Vec<Data>,
    content_type: Option<&'static str>,
    accept: Option<&'static str>,
    is_compressed: bool,
    is_head: bool,
    is_get: bool,
    is_upload: bool,
}

/// A part of the body.
enum Data {
    Inline(Text),
    /// In a file, or encoded by curl: of unknown length.
    Elsewhere,
}

impl Given {
    fn url(&mut self, url: Text) -> Result<(), Failure> {
        match self.url.replace(url) {
            None => Ok(()),
            Some(_other) => Err(Failure::usage("the line has more than one URL")
                .help("put what belongs to one argument in quotes, and leave one URL")),
        }
    }

    fn switch(&mut self, used: Use) {
        match used {
            Use::Compressed => self.is_compressed = true,
            Use::Head => self.is_head = true,
            Use::Get => self.is_get = true,
            _ => {}
        }
    }

    fn value(&mut self, used: Use, value: Text) -> Result<(), Failure> {
        match used {
            Use::Url => return self.url(value),
            Use::Method => self.method = Some(value),
            Use::Header => return self.header(&value),
            Use::UserAgent => self.put("User-Agent", value),
            Use::Referer => self.put("Referer", value),
            // Else it is the name of a file.
            Use::Cookie if value.contains('=') => self.put("Cookie", value),
            Use::Bearer => self.put("Authorization", bearer(&value)),
            Use::Data | Use::RawData | Use::EncodedData => {
                self.content_type = self
                    .content_type
                    .or(Some("application/x-www-form-urlencoded"));
                self.data(used, value);
            }
            Use::Json => {
                self.content_type = Some("application/json");
                self.accept = Some("application/json");
                self.data(used, value);
            }
            Use::Form => {
                self.content_type = Some("multipart/form-data");
                self.data.push(Data::Elsewhere);
            }
            Use::Upload => self.is_upload = true,
            _ => {}
        }
        Ok(())
    }

    fn put(&mut self, name: &str, value: Text) {
        self.headers.push((Text::new(name.to_owned()), value));
    }

    /// `Name: value`; `Name:` takes away what curl would set, `Name;` sends it empty.
    fn header(&mut self, line: &str) -> Result<(), Failure> {
        if line.starts_with('@') {
            return Err(Failure::usage("the line takes headers from a file")
                .help("write them as `-H 'Name: value'`"));
        }
        let own = |text: &str| Text::new(text.to_owned());
        match line.split_once(':') {
            Some((name, value)) if value.trim().is_empty() => {
                self.without.push(name.trim().to_ascii_lowercase());
            }
            Some((name, value)) => self.headers.push((own(name.trim()), own(value.trim()))),
            None => {
                if let Some(name) = line.strip_suffix(';') {
                    self.headers.push((own(name.trim()), own("")));
                }
            }
        }
        Ok(())
    }

    fn data(&mut self, used: Use, value: Text) {
        let reads_file = !matches!(used, Use::RawData) && value.starts_with('@');
        let data = match reads_file || matches!(used, Use::EncodedData) {
            true => Data::Elsewhere,
            false => Data::Inline(value),
        };
        self.data.push(data);
    }

    fn into_request(mut self) -> Result<Request, Failure> {
        let url = self
            .url
            .take()
            .ok_or_else(|| Failure::usage("the line has no URL"))?;
        let (authority, mut target) = split_url(&url)?;
        let has_body = self.is_upload || (!self.data.is_empty() && !self.is_get);
        if self.is_get {
            self.content_type = None;
            let data = std::mem::take(&mut self.data);
            append(&mut target, &data)?;
        }
        let method = match &self.method {
            Some(method) if is_method(method) => method.to_string(),
            Some(_other) => {
                return Err(Failure::usage("what the line names as its method is none")
                    .help("write a method such as POST behind -X"));
            }
            None if self.is_head => "HEAD".to_owned(),
            None if self.is_upload => "PUT".to_owned(),
            None if has_body => "POST".to_owned(),
            None => "GET".to_owned(),
        };
        self.defaults(&authority);
        Ok(Request {
            method,
            authority,
            target,
            headers: self.headers,
        })
    }

    /// What curl sets by itself, where the line does not.
    fn defaults(&mut self, authority: &str) {
        let length = (!self.data.is_empty()).then(|| self.length()).flatten();
        let defaults = [
            ("Host", Some(authority.to_owned())),
            ("User-Agent", Some("curl".to_owned())),
            ("Accept", Some(self.accept.unwrap_or("*/*").to_owned())),
            (
                "Accept-Encoding",
                self.is_compressed
                    .then(|| "deflate, gzip, br, zstd".to_owned()),
            ),
            ("Content-Type", self.content_type.map(str::to_owned)),
            ("Content-Length", length.map(|length| length.to_string())),
        ];
        for (name, value) in defaults {
            let is_given = self
                .headers
                .iter()
                .any(|(given, _)| given.eq_ignore_ascii_case(name));
            let is_unwanted = self
                .without
                .iter()
                .any(|unwanted| unwanted.eq_ignore_ascii_case(name));
            if let Some(value) = value.filter(|_| !is_given && !is_unwanted) {
                self.put(name, Text::new(value));
            }
        }
    }

    /// How long the body is, where that is known. curl joins parts by `&`, those of `--json` by nothing.
    fn length(&self) -> Option<usize> {
        let joint = usize::from(self.accept.is_none());
        let parts = self.data.iter().map(|data| match data {
            Data::Inline(text) => Some(text.len()),
            Data::Elsewhere => None,
        });
        let total = parts.sum::<Option<usize>>()?;
        Some(total + joint * self.data.len().saturating_sub(1))
    }
}

/// Whether it may be a method, and is no key in its place: the method is shown.
fn is_method(text: &str) -> bool {
    /// The longest that is registered has 17 characters.
    const LONGEST: usize = 17;
    let is_part = |byte: u8| byte.is_ascii_alphabetic() || byte == b'-';
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(is_part)
}

/// What a header says that holds a token.
pub(crate) fn bearer(token: &str) -> Text {
    const SCHEME: &str = "Bearer ";
    let mut bearer = Text::new(String::with_capacity(SCHEME.len() + token.len()));
    bearer.push_str(SCHEME);
    bearer.push_str(token);
    bearer
}

/// Host with port, and path with query.
fn split_url(url: &str) -> Result<(String, Text), Failure> {
    let refuse = |why: &str| {
        Failure::usage("the line's URL cannot be used")
            .because(why)
            .help("it looks like http://127.0.0.1:8787/v1/ACCOUNT/GATEWAY/PROVIDER/…, in quotes")
    };
    let rest = match url.split_once("://") {
        Some(("http" | "https" | "ws" | "wss", rest)) => rest,
        Some(_other) => {
            return Err(refuse(
                "it begins with none of https://, http://, wss:// and ws://",
            ));
        }
        None => url,
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(refuse("it holds a user or a password"));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-_[]%".contains(&byte);
    if authority.is_empty() || !authority.bytes().all(is_plain) {
        return Err(refuse("it names no host"));
    }
    let slash = if target.starts_with('/') { "" } else { "/" };
    let mut path = Text::new(String::with_capacity(target.len() + 1));
    path.push_str(slash);
    path.push_str(target);
    Ok((authority.to_owned(), path))
}

/// What `--get` does with data.
fn append(target: &mut Text, data: &[Data]) -> Result<(), Failure> {
    for data in data {
        let Data::Inline(text) = data else {
            return Err(Failure::usage(
                "the line's query comes from a file, or is encoded by curl",
            )
            .help("write it into the URL, instead of --get"));
        };
        let joint = if target.contains('?') { "&" } else { "?" };
        let mut longer = Text::new(String::with_capacity(target.len() + text.len() + 1));
        for part in [target.as_str(), joint, text] {
            longer.push_str(part);
        }
        *target = longer;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
